"""What one process of a run has of its own: its connections to daemons, its readers, and the book of what it has started."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_multiarch.engine.cleanup import close_book, sweep_abandoned
from pytest_multiarch.engine.daemons import Daemons
from pytest_multiarch.engine.emulation import Supports
from pytest_multiarch.engine.ledger import Ledger
from pytest_multiarch.engine.readers import Readers
from pytest_multiarch.engine.watchdog import Watchdog
from pytest_multiarch.errors import EngineUnavailable, MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.workshop import Workshop


class Belongings:
    """Connect, read, and keep book; close all of it. Thread-safe.

    ``owner`` is the process that owns the run, where this is another one. It is told the book's folder, so that it can close
    the book should this process not live to do so; sweeping up after dead runs is left to it, too, and layers are
    unpacked where it keeps them.
    """

    def __init__(
        self,
        options: EngineOptions,
        note: Callable[[str], None],
        owner: Workshop | None = None,
    ) -> None:
        self.daemons = Daemons(options.nodes, note)
        self.readers = Readers(self.mirrors, options.plain_http, owner.layers if owner is not None else None)
        self.supports = Supports(options, self.daemons.of, self.book)
        self._options = options
        self._note = note
        self._owner = owner
        self._ledger: Ledger | None = None
        self._watchdog: Watchdog | None = None
        self._lock = threading.RLock()

    def book(self) -> Ledger:
        """Return the book; opening it starts the watchdog, so it comes before all that is made. Raises `EngineUnavailable`."""
        if self._ledger is None:
            with self._lock:
                if self._ledger is None:
                    if self._owner is None:
                        for problem in sweep_abandoned():
                            self._note(f"cleaning up after an earlier run: {problem}")
                    ledger = Ledger.open_new(self.daemons.main().environ)
                    self._watchdog = Watchdog(ledger.folder)
                    if self._owner is not None:
                        self._owner.adopt(ledger.folder)
                    self._ledger = ledger
        return self._ledger

    def mirrors(self) -> tuple[str, ...]:
        """Return the mirrors of Docker Hub: those that were set, then the daemon's."""
        theirs: tuple[str, ...]
        try:
            theirs = self.daemons.main().facts.mirrors
        except EngineUnavailable:
            theirs = ()  # reading a published image takes no daemon
        return tuple(dict.fromkeys([*self._options.mirrors, *theirs]))

    def _handed_over(self, ledger: Ledger) -> bool:
        """Say whether the run's owner closes the book from here on: this process ends meanwhile, and nobody waits for either."""
        if self._owner is None:
            return False
        with suppress(MultiArchError):  # it is about to end itself
            self._owner.release(ledger.folder)
            return True
        return False

    def close(
        self, also: Callable[[Engine], list[str]] | None = None, others: Callable[[], object] = lambda: None
    ) -> list[str]:
        """Remove what stands in the book, close the rest, and return what could not be removed, a line each.

        ``also`` removes more, after all containers, and returns the same; ``others`` is what `close_book` waits for.
        """
        problems: list[str] = []
        with self._lock:
            self.readers.close()
            engine = self.daemons.connected
            if engine is not None and self._ledger is not None and not self._handed_over(self._ledger):
                problems = close_book(engine, self._ledger, others)
                if also is not None:
                    problems += also(engine)
            if self._watchdog is not None:
                # With something left, the watchdog tries again: it may only take the daemon a moment.
                self._watchdog.abandon() if problems else self._watchdog.dismiss()
            self.daemons.close()
            self._ledger = self._watchdog = None
        return problems
