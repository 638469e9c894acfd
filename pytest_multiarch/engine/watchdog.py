"""A small process that outlives a killed test run and closes its book.

Started as ``python -m pytest_multiarch.engine.watchdog FOLDER`` with a pipe as standard input. The run writes ``done`` after it
has cleaned up itself; an end of the pipe without that word means that the run died. Ours and not Ryuk, because Ryuk knows no
builders and its image is not to be had everywhere.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_DONE = b"done\n"
# What a dying run was starting may come up a moment after its death: look again until nothing new appears.
_SWEEPS = 3


class Watchdog:
    """Start the watchdog of one run's folder, and tell it in the end that all is gone."""

    def __init__(self, folder: Path) -> None:
        search = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest_multiarch.engine.watchdog", str(folder)],
            cwd="/",  # so that it keeps no folder of the user's busy
            env={**os.environ, "PYTHONPATH": search},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C and a closed terminal must not reach it
        )

    def dismiss(self) -> None:
        """Say that nothing is left to be done, and wait for the process to go."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it was killed: the next run sweeps in its place
            self._process.stdin.write(_DONE)
            self._process.stdin.flush()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)

    def abandon(self) -> None:
        """Leave it to close the book: the run could not."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()


def main(folder: Path) -> int:
    """Wait for the run to end; return at once when it says that it is done, else sweep what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if _run_said_done(os.getppid()):
        return 0
    # Imported only here: the SDK takes a third of a second that a run which ends well never pays.
    from pytest_multiarch.engine.cleanup import sweep_folder

    problems: list[str] = []
    for attempt in range(_SWEEPS):
        if attempt:
            time.sleep(1)  # between tries, while the daemon finishes what the dead run had asked of it
        problems = sweep_folder(folder)
        if not problems and not folder.exists():
            return 0
    return 1 if problems else 0


def _run_said_done(parent: int) -> bool:
    """Wait for the word or for the end of the pipe.

    The parent's id is looked at too: a child that the tests forked may hold the pipe open long after pytest's death.
    """
    heard = b""
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable:
            chunk = os.read(sys.stdin.fileno(), 64)
            heard += chunk
            if not chunk or heard.endswith(_DONE):
                return heard.endswith(_DONE)
        elif os.getppid() != parent:
            return False


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
