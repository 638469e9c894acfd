"""Read from and write to the mirror, over the registry's HTTP interface (OCI distribution specification 1.0)."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lab import oci
from lab.console import LabError
from lab.paths import LOGS, MIRROR_URL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.layers import Layer

_HINT = f"See {LOGS / 'mirror.log'}; `lab down` and `lab up` start the mirror anew."
_CLOSED = (ConnectionError, TimeoutError, http.client.HTTPException)


class Mirror:
    """One connection to the mirror; made by `connect`."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def index(self, repository: str, tag: str) -> dict[str, Any]:
        """Return the index under a tag, empty where there is none."""
        path = f"/v2/{repository}/manifests/{tag}"
        status, _, body = self._ask("GET", path, headers={"Accept": oci.INDEX}, expected=(200, 404))
        value = json.loads(body) if status == 200 else {}
        return value if isinstance(value, dict) else {}

    def put_manifest(self, repository: str, reference: str, document: oci.Document) -> None:
        """Write a manifest or index under a digest or tag."""
        path = f"/v2/{repository}/manifests/{reference}"
        self._ask("PUT", path, document.data, {"Content-Type": document.media_type}, expected=(201,))

    def put_layer(self, repository: str, layer: Layer) -> None:
        """Upload a layer, unless it is there."""
        if not self._has_blob(repository, layer.digest):
            with layer.path.open("rb") as file:
                self._put_blob(repository, layer.digest, file, layer.size)

    def put_config(self, repository: str, document: oci.Document) -> None:
        """Upload a configuration, unless it is there."""
        if not self._has_blob(repository, document.digest):
            self._put_blob(repository, document.digest, document.data, len(document.data))

    def _has_blob(self, repository: str, digest: str) -> bool:
        return self._ask("HEAD", f"/v2/{repository}/blobs/{digest}", expected=(200, 404))[0] == 200

    def _put_blob(self, repository: str, digest: str, data: bytes | IO[bytes], size: int) -> None:
        _, location, _ = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"", expected=(202,))
        upload = urlsplit(location)
        path = f"{upload.path}?{upload.query}&digest={digest}" if upload.query else f"{upload.path}?digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._ask("PUT", path, data, headers, expected=(201,))

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        expected: tuple[int, ...],
    ) -> tuple[int, str, bytes]:
        asked = f"{method} {MIRROR_URL}{path.partition('?')[0]}"
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            answer = self._connection.getresponse()
            content = answer.read()
        except _CLOSED as error:
            raise LabError(asked, str(error) or type(error).__name__, _HINT) from error
        if answer.status not in expected:
            raise LabError(asked, f"HTTP {answer.status} {content[:300].decode(errors='replace')}", _HINT)
        return answer.status, answer.headers.get("Location", ""), content


@contextmanager
def connect() -> Iterator[Mirror]:
    """Connect to the mirror; a request has a time limit of a minute. Raises `LabError` where nobody answers."""
    place = urlsplit(MIRROR_URL)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    try:
        yield Mirror(connection)
    finally:
        connection.close()
