"""A small process that outlives a killed test run and closes its book.

Started with the run's folder as its argument and a pipe as standard input. The run writes ``done`` after it has cleaned up
itself; an end of the pipe without that word means that the run died. Ours and not Ryuk, because Ryuk knows no
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DONE = b"done\n"
_START = """
import sys
_, name, folder, parent, *search = sys.argv
sys.path[:] = dict.fromkeys([*filter(None, sys.path), *search])
from importlib import import_module
from pathlib import Path
raise SystemExit(import_module(name).main(Path(folder), int(parent)))
"""
_PATIENCE = 10.0  # seconds that a dismissed watchdog may take to go
# What a dying run was starting may come up a moment after its death: look again until nothing new appears.
_SWEEPS = 3


class Watchdog:
    """Start the watchdog of one run's folder, and tell it in the end that all is gone."""

    def __init__(self, folder: Path) -> None:
        # Behind the interpreter's own path: pytest puts test folders first, where a `secrets.py` would stand for Python's.
        search = [os.path.abspath(entry) for entry in sys.path if entry]  # noqa: PTH100 - a path entry may be a zip file
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, __name__, str(folder), str(os.getpid()), *search],
            cwd="/",  # so that it keeps no folder of the user's busy
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
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_PATIENCE)

    def abandon(self) -> None:
        """Leave it to close the book: the run could not."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        # It outlives this process: nobody waits for it, and Popen must not warn of that.
        self._process.returncode = 0


def main(folder: Path, parent: int) -> int:
    """Wait for the run, the process ``parent``, to end; return at once when it says that it is done, else sweep what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if _run_said_done(parent):
        return 0
    # Imported only here: the SDK takes a third of a second that a run which ends well never pays.
    from pytest_multiarch.engine.cleanup import sweep_folder
    from pytest_multiarch.image.spool import sweep_layers

    sweep_layers()
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

    The parent's id is looked at too: a child that the tests forked may hold the pipe open long after pytest's death. It was
    given, because whoever asks may ask too late: the run can die while this process starts.
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
