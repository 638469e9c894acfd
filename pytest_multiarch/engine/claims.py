"""Whose an image is that several runs use: each that needs it writes it down, and the last one to end removes it.

What lives on between runs ends when it is pruned. An image that was there before any run is nobody's, and stays.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_multiarch.engine.kept_books import kept_books
from pytest_multiarch.engine.ledger import FOLDER_PREFIX, AbandonedRun, Owned, open_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger

_PATIENCE = 20.0  # seconds; whoever has the turn asks a daemon once
_LOOK = 0.005


def claim_image(engine: Engine, ledger: Ledger, reference: str) -> bool:
    """Write an image into the book unless it was there before any run, and say whether the daemon has it now."""
    owned = Owned("image", reference, engine.endpoint)
    with turn(ledger):
        is_there = engine.has_image(reference)
        if not is_there or _claimants(ledger, owned):
            ledger.add("image", reference, engine.endpoint)
    return is_there


def is_claimed_elsewhere(ledger: Ledger, owned: Owned) -> bool:
    """Say whether another run that lives, or what lives on, needs the image too, so that removing it is left to that one."""
    return any(run.is_alive for run in _claimants(ledger, owned))


@contextmanager
def turn(ledger: Ledger) -> Iterator[None]:
    """Let one run after another look at the books and act upon them.

    The lock is on the folder that the runs' folders lie in: a file of its own would have to be left behind. Somebody else may
    hold that one, so after a while it goes on without.
    """
    handle = os.open(ledger.shelf, os.O_RDONLY)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _locked(handle) and time.monotonic() < deadline:
            time.sleep(_LOOK)  # between two looks at the condition
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _claimants(ledger: Ledger, owned: Owned) -> list[AbandonedRun]:
    """Return the other books of this user on this machine that have the same image of the same daemon in them.

    What lives on between runs has one, too, and needs its images for as long as it does.
    """
    books = {folder: open_abandoned(folder, even_if_alive=True) for folder in ledger.shelf.glob(f"{FOLDER_PREFIX}*")}
    books.update((book.ledger.folder, AbandonedRun(book.ledger, dict(book.environ), True)) for book in kept_books())
    own = books.pop(ledger.folder, None)
    if own is None:
        return []
    where = _daemon(owned, own.environ)
    return [
        book
        for book in books.values()
        if book is not None
        and any(
            (entry.kind, entry.name, _daemon(entry, book.environ)) == ("image", owned.name, where)
            for entry in book.ledger.entries()
        )
    ]


def _daemon(owned: Owned, environ: Mapping[str, str]) -> str:
    """Return what tells the daemons of runs apart: an address, a context's name, or nothing for the default."""
    return owned.daemon or environ.get("DOCKER_HOST") or environ.get("DOCKER_CONTEXT") or ""
