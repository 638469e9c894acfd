"""Reach a port inside a container through the daemon's own API, where no network leads there.

With a daemon on another machine, or with this process in a container, the loopback interface that the throwaway registry is
bound to is not this process's. To open it to the network would let others knock, and its credentials would travel in plain HTTP;
the daemon is reached already, by TLS, ssh, or a socket's file permissions.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_multiarch.engine.builder import client_environ

if TYPE_CHECKING:
    from collections.abc import Mapping


class Relay:
    """Listen on a free port of this machine's loopback, and lead every connection to a container's port.

    Each connection is a ``docker exec`` of the container's own ``nc``, as inetd would start it: the official registry's images
    have one. To be closed.
    """

    def __init__(self, container: str, port: int, environ: Mapping[str, str]) -> None:
        self._command = ["docker", "exec", "--interactive", container, "nc", "127.0.0.1", str(port)]
        self._environ = client_environ(environ)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the relay
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._bell, self._wire = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="multiarch-relay", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the URL at which this process reaches what listens in the container."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def said(self) -> str:
        """Return the last line that the docker client wrote to standard error, empty where there was none."""
        self._complaints.seek(0)
        lines = self._complaints.read()[-4096:].decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Listen no more, and end the connections that are left."""
        self._bell.close()
        self._thread.join()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for what in (self._listener, self._wire, self._complaints):
            what.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wire, selectors.EVENT_READ)
            while all(key.fileobj is self._listener for key, _ in selector.select()):
                connection, _ = self._listener.accept()
                with connection:
                    self._hand_over(connection)

    def _hand_over(self, connection: socket.socket) -> None:
        """Give a connection to a process of its own; this process keeps no end of it, or nobody would see it close."""
        self._processes = [process for process in self._processes if process.poll() is None]
        connection.setblocking(True)
        with suppress(OSError):  # no process can be had: the connection closes, which whoever made it is told
            self._processes.append(
                subprocess.Popen(
                    self._command,
                    env=self._environ,
                    stdin=connection.fileno(),
                    stdout=connection.fileno(),
                    stderr=self._complaints,
                    start_new_session=True,
                )
            )
