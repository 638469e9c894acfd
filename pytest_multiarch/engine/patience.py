"""Wait for a daemon that is being restarted: what it was not there to take is asked of it again, and nothing else."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from docker import APIClient
from requests.exceptions import ConnectionError as NoConnection

from pytest_multiarch.engine.addresses import knock

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

LIMIT: Final = 60.0
"""How long a daemon is waited for, in seconds.

Where its containers end when they are asked to, it is back in two to ten. Those that do not, it gives 15 before it kills them
(dockerd's ``--shutdown-timeout``), and its containerd 15 more, and takes no connection from the beginning of that on.
"""
_PAUSE: Final = 0.2


class Patience:
    """Wait until a daemon takes connections, once for each time that it is gone. Thread-safe.

    ``note`` hears that it is waited for. Where it has not come back in time, nobody waits for it again until it has answered.
    """

    def __init__(self, note: Callable[[str], None] = lambda text: None, limit: float = LIMIT) -> None:
        self._note = note
        self._limit = limit
        self._given_up: set[str] = set()
        self._ending = threading.Event()
        self._lock = threading.Lock()

    def end(self) -> None:
        """Wait for nothing any more, and keep nobody who does."""
        self._ending.set()

    def has_answered(self, address: str) -> None:
        """Hear that this daemon is there."""
        self._given_up.discard(address)

    def wait(self, address: str) -> bool:
        """Wait until the daemon takes connections; say whether it does. Of one behind ssh nobody can say: it does not."""
        with self._lock:
            if address in self._given_up or self._ending.is_set() or not _can_be_knocked_at(address):
                return False
            deadline = time.monotonic() + self._limit
            told = False
            while not _takes_connections(address):
                if not told:
                    self._note(
                        f"the Docker daemon at {address} does not answer; waiting up to {self._limit:.0f} s for it"
                    )
                    told = True
                if self._ending.wait(_PAUSE) or time.monotonic() > deadline:
                    self._given_up.add(address)
                    return False
            return True


class PatientClient(APIClient):
    """Be the SDK's client of a daemon that may be restarted."""

    def __init__(self, address: str, patience: Patience, **options: Any) -> None:
        self._address = address
        self._patience = patience
        super().__init__(**options)

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Send a request as `requests.Session` does; one that nobody was there to take, a second time once somebody is.

        Which it was, is certain only where there was no connection: of one that breaks, the daemon may have begun with the
        request, and a command must not run twice.
        """
        try:
            response = self._send(request, **options)
        except NoConnection as error:
            if not _was_not_taken(error) or not self._patience.wait(self._address):
                raise
            response = self._send(request, **options)
        self._patience.has_answered(self._address)
        return response

    def _send(self, request: PreparedRequest, **options: Any) -> Response:
        # Where nobody listens at a socket the SDK leaves its own open, and Python warns of it in the middle of a test.
        if self._address.startswith("unix://"):
            try:
                knock(self._address)
            except OSError as error:
                raise NoConnection(error) from error
        return super().send(request, **options)


def _was_not_taken(error: BaseException) -> bool:
    """Say whether there was nobody to connect to: nobody listens, or the socket is not even there."""
    inner: BaseException | None = error
    seen: list[BaseException] = []
    while inner is not None and inner not in seen:
        if isinstance(inner, ConnectionRefusedError | FileNotFoundError):
            return True
        seen.append(inner)
        inner = inner.__cause__ or inner.__context__
    return False


def _can_be_knocked_at(address: str) -> bool:
    return urlsplit(address).scheme in ("unix", "tcp", "http", "https")


def _takes_connections(address: str) -> bool:
    try:
        knock(address, timeout=2)
    except OSError:
        return False
    return True
