"""Bring images to the daemons that run them, each once, whoever asks first."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from pytest_multiarch.engine.claims import claim_image
from pytest_multiarch.engine.mending import pull

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.image.credentials import Credentials
    from pytest_multiarch.platforms import Platform


class Pulls:
    """Pull images by their platform's digest. Thread-safe: two images are pulled side by side, one image once.

    ``book_of`` gives the book in which an image is to stand, ``credentials_for`` what a registry asks of the daemon, by its
    host.
    """

    def __init__(
        self,
        engine_for: Callable[[Platform], Engine],
        book_of: Callable[[str], Ledger],
        credentials_for: Callable[[str], Credentials | None],
    ) -> None:
        self._engine_for = engine_for
        self._book_of = book_of
        self._credentials_for = credentials_for
        self._pulled: set[tuple[str, str]] = set()
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    @property
    def fetched(self) -> frozenset[str]:
        """Return what has been brought so far."""
        return frozenset(reference for _, reference in self._pulled)

    def fetch(self, reference: str, platform: Platform) -> None:
        """See to it that the daemon of a platform has an image. Raises `EngineError`."""
        engine = self._engine_for(platform)
        key = (engine.endpoint, reference)
        with self._lock:
            own = self._locks[key]
        with own:
            is_there = claim_image(engine, self._book_of(reference), reference)
            # Pulled even where it is there: on the classic store another platform may lie under the digest of an index.
            # And pulled again where somebody has removed it: there, removing a tag takes the digests along.
            if is_there and key in self._pulled:
                return
            credentials = self._credentials_for(reference.partition("/")[0])
            pull(engine, reference, platform=platform, credentials=credentials)
            self._pulled.add(key)
