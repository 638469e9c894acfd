"""Runs of pytest in a process group of their own, as a terminal starts them, and the moments at which they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from tests.integration.support import HEARING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE = 120.0  # seconds until a moment must have come, on a busy machine
GONE = 15.0  # seconds after a kill in which everything is gone


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait for a condition, and say whether it came about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)  # between two looks at the condition
    return True


@dataclass
class Run:
    """A run of pytest that goes on while the test looks at it; its output is a file, which nobody has to read."""

    folder: Path
    args: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start it."""
        self._file = self.folder.with_name(f"{self.folder.name}-{time.monotonic_ns()}.txt")
        with self._file.open("wb") as file:
            self.process = subprocess.Popen(
                [*HEARING, sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", *self.args],
                cwd=self.folder,
                env={**_usual(os.environ), "PYTHONDONTWRITEBYTECODE": "1", **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """Return what it has printed so far."""
        return self._file.read_text(encoding="utf-8", errors="replace")

    def reach(self, moment: Callable[[], object]) -> None:
        """Wait until it has come to a moment; fail where it ends before that."""
        came = until(lambda: moment() or self.process.poll() is not None, PATIENCE)
        if not came or not moment():
            pytest.fail(f"that moment never came; the run's output:\n{self.output}")

    def end(self, limit: float = PATIENCE) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end within {limit:.0f} s; the run's output:\n{self.output}")

    def interrupt(self) -> None:
        """Do as a terminal does at Ctrl-C: the whole group hears it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def workers(self) -> list[int]:
        """Return the ids of pytest-xdist's workers, which execnet starts with one line of Python."""
        return [
            pid for pid in _children(self.process.pid) if b"exec(eval(sys.stdin.readline()))" in _read(pid, "cmdline")
        ]

    def watchdogs(self) -> list[int]:
        """Return the ids of the watchdogs of this run and of its workers."""
        parents = [self.process.pid, *self.workers()]
        return [
            pid
            for parent in parents
            for pid in _children(parent)
            if b"pytest_multiarch.engine.watchdog" in _read(pid, "cmdline").split(b"\0")
        ]

    def kill(self) -> None:
        """End all of it, where it has not ended: for the end of a test."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                until(lambda: self.process.poll() is not None, 30)
        self.process.wait(10)


def _usual(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would have everything written at once: what a test waits to see, the plugin has to flush."""
    return {name: value for name, value in environ.items() if name != "PYTHONUNBUFFERED"}


def container(part: str) -> Callable[[], bool]:
    """Return the moment at which there is a container with this in its name."""

    def look() -> bool:
        with closing(Engine.connect()) as engine:  # looked at often: a docker client each time would slow the run down
            return any(part in name for one in engine.api.containers(all=True) for name in one["Names"])

    return look


def command(*words: str) -> Callable[[], bool]:
    """Return the moment at which a command runs somewhere on this machine, in a container or not."""
    line = b"\0".join(word.encode() for word in words) + b"\0"
    return lambda: any(_read(int(entry.name), "cmdline") == line for entry in Path("/proc").glob("[0-9]*"))


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _read(int(entry.name), "stat").rpartition(b")")[2].split()
        if fields and int(fields[1]) == parent:
            found.append(int(entry.name))
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # it has ended meanwhile
