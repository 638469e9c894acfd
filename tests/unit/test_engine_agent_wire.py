"""Requests to the agent, and its frames taken apart, whatever the pieces they come in."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.engine.agent.wire import ENDED, ERR, OUT, REFUSED, agent_frames, exit_code_of, request_bytes
from pytest_multiarch.errors import EngineError


def frame(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", kind, len(content)) + content


FRAMES = st.lists(st.tuples(st.sampled_from([OUT, ERR]), st.binary(min_size=1, max_size=300)), max_size=8)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_frames_are_found_in_any_pieces(frames: list[tuple[int, bytes]], sizes: list[int]) -> None:
    whole = [*frames, (ENDED, bytes(4))]
    data, pieces, turn = b"".join(frame(*one) for one in whole), [], 0
    while data:
        size = sizes[turn % len(sizes)]
        pieces.append((OUT, data[:size]))
        data, turn = data[size:], turn + 1
    assert list(agent_frames(iter(pieces))) == whole


def test_what_is_cut_off_is_not_given() -> None:
    data = frame(OUT, b"whole") + frame(OUT, b"half")[:-1]
    assert list(agent_frames(iter([(OUT, data)]))) == [(OUT, b"whole")]


@pytest.mark.parametrize(
    "piece",
    [
        (ERR, frame(OUT, b"x")),
        (OUT, frame(0, b"x")),
        (OUT, frame(5, b"x")),
        (OUT, frame(ENDED, b"")),
        (OUT, frame(REFUSED, b"12345")),
        (OUT, struct.pack(">BxxxL", OUT, 2**31)),
    ],
)
def test_what_the_agent_never_writes_is_an_error(piece: tuple[int, bytes]) -> None:
    with pytest.raises(EngineError, match="which it never writes"):
        list(agent_frames(iter([piece])))


def test_a_request_holds_arguments_and_variables() -> None:
    body = struct.pack(">LL", 2, 1) + "echo\0grüße\0NAME=a=b\0".encode()
    assert request_bytes(["echo", "grüße"], {"NAME": "a=b"}) == struct.pack(">L", len(body)) + body


@pytest.mark.parametrize(
    ("args", "env"),
    [
        ([], {}),
        (["a\0b"], {}),
        (["a"], {"N": "\0"}),
        (["a"], {"": "x"}),
        (["a"], {"N=M": "x"}),
        (["a"] * 10_001, {}),
        (["x" * 1_048_576], {}),
    ],
)
def test_what_it_cannot_take_is_no_request(args: list[str], env: dict[str, str]) -> None:
    assert request_bytes(args, env) is None


@pytest.mark.parametrize(
    ("status", "code"), [(0, 0), (7 << 8, 7), (255 << 8, 255), (9, 137), (11 | 0x80, 139), (6, 134)]
)
def test_a_wait_status_is_an_exit_code_as_a_shell_gives_it(status: int, code: int) -> None:
    assert exit_code_of(struct.pack(">L", status)) == code
