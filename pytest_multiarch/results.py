"""What running a command in an image gave: its output, exit code, duration, and where it ran."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.wording import neutral

if TYPE_CHECKING:
    from pytest_multiarch.outputs import Output
    from pytest_multiarch.platforms import Platform

_LINE = 100
_SHOWN = 20_000
"""Bytes of one output that a report shows."""


@dataclass(frozen=True, slots=True, repr=False)
class CommandResult:
    """Hold what a command left behind.

    ``args`` is the command as it was asked for, empty for the image's own; ``duration`` is in seconds; ``how`` says
    what executed it: ``native``, or ``emulated by …``. Output is kept as the bytes that came, a large one in a temporary
    file: ``out`` and ``err`` read it piece by piece, ``stdout`` and ``stderr`` whole and as UTF-8.
    """

    args: tuple[str, ...]
    exit_code: int
    out: Output
    err: Output
    duration: float
    platform: Platform
    how: str = field(default="")

    @property
    def stdout_bytes(self) -> bytes:
        """Return the output as it came."""
        return self.out.whole()

    @property
    def stderr_bytes(self) -> bytes:
        """Return the error output as it came."""
        return self.err.whole()

    @property
    def stdout(self) -> str:
        """Return the output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.out.text()

    @property
    def stderr(self) -> str:
        """Return the error output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.err.text()

    def __repr__(self) -> str:
        """Return one line: enough for an assertion's message."""
        command = _shortened(shlex.join(self.args)) if self.args else "the image's command"
        shown = _shortened(repr(self.out.shown(4 * _LINE)))
        # pytest shows this as it is.
        return neutral(f"<{command} on {self.platform}: exit {self.exit_code}, stdout {shown}>")

    def describe(self) -> str:
        """Return command, place, exit code, duration and both outputs, long ones in short, on several lines for a report."""
        command = shlex.join(self.args) if self.args else "the image's command"
        place = f"{self.platform} ({self.how})" if self.how else str(self.platform)
        return "\n".join(
            [
                f"command: {command}",
                f"platform: {place}",
                f"exit code: {self.exit_code} after {self.duration:.2f} s",
                *_section("stdout", self.out.shown(_SHOWN)),
                *_section("stderr", self.err.shown(_SHOWN)),
            ]
        )


def _section(name: str, text: str) -> list[str]:
    lines = text.splitlines()
    return [f"{name}:", *(f"  {line}" for line in lines)] if lines else [f"{name}: (empty)"]


def _shortened(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"
