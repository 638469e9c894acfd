"""Run the docker client: argument lists, a time limit on every call, output kept, the whole process group ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.errors import CommandTimeout, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold how a program ended; ``stdout`` and ``stderr`` are text with undecodable bytes replaced."""

    args: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    limit: float,
    on_stderr_line: Callable[[str], None] | None = None,
    stopping: threading.Event | None = None,
) -> Outcome:
    """Run a program to its end.

    ``limit`` is in seconds: a buildkitd that died can leave a client hanging for ever (moby/buildkit#2894).
    ``on_stderr_line`` gets each line of standard error as it comes, from the calling thread. Setting ``stopping`` ends the
    program early. Raises `CommandTimeout` (with what was printed) or `EngineUnavailable` where the program is missing.
    """
    words = tuple(str(arg) for arg in args)
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own: Ctrl-C reaches pytest, which then ends what it started, in its own order.
            start_new_session=True,
        )
    except FileNotFoundError:
        raise EngineUnavailable(
            f"running {words[0]}",
            "there is no such program on PATH",
            "Install Docker's client with the buildx plugin (packages docker-cli and docker-buildx, or Docker Desktop).",
        ) from None
    stdout: list[bytes] = []
    stderr: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=_drain, args=(process.stdout, stdout), daemon=True)
    reader.start()
    with process, _ended_after(process, limit, stopping) as overdue:
        for raw in process.stderr:
            line = raw.decode(errors="replace").rstrip("\n")
            stderr.append(line)
            if on_stderr_line is not None:
                on_stderr_line(line)
        process.wait()
        reader.join()
    seconds = time.monotonic() - started
    if overdue.is_set():
        stopped = stopping is not None and stopping.is_set()
        raise CommandTimeout(
            f"running {' '.join(words[:4])}",
            f"stopped after {seconds:.0f} s" if stopped else f"no end within {limit:.0f} s",
            "" if stopped else "Raise the limit with --multiarch-build-timeout if it only needs longer.",
            "\n".join(stderr[-20:]),
        )
    return Outcome(words, process.returncode, b"".join(stdout).decode(errors="replace"), "\n".join(stderr), seconds)


def _drain(stream: Iterable[bytes], into: list[bytes]) -> None:
    into.extend(stream)


@contextmanager
def _ended_after(
    process: subprocess.Popen[bytes], limit: float, stopping: threading.Event | None
) -> Iterator[threading.Event]:
    """End the process group when the limit passes, or when the whole run stops; tell through the event that it did."""
    overdue = threading.Event()
    finished = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + limit
        while not finished.wait(0.1):
            if time.monotonic() > deadline or (stopping is not None and stopping.is_set()):
                overdue.set()
                _end_group(process, signal.SIGTERM)
                if not finished.wait(5):
                    _end_group(process, signal.SIGKILL)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield overdue
    except BaseException:
        _end_group(process, signal.SIGKILL)
        raise
    finally:
        finished.set()
        watcher.join()


def _end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return  # it ended by itself in between
