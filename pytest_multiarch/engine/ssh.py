"""Talk to a daemon behind ``ssh://``: each connection is the docker client's own way there, with the user's ssh configuration.

The SDK's way asks for paramiko even where it only runs ssh, and hands out something that is no socket: time limits and the
closing of one direction do nothing there, and both are needed for commands in containers.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import urllib3
from requests import ConnectionError
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from requests import PreparedRequest, Response


class SshAdapter(HTTPAdapter):
    """Send requests to the daemon at an address such as ``ssh://user@host``; to be mounted in a session."""

    def __init__(self, address: str, *, timeout: float, connections: int = 9) -> None:
        self._pool = _Pool(address, timeout, connections)
        super().__init__()

    def send(self, *args: Any, **kwargs: Any) -> Response:
        """Send a request. Raises `requests.ConnectionError` with ssh's own words where there is no way through."""
        try:
            return super().send(*args, **kwargs)
        except ConnectionError as error:
            said = self._pool.last_complaint()
            if not said:
                raise
            # The docker client puts ssh's words behind its own.
            raise ConnectionError(said.rpartition("stderr=")[2], request=error.request) from error

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> _Pool:
        """Return the one pool: there is one daemon."""
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: object) -> str:
        """Return the path alone: no proxy comes between a process and its own pipe."""
        return request.path_url

    def close(self) -> None:
        """Close all connections."""
        super().close()
        self._pool.close()


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, address: str, timeout: float, connections: int) -> None:
        super().__init__("localhost", timeout=timeout, maxsize=connections)
        self._address = address
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the pool

    def last_complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read()[-4096:].decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        super().close()
        self._complaints.close()

    def _new_conn(self) -> _Connection:
        return _Connection(self._address, self._complaints.fileno(), self.timeout.connect_timeout)


class _Connection(HTTPConnection):
    """A connection whose other end is a process: the docker client, told to carry a connection to its daemon."""

    def __init__(self, address: str, complaints: int, timeout: Any) -> None:
        super().__init__("localhost", timeout=timeout)
        self._address = address
        self._complaints = complaints
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    ["docker", "--host", self._address, "system", "dial-stdio"],
                    env={name: value for name, value in os.environ.items() if not name.startswith("DOCKER_TLS")},
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._complaints,
                    # Neither Ctrl-C nor ssh's question for a password: the run ends in its own order, and asks nobody.
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        ours.settimeout(self.timeout if isinstance(self.timeout, (int, float)) else None)
        self.sock = ours

    def close(self) -> None:
        super().close()
        process, self._process = self._process, None
        if process is not None:
            # At once, and ssh with it: a docker client that is asked to end waits for the daemon to hang up.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
