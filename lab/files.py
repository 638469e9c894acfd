"""Files that are whole or not there, and locks that end with the process that took them."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.console import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a process killed half-way leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text)
    half.chmod(mode)
    half.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty where the file is missing or is not one."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def as_json(value: dict[str, Any]) -> str:
    """Return an object as JSON for a file that people read."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


@contextmanager
def exclusive(path: Path, waiting: str) -> Iterator[None]:
    """Hold a lock that other processes see; say ``waiting`` when one of them has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
