"""Start a container that tests share again where it has ended with its daemon, and in no other case.

What else ends it is somebody's doing, a test's or the kernel's, which a fresh start would hide.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pytest_multiarch.engine.faults import translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.platforms import Platform

# Killed; and what the daemon writes of a container whose end it has not seen.
_ENDED_BY_DAEMON: Final = (137, 255)
REVIVED: Final = (
    "the Docker daemon was restarted, and the container that tests share with it: its files are as they were, and nothing that "
    "ran in it is left"
)


class Revival:
    """Remember under which daemon a container was started; to be made before it is. Thread-safe."""

    def __init__(self, engine: Engine, name: str, platform: Platform, note: Callable[[str], None]) -> None:
        self._engine = engine
        self._name = name
        self._platform = platform
        self._note = note
        self._mark = mark_of(engine)
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Start the container if it has ended with its daemon, and say whether it takes commands now. Raises `EngineError`."""
        with self._lock, translated(f"starting {self._name} again"):
            state = self._engine.api.inspect_container(self._name)["State"]
            if state["Running"]:
                return not state.get("Paused")  # somebody else was faster
            mark = mark_of(self._engine)
            was_restarted = mark != self._mark and "" not in (mark, self._mark)
            if not was_restarted or state.get("OOMKilled") or state["ExitCode"] not in _ENDED_BY_DAEMON:
                return False
            self._engine.api.start(self._name)
            self._mark = mark
        self._note(f"{self._platform}: {REVIVED}")
        return True


def never() -> bool:
    """Start nothing again."""
    return False


def mark_of(engine: Engine) -> str:
    """Return what is another after each start of the daemon that ends its containers; empty where nothing is.

    No answer of the API names it. The default bridge is made anew at each start, unless containers live on through it
    (moby/moby, ``daemon/daemon_unix.go``, initNetworkController), which then need no help.
    """
    from docker.errors import APIError

    with translated("looking at the Docker daemon's default network"):
        try:
            return str(engine.api.inspect_network("bridge").get("Id", ""))
        except APIError:  # switched off with `--bridge=none`, or nothing that a proxy before the daemon lets through
            return ""
