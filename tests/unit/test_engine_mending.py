"""Faults in the middle of a run: what passes is waited for, the throwaway registry is started again, the rest is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.mending import advice, explained, pull, went_away
from pytest_multiarch.errors import BuildError, EngineError
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import Answer, FakeEngineApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ARM64 = Platform.parse("linux/arm64")
REFERENCE = "localhost:5001/app@sha256:" + "1" * 64
GOOD = Answer(chunks=[b'{"status": "Pull complete"}\r\n'])
LOG = b'time="x" level=error msg="unknown error" err.detail="filesystem: write /data: no space left on device" go=1\n'


def refusal(text: str) -> Answer:
    return Answer(chunks=[b'{"error": "%s"}\r\n' % text.encode()])


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        fake.on("GET", "/containers/json", Answer(json=[]))
        yield fake


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


def registry(api: FakeEngineApi, *, running: bool, log: bytes = b"", port: str = "5001") -> None:
    """Let the daemon have a throwaway registry."""
    state = {"Running": running, "ExitCode": 0 if running else 137}
    found: dict[str, Any] = {"Id": "r", "State": state}
    found["HostConfig"] = {"PortBindings": {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}}
    found["Config"] = {"Tty": False}
    api.on("GET", "/containers/json", Answer(json=[{"Id": "r", "Names": ["/multiarch-1-registry"]}]))
    api.on("GET", "/containers/r/json", Answer(json=found))
    framed = b"\2\0\0\0" + len(log).to_bytes(4, "big") + log
    api.on("GET", "/containers/r/logs", Answer(raw=framed, content_type="application/vnd.docker.raw-stream"))
    api.on("POST", "/containers/r/start", Answer(204))


def fetch(engine: Engine) -> list[float]:
    """Pull, and return the pauses that were made."""
    pauses: list[float] = []
    pull(engine, REFERENCE, platform=ARM64, credentials=None, sleep=pauses.append)
    return pauses


@pytest.mark.parametrize(
    "words",
    [
        "received unexpected HTTP status: 500 Internal Server Error",
        "unexpected status from HEAD request to https://r.example/v2/a: 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
        "failed to copy: unexpected EOF",
        "dial tcp 127.0.0.1:5001: connect: connection refused",
        "read tcp: connection reset by peer",
    ],
)
def test_what_passes_is_tried_again(engine: Engine, api: FakeEngineApi, words: str) -> None:
    api.on("POST", "/images/create", refusal(words), refusal(words), GOOD)
    pauses = fetch(engine)
    assert len(pauses) == 2
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(
    "words",
    [
        "pull access denied for app, repository does not exist",
        "manifest unknown",
        "no match for platform in manifest",
        "unexpected commit digest sha256:0, expected sha256:1: failed precondition",
    ],
)
def test_what_does_not_pass_is_not(engine: Engine, api: FakeEngineApi, words: str) -> None:
    api.on("POST", "/images/create", refusal(words), GOOD)
    with pytest.raises(EngineError, match=words):
        fetch(engine)


def test_what_does_not_pass_after_all_is_given_up(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/images/create", refusal("502 Bad Gateway"))
    with pytest.raises(EngineError, match="502 Bad Gateway"):
        fetch(engine)
    assert len(api.asked("POST", "/images/create")) == 3


def test_a_throwaway_registry_that_has_ended_is_started_again(engine: Engine, api: FakeEngineApi) -> None:
    registry(api, running=False)
    api.on("POST", "/images/create", refusal("connect: connection refused"), GOOD)
    assert len(fetch(engine)) == 1
    assert len(api.asked("POST", "/containers/r/start")) == 1


def test_another_registry_is_left_alone(engine: Engine, api: FakeEngineApi) -> None:
    registry(api, running=False, port="5002")
    api.on("POST", "/images/create", refusal("connect: connection refused"))
    with pytest.raises(EngineError, match=r"connection refused\nCheck"):
        fetch(engine)
    assert api.asked("POST", "/containers/r/start") == []


def test_a_registry_that_does_not_come_up_again_is_named(engine: Engine, api: FakeEngineApi) -> None:
    registry(api, running=False)
    api.on("POST", "/images/create", refusal("connect: connection refused"))
    with pytest.raises(EngineError, match=r"refused; the throwaway registry's container ended with exit code 137"):
        fetch(engine)


def test_the_registrys_own_word_stands_beside_what_it_told_the_builder(engine: Engine, api: FakeEngineApi) -> None:
    registry(api, running=True, log=LOG)
    error = BuildError("building it", "failed to push localhost:5001/app: unknown: blob upload invalid", "do", "log")
    told = explained(error, engine, "localhost:5001")
    assert type(told) is BuildError
    assert told.found.endswith("invalid; the throwaway registry says: filesystem: write /data: no space left on device")
    assert (told.tried, told.hint, told.detail) == ("building it", "do", "log")


def test_an_error_that_has_nothing_to_do_with_the_registry_stays(engine: Engine, api: FakeEngineApi) -> None:
    registry(api, running=True, log=LOG)
    error = BuildError("building it", "process did not complete successfully: exit code: 3")
    assert explained(error, engine, "localhost:5001") is error


def test_a_daemon_that_does_not_answer_is_not_told_instead(engine: Engine, api: FakeEngineApi) -> None:
    api.on("GET", "/containers/json", Answer(500, json={"message": "shutting down"}))
    error = BuildError("building it", "failed to push localhost:5001/app: EOF")
    assert explained(error, engine, "localhost:5001") is error


def test_a_build_that_lost_buildkit_says_so() -> None:
    reason = "failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF"
    assert went_away(reason)
    assert "BuildKit ended" in advice(reason, "mine", "localhost:5001")
    assert not went_away("process did not complete successfully: exit code: 1")


def test_a_builder_without_a_way_to_the_registry_is_told_how_to_get_one() -> None:
    reason = 'failed to do request: Head "http://localhost:5001/v2/": dial tcp [::1]:5001: connect: connection refused'
    assert "network=host" in advice(reason, "theirs", "localhost:5001")
    assert advice(reason, "theirs", "localhost:5002") == ""
