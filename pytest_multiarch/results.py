"""What running a command in an image gave: its output, exit code, duration, and where it ran."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform

_LINE = 100


@dataclass(frozen=True, slots=True, repr=False)
class CommandResult:
    """Hold what a command left behind.

    ``args`` is the command as it was asked for, empty for the image's own; ``duration`` is in seconds; ``how`` says
    what executed it: ``native``, or ``emulated by …``. Output is kept as the bytes that came: ``stdout`` and ``stderr``
    read them as UTF-8.
    """

    args: tuple[str, ...]
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    duration: float
    platform: Platform
    how: str = field(default="")

    @property
    def stdout(self) -> str:
        """Return the output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stdout_bytes.decode("utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """Return the error output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.stderr_bytes.decode("utf-8", errors="replace")

    def __repr__(self) -> str:
        """Return one line: enough for an assertion's message."""
        command = _shortened(shlex.join(self.args)) if self.args else "the image's command"
        return f"<{command} on {self.platform}: exit {self.exit_code}, stdout {_shortened(repr(self.stdout))}>"

    def describe(self) -> str:
        """Return command, place, exit code, duration and both outputs on several lines, for a failure report."""
        command = shlex.join(self.args) if self.args else "the image's command"
        place = f"{self.platform} ({self.how})" if self.how else str(self.platform)
        return "\n".join(
            [
                f"command: {command}",
                f"platform: {place}",
                f"exit code: {self.exit_code} after {self.duration:.2f} s",
                *_section("stdout", self.stdout),
                *_section("stderr", self.stderr),
            ]
        )


def _section(name: str, text: str) -> list[str]:
    lines = text.splitlines()
    return [f"{name}:", *(f"  {line}" for line in lines)] if lines else [f"{name}: (empty)"]


def _shortened(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"
