"""Show how builds go on: a live line per platform on a terminal, else one plain line when a platform starts and one when it ends.

Builds run in threads of their own. They only note what has happened; it is written while the test's own thread waits for a
build, so nothing appears in the middle of a test's output.
"""

from __future__ import annotations

import threading
import time
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_multiarch.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from pytest_multiarch.engine.progress import Step
    from pytest_multiarch.platforms import Platform

T = TypeVar("T")
_TICK = 0.1  # seconds between two looks while waiting
_QUIET = 1.5  # seconds until the user is told what else is waited for


@dataclass(slots=True)
class _Line:
    """Follow one platform's build."""

    started: float
    step: Step | None = None
    seconds: float | None = None
    failed: bool = False


class Progress:
    """Listen to builds and show them. Implements the engine's `Listener`."""

    def __init__(self, config: pytest.Config) -> None:
        self._reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        self._capture: Any = config.pluginmanager.getplugin("capturemanager")
        # -p no:terminal takes the option away as well.
        if config.getoption("verbose", 0) < 0:
            self._reporter = None
        # `isatty` also answers for --color and a redirected output: escape codes are for real terminals only.
        self._live = bool(self._reporter is not None and self._reporter.isatty)
        self._lock = threading.Lock()
        self._lines: dict[Platform, _Line] = {}
        self._pending: list[str] = []
        self._drawn = 0

    def build_started(self, platform: Platform) -> None:
        """Hear that a platform's build has begun."""
        with self._lock:
            self._lines[platform] = _Line(time.monotonic())
            if not self._live:
                self._pending.append(_begun(platform))

    def build_step(self, platform: Platform, step: Step) -> None:
        """Hear which step is running now."""
        with self._lock:
            self._lines[platform].step = step

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None:
        """Hear that a platform's build is over."""
        with self._lock:
            line = self._lines.pop(platform, None)
            if line is not None:
                self._pending.append(_ended(platform, seconds, failed))

    def note(self, text: str) -> None:
        """Hear a line that the user should see once: at once from the main thread, else when that waits."""
        with self._lock:
            self._pending.append(shown(f"multiarch: {text}"))
        if self._reporter is not None and threading.current_thread() is threading.main_thread():
            self._show(last=True)

    def wait(self, future: futures.Future[T], what: str = "") -> T:
        """Return the future's result; until it is there, show what the builds do, and after a moment ``what`` is awaited."""
        if self._reporter is None or threading.current_thread() is not threading.main_thread():
            return future.result()
        told_at = time.monotonic() + _QUIET
        while not future.done():
            if what and time.monotonic() >= told_at:
                self.note(what)
                what = ""
            self._show(last=False)
            futures.wait([future], timeout=_TICK)
        self._show(last=True)
        return future.result()

    def _show(self, *, last: bool) -> None:
        with self._lock:
            pending, self._pending = self._pending, []
            live = [_text(platform, line) for platform, line in self._lines.items()] if self._live and not last else []
        if not (pending or live or self._drawn):
            return
        with self._terminal() as reporter:
            if self._drawn:
                # Up to the first live line, and clear from there to the end of the screen (ECMA-48 CUU, ED).
                reporter.write(f"\x1b[{self._drawn}A\x1b[J")
            elif pending or live:
                reporter.ensure_newline()
            width = max(20, reporter._tw.fullwidth - 1) if hasattr(reporter, "_tw") else 79
            for text in [*pending, *(text[:width] for text in live)]:
                reporter.write_line(text)
            reporter.flush()
        self._drawn = len(live)

    @contextmanager
    def _terminal(self) -> Iterator[Any]:
        """Give the reporter with the capturing of output suspended: a fixture's output would be captured else."""
        if self._capture is None:
            yield self._reporter
            return
        with self._capture.global_and_fixture_disabled():
            yield self._reporter


class Announcements:
    """Listen to builds and write a line at once when one starts and ends. Implements the engine's `BuildListener`.

    For a process whose main thread runs no tests, so that nobody there waits for a build: ``write`` is called from any
    thread.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def build_started(self, platform: Platform) -> None:
        """Hear that a platform's build has begun."""
        self._write(_begun(platform))

    def build_step(self, platform: Platform, step: Step) -> None:
        """Hear which step is running now."""

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None:
        """Hear that a platform's build is over."""
        self._write(_ended(platform, seconds, failed))

    def note(self, text: str) -> None:
        """Hear a line that the user should see once."""
        self._write(f"multiarch: {text}")


def _begun(platform: Platform) -> str:
    return f"multiarch: {platform}: building"


def _ended(platform: Platform, seconds: float, failed: bool) -> str:
    return f"multiarch: {platform}: {'failed after' if failed else 'built in'} {seconds:.1f} s"


def _text(platform: Platform, line: _Line) -> str:
    seconds = time.monotonic() - line.started
    step = f"step {line.step.number}/{line.step.total} {line.step.text}" if line.step is not None else "starting"
    return f"multiarch: {platform}: {seconds:4.0f} s  {step}"
