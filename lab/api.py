"""Ask a Docker daemon what it is, over its socket where possible: the client takes longer than the answer."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from lab.console import LabError
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = "pytest-multiarch.lab"  # in each daemon's configuration, so that the daemon itself says whose it is


@dataclass(frozen=True, slots=True)
class Info:
    """What a daemon says about itself."""

    version: str
    store: str
    labels: tuple[str, ...]
    mirrors: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Tell whether the lab set this daemon up."""
        return any(label.partition("=")[0] == LABEL for label in self.labels)


def describe(host: str, timeout: float = 10) -> Info | None:
    """Return what the daemon at ``host`` (as in ``DOCKER_HOST``) says, or None where none answers."""
    connection = _connect(host, timeout)
    if connection is None:
        return _describe_by_client(host)
    try:
        status, body = _get(connection, "/info")
    except (OSError, http.client.HTTPException):
        return None
    if status != 200:
        raise LabError(f"asking the daemon at {host} what it is", f"it answered {status}: {body[:300]!r}")
    return info_from(json.loads(body))


def answers(host: str, timeout: float = 2) -> bool:
    """Tell whether a daemon at a socket takes requests."""
    connection = _connect(host, timeout)
    if connection is None:
        return _describe_by_client(host) is not None
    try:
        return _get(connection, "/_ping")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def can_get(host: str, image: str, timeout: float = 20) -> bool:
    """Tell whether the daemon has an image, or could pull it, without pulling it."""
    name = quote(image, safe="/:")
    for path in (f"/images/{name}/json", f"/distribution/{name}/json"):
        connection = _connect(host, timeout)
        if connection is None:
            return _client_has(host, image)
        try:
            if _get(connection, path)[0] == 200:
                return True
        except (OSError, http.client.HTTPException):
            return False
    return False


def info_from(answer: Mapping[str, Any]) -> Info:
    """Return the parts of a daemon's ``/info`` that the lab looks at."""
    # The image store is named by its kind of driver only: io.containerd.snapshotter.v1, or none for the classic one.
    drivers = dict(pair for pair in answer.get("DriverStatus") or () if len(pair) == 2)
    contained = drivers.get("driver-type", "").startswith("io.containerd.snapshotter")
    registries = answer.get("RegistryConfig") or {}
    return Info(
        version=str(answer.get("ServerVersion", "")),
        store="containerd" if contained else "classic",
        labels=tuple(answer.get("Labels") or ()),
        mirrors=tuple(mirror.rstrip("/") for mirror in registries.get("Mirrors") or ()),
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connect(host: str, timeout: float) -> http.client.HTTPConnection | None:
    """Return a connection not yet made, or None where only the client knows how (ssh, TLS, a named pipe)."""
    parts = urlsplit(host)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path, timeout)
    if parts.scheme == "tcp" and parts.hostname and not os.environ.get("DOCKER_TLS_VERIFY"):
        return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=timeout)
    return None


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _describe_by_client(host: str) -> Info | None:
    client = shutil.which("docker")
    if client is None:
        return None
    try:
        # The user's own environment and context: with --host the client would leave out a context's certificates.
        answer = json.loads(run([Path(client), "info", "--format", "{{json .}}"], timeout=15))
    except (LabError, ValueError):
        return None
    return info_from(answer) if answer.get("ServerVersion") else None


def _client_has(host: str, image: str) -> bool:
    try:
        run(["docker", "image", "inspect", image], timeout=20)
    except LabError:
        return False
    return True
