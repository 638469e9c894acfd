"""What a command left behind, as a value and as text."""

from __future__ import annotations

import pickle

from pytest_multiarch.outputs import Output
from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult

ARM64 = Platform.parse("linux/arm64")


def test_output_is_kept_as_bytes_and_read_as_text() -> None:
    result = CommandResult(("x",), 0, Output(b"gr\xc3\xbc\xc3\x9fe\xff"), Output(b"\xf0\x9f\x90\xb3"), 1.0, ARM64)
    assert result.stdout == "gr\u00fc\u00dfe\ufffd"
    assert result.stderr == "\U0001f433"
    assert result.stdout_bytes == b"gr\xc3\xbc\xc3\x9fe\xff"


def test_the_repr_is_one_line() -> None:
    result = CommandResult(("sh", "-c", "echo a b"), 3, Output(b"line 1\nline 2\n"), Output(b""), 0.5, ARM64)
    assert repr(result) == r"<sh -c 'echo a b' on linux/arm64: exit 3, stdout 'line 1\nline 2\n'>"


def test_long_output_does_not_make_a_long_repr() -> None:
    assert len(repr(CommandResult(("x" * 500,), 0, Output(b"y" * 10_000), Output(b""), 0.5, ARM64))) < 300


def test_the_description_shows_beginning_and_end_of_long_output() -> None:
    text = CommandResult((), 0, Output(b"first\n" + b"y\n" * 100_000 + b"last\n"), Output(), 0.5, ARM64).describe()
    assert len(text) < 50_000
    assert "\n  first\n" in text
    assert "\n  last\n" in text
    assert "180011 bytes left out" in text


def test_the_description_has_everything() -> None:
    result = CommandResult(
        ("ls", "a b"), 2, Output(b""), Output(b"no such\nfile\n"), 1.234, ARM64, "emulated by qemu-aarch64"
    )
    assert result.describe() == "\n".join(
        [
            "command: ls 'a b'",
            "platform: linux/arm64 (emulated by qemu-aarch64)",
            "exit code: 2 after 1.23 s",
            "stdout: (empty)",
            "stderr:",
            "  no such",
            "  file",
        ]
    )


def test_the_images_own_command_is_named_so() -> None:
    result = CommandResult((), 0, Output(b"out"), Output(b""), 0.1, ARM64)
    assert result.describe().startswith("command: the image's command\nplatform: linux/arm64\n")
    assert repr(result).startswith("<the image's command on linux/arm64: exit 0")


def test_a_result_can_be_sent_to_another_process() -> None:
    result = CommandResult(("x",), 0, Output(b"out"), Output(b"err"), 1.0, ARM64, "native")
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301
