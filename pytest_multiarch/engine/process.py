"""Run the docker client: argument lists, a time limit on every call, output kept, the whole process group ended."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pytest_multiarch.errors import CommandTimeout, EngineUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# How often time limit and stop are looked at while nothing is printed, and how long an ended group may take, in seconds.
_LOOK = 0.1
_GRACE = 5.0
_LAST_LINES = 20


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
    ``on_stderr_line`` gets each line of standard error as it comes, from the calling thread; only the last of them are
    kept then. Setting ``stopping`` ends the program early. Raises `CommandTimeout` (with the last that was printed) or
    `EngineUnavailable` where the program cannot be started.
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
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise EngineUnavailable(
            f"running {words[0]}",
            "there is no such program on PATH" if missing else error.strerror or str(error),
            "Install Docker's client with the buildx plugin (packages docker-cli and docker-buildx, or Docker Desktop).",
        ) from None
    stdout: list[bytes] = []
    stderr: deque[str] = deque(maxlen=_LAST_LINES if on_stderr_line is not None else None)
    lines = _Lines()

    def hear(line: str) -> None:
        stderr.append(line)
        if on_stderr_line is not None:
            on_stderr_line(line)

    assert process.stdout is not None
    assert process.stderr is not None
    watch = _Watch(process, started + limit, stopping)
    try:
        for stream, data in _output(process.stdout, process.stderr, watch):
            if stream is process.stdout:
                stdout.append(data)
            else:
                for line in lines.whole(data):
                    hear(line)
        if lines.rest:
            hear(lines.rest)
        watch.wait_for_end()
    except BaseException:
        watch.signal_group(signal.SIGKILL)
        process.wait()
        raise
    finally:
        process.stdout.close()
        process.stderr.close()
    seconds = time.monotonic() - started
    if watch.was_ended:
        stopped = stopping is not None and stopping.is_set()
        raise CommandTimeout(
            f"running {' '.join(words[:4])}",
            f"stopped after {seconds:.0f} s" if stopped else f"no end within {limit:.0f} s",
            "" if stopped else "Raise the limit with --multiarch-build-timeout if it only needs longer.",
            "\n".join(list(stderr)[-_LAST_LINES:]),
        )
    return Outcome(words, process.returncode, b"".join(stdout).decode(errors="replace"), "\n".join(stderr), seconds)


def _output(stdout: IO[bytes], stderr: IO[bytes], watch: _Watch) -> Iterator[tuple[IO[bytes], bytes]]:
    """Yield what comes from both pipes until both are closed, or until nobody is left who may be told to close them."""
    with selectors.DefaultSelector() as selector:
        for pipe in (stdout, stderr):
            selector.register(pipe, selectors.EVENT_READ, pipe)
        while selector.get_map() and watch.look():
            for key, _ in selector.select(_LOOK):
                data = os.read(key.fd, 65536)
                if data:
                    yield key.data, data
                else:
                    selector.unregister(key.fileobj)


class _Lines:
    """Cut bytes that come in pieces into lines of text."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def whole(self, data: bytes) -> Iterator[str]:
        first, *others = data.split(b"\n")
        self._rest.append(first)
        for piece in others:
            yield self.rest
            self._rest = [piece]

    @property
    def rest(self) -> str:
        return b"".join(self._rest).decode(errors="replace")


class _Watch:
    """End a process group when its time is up, or when the whole run stops."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float, stopping: threading.Event | None) -> None:
        self.was_ended = False
        self._process = process
        self._deadline = deadline
        self._stopping = stopping
        self._steps = iter((signal.SIGTERM, signal.SIGKILL))

    def look(self) -> bool:
        """End the group if it is time: asked first, then killed. Say whether there is something left to wait for."""
        is_stopping = self._stopping is not None and self._stopping.is_set() and not self.was_ended
        if not is_stopping and time.monotonic() < self._deadline:
            return True
        number = next(self._steps, None)
        if number is None:
            return False  # killed, and yet the pipes are open: held by a process that has left the group
        self.was_ended = True
        self.signal_group(number)
        self._deadline = time.monotonic() + _GRACE
        return True

    def wait_for_end(self) -> None:
        """Wait for the program itself, which may go on after it has closed its output."""
        while self._process.poll() is None:
            self.look()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the group, also where its first process has ended: it is not waited for before the pipes close.

        So its number is still taken, and the group is still ours.
        """
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
