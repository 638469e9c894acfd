"""Who a process id belongs to, so that the lab ends and trusts only what it started.

Ids are used again: after all processes of a machine ended (a snapshot, a killed container) a pid file of before names a
zombie or a stranger.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from lab.console import LabError

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process by its id and its start, in clock ticks since the machine's: the id alone may be another's by now."""

    pid: int
    started: int
    program: str


def look_up(pid: int, proc: Path = PROC) -> Process | None:
    """Return the running process with this id, or None where there is none or a zombie."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    # proc_pid_stat(5): "pid (name) state …", the start is field 22; the name may hold spaces and brackets.
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    return None if fields[0] in {"Z", "X"} else Process(pid, int(fields[19]), name)


def read_pid_file(path: Path) -> int | None:
    """Return the id in a pid file, or None."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def holder(pid_file: Path, program: str, proc: Path = PROC) -> Process | None:
    """Return the process that a pid file names, if it runs and is ``program``."""
    pid = read_pid_file(pid_file)
    found = look_up(pid, proc) if pid else None
    # The kernel keeps 15 bytes of a program's name.
    return found if found and found.program == program[:15] else None


def remove_if_stale(pid_file: Path, program: str, proc: Path = PROC) -> bool:
    """Remove a pid file that does not name a running ``program``: the program refuses to start beside it.

    Return whether there was one to remove.
    """
    if holder(pid_file, program, proc) is not None or not pid_file.exists():
        return False
    pid_file.unlink()
    return True


def stop(process: Process, timeout: float) -> None:
    """End a process: ask, wait up to ``timeout`` seconds, then kill. One that is gone already is fine."""
    for number, limit in ((signal.SIGTERM, timeout), (signal.SIGKILL, 10.0)):
        if look_up(process.pid) != process:
            return
        os.kill(process.pid, number)
        deadline = time.monotonic() + limit
        while look_up(process.pid) == process and time.monotonic() < deadline:
            time.sleep(0.05)
    if look_up(process.pid) == process:
        raise LabError(
            f"ending {process.program} (process {process.pid})",
            "it is still there after SIGKILL",
            "It hangs in the kernel (a dead disk or network share?); a restart of the machine ends it.",
        )
