"""The connections that are open, so that another thread can break them: closing one alone would not wake who reads from it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from collections.abc import Callable


class Connected:
    """Know the sockets of all sessions whose adapters it has made; those that go through a proxy are not among them."""

    def __init__(self) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._pools = _pools(self._add)

    def adapter(self) -> HTTPAdapter:
        """Return an adapter for a session."""
        adapter = HTTPAdapter()
        adapter.poolmanager.pool_classes_by_scheme = self._pools
        return adapter

    def break_off(self) -> None:
        """Break all connections."""
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            with suppress(OSError):  # it has ended meanwhile
                one.shutdown(socket.SHUT_RDWR)

    def _add(self, connection: HTTPConnection) -> None:
        if isinstance(connection.sock, socket.socket):
            with self._lock:
                self._sockets.add(connection.sock)


def _pools(add: Callable[[HTTPConnection], None]) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            add(self)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            add(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
