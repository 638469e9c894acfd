"""What a command left behind, as a value and as text."""

from __future__ import annotations

import pickle

from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult

ARM64 = Platform.parse("linux/arm64")


def test_output_is_kept_as_bytes_and_read_as_text() -> None:
    result = CommandResult(("x",), 0, b"gr\xc3\xbc\xc3\x9fe\xff", b"\xf0\x9f\x90\xb3", 1.0, ARM64)
    assert result.stdout == "gr\u00fc\u00dfe\ufffd"
    assert result.stderr == "\U0001f433"
    assert result.stdout_bytes == b"gr\xc3\xbc\xc3\x9fe\xff"


def test_the_repr_is_one_line() -> None:
    result = CommandResult(("sh", "-c", "echo a b"), 3, b"line 1\nline 2\n", b"", 0.5, ARM64)
    assert repr(result) == r"<sh -c 'echo a b' on linux/arm64: exit 3, stdout 'line 1\nline 2\n'>"


def test_long_output_does_not_make_a_long_repr() -> None:
    assert len(repr(CommandResult(("x" * 500,), 0, b"y" * 10_000, b"", 0.5, ARM64))) < 300


def test_the_description_has_everything() -> None:
    result = CommandResult(("ls", "a b"), 2, b"", b"no such\nfile\n", 1.234, ARM64, "emulated by qemu-aarch64")
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
    result = CommandResult((), 0, b"out", b"", 0.1, ARM64)
    assert result.describe().startswith("command: the image's command\nplatform: linux/arm64\n")
    assert repr(result).startswith("<the image's command on linux/arm64: exit 0")


def test_a_result_can_be_sent_to_another_process() -> None:
    result = CommandResult(("x",), 0, b"out", b"err", 1.0, ARM64, "native")
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301
