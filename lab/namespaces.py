"""A network namespace that stands for another machine: its own loopback, its own address, one cable to this one."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = Path("/var/run/netns")
_CLONE_NEWNET = 0x40000000  # setns(2)


@dataclass(frozen=True, slots=True)
class Namespace:
    """Name a namespace, the two ends of its cable, and their addresses (with the network's length)."""

    name: str
    outer: str
    inner: str
    outer_address: str
    inner_address: str

    @property
    def path(self) -> Path:
        """Return the file that stands for the namespace."""
        return _FOLDER / self.name

    @property
    def is_there(self) -> bool:
        """Tell whether that file really is a namespace: on a machine that has started anew, it may be an empty one."""
        return self.path.exists() and self.path.stat().st_dev != self.path.parent.stat().st_dev

    @property
    def address(self) -> str:
        """Return the address under which this machine reaches what is inside."""
        return self.inner_address.partition("/")[0]


def ensure(space: Namespace) -> None:
    """Make the namespace and its cable, unless they are there."""
    if not space.is_there:
        space.path.unlink(missing_ok=True)
        _ip("netns", "add", space.name)
    inside = ("-netns", space.name)
    if not Path("/sys/class/net", space.outer).exists():
        _ip("link", "add", space.outer, "type", "veth", "peer", "name", space.inner, "netns", space.name)
    _ip("address", "replace", space.outer_address, "dev", space.outer)
    _ip("link", "set", space.outer, "up")
    _ip(*inside, "address", "replace", space.inner_address, "dev", space.inner)
    for name in ("lo", space.inner):
        _ip(*inside, "link", "set", name, "up")


def remove(space: Namespace) -> None:
    """Remove the namespace and its cable where they are there; nothing may run in it any more."""
    if Path("/sys/class/net", space.outer).exists():
        _ip("link", "delete", space.outer)
    if space.path.exists():
        _ip("netns", "delete", space.name)


@contextmanager
def entered(space: Namespace | None) -> Iterator[None]:
    """Let this thread, and the processes and sockets that it makes, be inside; None leaves it where it is.

    Not by ``ip netns exec``, which also mounts a new /sys and so hides the control groups that dockerd needs. ``os.setns`` is
    there from Python 3.12 on only.
    """
    if space is None:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as home, space.path.open("rb") as inside:
        _check(libc.setns(inside.fileno(), _CLONE_NEWNET))
        try:
            yield
        finally:
            _check(libc.setns(home.fileno(), _CLONE_NEWNET))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    run(["ip", *arguments], timeout=30)
