"""A registry in this process: real sockets, a dictionary for storage, and faults on demand.

It follows the OCI distribution-spec for what ``RegistryClient`` asks: manifests, blobs, uploads, and the three ways of
authentication. It checks what a registry checks (digests of what is pushed, tokens, scopes) and notes every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs)/(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Fault:
    """Answer a request wrongly, once: with another status, cut after some bytes, or not at all.

    ``seconds`` is how long it is silent before it hangs up.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    silent: bool = False
    seconds: float = 10
    hang_up: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]


class FakeRegistry:
    """Serve a registry; ``auth`` is ``""``, ``basic`` or ``token``."""

    def __init__(self, *, auth: str = "", user: str = "user", password: str = "right") -> None:  # noqa: S107
        self.auth = auth
        self.user = user
        self.password = password
        self.identity_token = ""
        self.anonymous_pull = True
        self.token_life: int | None = 300
        self.knows_ranges = True
        self.sends_digests = True
        self.mounts = True  # blobs of one repository into another
        self.manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.redirect_blobs_to = ""
        self.stall_after: int | None = None  # bytes of a body, after which nothing more comes
        self.faults: dict[tuple[str, str], list[Fault]] = {}
        self.seen: list[Seen] = []
        self.tokens: dict[str, str] = {}
        self.token_requests: list[dict[str, list[str]]] = []
        self.wake = threading.Event()
        self.lock = threading.Lock()
        self.url = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @contextmanager
    def running(self, address: str = "127.0.0.1") -> Iterator[FakeRegistry]:
        """Serve on a free port until the block ends."""
        server = _Server((address, 0), _Handler)
        server.registry = self
        self.url = f"http://{address}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.wake.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def add_blob(self, name: str, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[name, digest] = data
        return digest

    def add_manifest(self, name: str, document: object, media_type: str, *tags: str) -> str:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        for reference in (digest, *tags):
            self.manifests[name, reference] = (data, media_type)
        return digest

    def fail(self, method: str, path: str, *faults: Fault) -> None:
        """Answer the next requests with this method, whose path contains ``path``, with these faults, one each."""
        self.faults.setdefault((method, path), []).extend(faults)

    def asked(self, method: str, path: str = "") -> list[Seen]:
        """Return the requests that came, in their order."""
        with self.lock:
            return [one for one in self.seen if one.method == method and path in one.path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: FakeRegistry

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away in the middle: some tests do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Whoever greets with TLS first is answered in plain HTTP, as by Go's servers: from that containerd sees what it is.
    default_request_version = "HTTP/1.0"
    disable_nagle_algorithm = True

    @property
    def registry(self) -> FakeRegistry:
        return cast("_Server", self.server).registry

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        registry = self.registry
        with registry.lock:
            registry.seen.append(Seen(self.command, self.path, dict(self.headers)))
            fault = next(
                (
                    faults.pop(0)
                    for (method, path), faults in registry.faults.items()
                    if faults and method == self.command and path in self.path
                ),
                None,
            )
        if fault is not None and (fault.silent or fault.hang_up):
            if fault.silent:
                registry.wake.wait(fault.seconds)
            self.close_connection = True
            return
        if fault is not None and fault.status:
            self._answer(fault.status, fault.body, dict(fault.headers))
            return
        cut = fault.cut_after if fault else None
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self._token(parse_qs(parts.query) if self.command == "GET" else parse_qs(body.decode()))
            return
        if parts.path == "/v2/" and registry.auth == "basic":  # where dockerd asks how to authenticate
            if self._may("", "pull"):
                self._answer(200, b"{}", {})
            return
        match = NAME.fullmatch(parts.path)
        if parts.path == "/v2/" and registry.auth == "basic":
            if self._may("", "pull"):
                self._answer(200, b"{}", {})
        elif match is None:
            self._refuse(404, "NAME_UNKNOWN", "no such path")
        elif self._may(match["name"], "push" if self.command in ("POST", "PUT") else "pull"):
            self._content(match["name"], match["kind"], match["rest"], parse_qs(parts.query), body, cut)

    def _content(
        self, name: str, kind: str, rest: str, query: dict[str, list[str]], body: bytes, cut: int | None
    ) -> None:
        registry = self.registry
        if self.command == "POST" and registry.mounts and "mount" in query:
            digest = query["mount"][0]
            registry.blobs[name, digest] = registry.blobs[query["from"][0], digest]
            self._answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}"})
        elif self.command == "POST":
            self._answer(202, b"", {"Location": f"/v2/{name}/blobs/uploads/1?state=x"})
        elif self.command == "PUT" and kind == "blobs":
            digest = query["digest"][0]
            if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
                self._refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
                return
            registry.blobs[name, digest] = body
            self._answer(201, b"", {"Location": f"/v2/{name}/blobs/{digest}"})
        elif self.command == "PUT":
            digest = registry.add_manifest(name, body, self.headers["Content-Type"])
            if ":" not in rest:
                registry.manifests[name, rest] = registry.manifests[name, digest]
            self._answer(201, b"", {"Docker-Content-Digest": digest})
        elif kind == "manifests":
            if (name, rest) not in registry.manifests:
                self._refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
                return
            data, media_type = registry.manifests[name, rest]
            headers = {"Content-Type": media_type} if media_type else {}
            if registry.sends_digests:
                headers["Docker-Content-Digest"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
            self._answer(200, data, headers, cut)
        elif (name, rest) not in registry.blobs:
            self._refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
        elif registry.redirect_blobs_to and self.command == "GET":
            self._answer(
                307, b"", {"Location": registry.redirect_blobs_to + f"/v2/{name}/blobs/{rest}?X-Signature=abc"}
            )
        else:
            data = registry.blobs[name, rest]
            start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            if start and registry.knows_ranges:
                first = int(start[1])
                headers = {"Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
                self._answer(206, data[first:], headers, cut)
            else:
                self._answer(200, data, {}, cut)

    def _may(self, name: str, action: str) -> bool:
        registry = self.registry
        given = self.headers.get("Authorization") or ""
        if not registry.auth:
            return True
        if registry.auth == "basic":
            if given == _basic(registry.user, registry.password):
                return True
            self._refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="fake"'})
            return False
        wanted = "pull,push" if action == "push" else "pull"
        scope = f"repository:{name}:{wanted}"
        granted = registry.tokens.get(given.removeprefix("Bearer "), "")
        if granted.startswith(f"repository:{name}:") and action in granted:
            return True
        challenge = f'Bearer realm="{registry.url}/token",service="fake",scope="{scope}"'
        self._refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        return False

    def _token(self, fields: dict[str, list[str]]) -> None:
        registry = self.registry
        registry.token_requests.append({"method": [self.command], **fields})
        scope = fields["scope"][0]
        if self.command == "POST":
            allowed = bool(registry.identity_token) and fields["refresh_token"] == [registry.identity_token]
        elif given := self.headers.get("Authorization"):
            allowed = given == _basic(registry.user, registry.password)
        else:
            allowed = registry.anonymous_pull and scope.endswith(":pull")
        if not allowed:
            self._answer(401, b'{"details": "incorrect username or password"}', {})
            return
        token = f"token-{len(registry.tokens)}"
        registry.tokens[token] = scope
        answer: dict[str, Any] = {"access_token" if self.command == "POST" else "token": token}
        if registry.token_life is not None:
            answer["expires_in"] = registry.token_life
        self._answer(200, json.dumps(answer).encode(), {})

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message, "detail": {}}]}).encode()
        self._answer(status, body, headers or {})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stall = self.registry.stall_after
        if stall is not None and len(body) > stall:
            self.wfile.write(body[:stall])
            self.registry.wake.wait(60)
            self.close_connection = True
            return
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
