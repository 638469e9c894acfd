"""The base images of a build as they come, so that a platform's build begins once its own are there."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_multiarch.engine.bases import Bases, FoundBases
    from pytest_multiarch.platforms import Platform


class ComingBases:
    """Hold what each platform's build stands on, once it is in the throwaway registry. Thread-safe.

    Whoever asks waits for `copy`, so that has to run before, or beside.
    """

    def __init__(self, platforms: Sequence[Platform]) -> None:
        self._of: dict[Platform, Future[Bases]] = {platform: Future() for platform in platforms}

    def of(self, platform: Platform) -> Bases:
        """Return a platform's, once they are there. Raises what made its copying fail, or CancelledError."""
        return self._of[platform].result()

    def stop(self) -> None:
        """End who waits, if the copying has not begun; else it ends with the registries' clients."""
        for future in self._of.values():
            future.cancel()

    def copy(self, find: Callable[[], FoundBases], send: Callable[[FoundBases, Sequence[Platform]], Bases]) -> None:
        """Copy group by group, the builder's own platform first: its tests come first, too."""
        running = [platform for platform, future in self._of.items() if future.set_running_or_notify_cancel()]
        if len(running) < len(self._of):  # the run has stopped, perhaps just now
            self._fail(running, CancelledError())
            return
        try:
            found = find()
            groups = found.groups(tuple(self._of))
        except Exception as error:  # those who wait raise it
            self._fail(self._of, error)
            return
        for group in groups:
            self._send(group, partial(send, found, group))

    def _send(self, group: Sequence[Platform], send: Callable[[], Bases]) -> None:
        try:
            sent = send()
        except Exception as error:  # as above; another group may come all the same
            self._fail(group, error)
            return
        for platform in group:
            self._of[platform].set_result(sent)

    def _fail(self, platforms: Iterable[Platform], error: Exception) -> None:
        for platform in platforms:
            self._of[platform].set_exception(error)
