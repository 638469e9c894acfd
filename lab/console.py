"""Progress lines and failures of the lab, for people: one line when a step starts and one when it ends."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_write_lock = threading.Lock()  # steps run side by side; a line is written whole


class LabError(Exception):
    """Say what was tried, what came back and what to do next; ends the lab's command with exit code 1."""

    def __init__(self, tried: str, found: str = "", hint: str = "") -> None:
        super().__init__(tried, found, hint)
        self.tried = tried
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        """Return headline and hint, a line each."""
        head = f"{self.tried}: {self.found}" if self.found else self.tried
        return f"{head}\n{self.hint}" if self.hint else head


def say(text: str) -> None:
    """Write one line to standard error, at once and whole."""
    with _write_lock:
        sys.stderr.write(f"lab: {text}\n")
        sys.stderr.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step that takes longer than two seconds, and its seconds when it is done."""
    say(f"{title} …")
    started = time.monotonic()
    yield
    say(f"{title}: done in {time.monotonic() - started:.0f} s")
