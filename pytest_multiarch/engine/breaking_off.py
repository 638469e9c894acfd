"""End a request to the daemon early: the SDK waits for the daemon's next word, however long that takes."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import APIClient
    from requests import Response

_LOOK = 0.1  # seconds between two looks whether the run stops


@contextmanager
def broken_off(api: APIClient, stopping: threading.Event | None) -> Iterator[None]:
    """Break the connection of this thread's requests where ``stopping`` is set before the block ends."""
    if stopping is None:
        yield
        return
    ours, connections, over = threading.get_ident(), [], threading.Event()

    def remember(response: Response, *_: object, **__: object) -> None:
        if threading.get_ident() == ours:
            connections.append(response)

    def watch() -> None:
        while not over.wait(_LOOK):
            if stopping.is_set():
                for response in connections:
                    # Closing alone would not wake a thread that reads.
                    with suppress(OSError, AttributeError), closing(_duplicate(response)) as connection:
                        connection.shutdown(socket.SHUT_RDWR)

    api.hooks["response"].append(remember)
    watcher = threading.Thread(target=watch, name="multiarch-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        api.hooks["response"].remove(remember)


def _duplicate(response: Response) -> socket.socket:
    return socket.socket(fileno=os.dup(response.raw.fileno()))
