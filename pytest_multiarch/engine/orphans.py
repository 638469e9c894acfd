"""The docker clients that a killed run leaves: they go on without it, and may make what nobody would remove."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def end_clients(folder: Path) -> None:
    """End every process of this user that was given this run's buildx folder, which nobody else is given.

    Where there is no /proc nothing is found.
    """
    mark = f"BUILDX_CONFIG={folder / 'buildx'}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            is_of_run = mark in entry.read_bytes().split(b"\0")
        except OSError:
            continue  # another user's, or it has ended meanwhile
        if is_of_run:
            with suppress(ProcessLookupError):
                os.kill(int(entry.parent.name), signal.SIGKILL)
