"""A Docker daemon's API in this process: a real socket, answers by path, and every request noted.

Paths are without their version. What is not set up answers as an Engine 26.1 with nothing in it would.
"""

from __future__ import annotations

import json
import re
import socketserver
import struct
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

VERSION = {"Version": "26.1.5", "ApiVersion": "1.45", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}
# As it is before a test changes it: a Unix socket's path has room for about a hundred characters.
_SOCKETS = tempfile.gettempdir()
INFO: dict[str, Any] = {
    "OSType": "linux",
    "Architecture": "x86_64",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "RegistryConfig": {"IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True}}},
}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with JSON, with bytes as they are, or with chunks; ``cut`` leaves the last chunk's end out and hangs up."""

    status: int = 200
    json: Any = None
    raw: bytes | None = None
    chunks: Iterable[bytes] | None = None
    cut: bool = False
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hijack:
    """Take the connection over, as attach and exec do, and write frames (stream, data) until ``frames`` ends.

    A terminal's data is written without the frames.
    """

    frames: Callable[[], Iterator[tuple[int, bytes]]]
    is_terminal: bool = False


@dataclass
class FakeEngineApi:
    routes: list[tuple[str, re.Pattern[str], list[Any]]] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def on(self, method: str, path: str, *answers: Answer | Hijack | Callable[[], Answer]) -> None:
        """Answer requests whose whole path matches; of several answers each is given once, the last one for ever."""
        self.routes.insert(0, (method, re.compile(path), list(answers)))

    def asked(self, method: str, path: str = ".*") -> list[Request]:
        with self.lock:
            return [one for one in self.seen if one.method == method and re.fullmatch(path, one.path)]

    @property
    def deleted(self) -> list[str]:
        return [one.path for one in self.asked("DELETE")]

    @contextmanager
    def running(self, *, tcp: bool = False, at: str = "") -> Iterator[FakeEngineApi]:
        """Serve on a Unix socket, or on a free port of the loopback interface; ``at`` is an address that it had before."""
        with tempfile.TemporaryDirectory(prefix="api-", dir=_SOCKETS) as folder:
            server: _TcpServer | _UnixServer
            if tcp:
                server = _TcpServer(("127.0.0.1", urlsplit(at).port or 0), _Handler)
                self.url = f"tcp://127.0.0.1:{server.server_port}"
            else:
                path = urlsplit(at).path or f"{folder}/s"
                server = _UnixServer(path, _Handler)
                self.url = f"unix://{path}"
            self.closing.clear()
            server.fake = self
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                self.closing.set()
                server.shutdown()
                thread.join()
                server.server_close()

    def answer(self, method: str, path: str) -> Any:
        with self.lock:
            for wanted, pattern, answers in self.routes:
                if wanted == method and pattern.fullmatch(path):
                    return answers.pop(0) if len(answers) > 1 else answers[0]
        if (method, path) == ("GET", "/version"):
            return Answer(json=VERSION)
        if (method, path) == ("GET", "/info"):
            return Answer(json=INFO)
        if method == "DELETE":
            return Answer(json=[]) if path.startswith("/images/") else Answer(204)
        return Answer(404, json={"message": f"no such thing: {path}"})


class _TcpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # else a client of a busy machine is turned away
    fake: FakeEngineApi

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away in the middle: some tests do."""


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64  # else a client of a busy machine is turned away
    fake: FakeEngineApi

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away in the middle: some tests do."""

    def server_close(self) -> None:
        super().server_close()
        Path(str(self.server_address)).unlink(missing_ok=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeEngineApi:
        return cast("_TcpServer", self.server).fake

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(re.sub(r"^/v\d+\.\d+(?=/)", "", parts.path))
        data = self._body()
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = data
        request = Request(self.command, path, parse_qs(parts.query), dict(self.headers), body)
        with self.fake.lock:
            self.fake.seen.append(request)
        answer = self.fake.answer(self.command, path)
        if callable(answer):
            answer = answer()
        if isinstance(answer, Hijack):
            self._hijack(answer)
        else:
            self._send(answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunks is not None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in answer.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            if not answer.cut:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = answer.cut
            return
        data = (
            answer.raw if answer.raw is not None else b"" if answer.status == 204 else json.dumps(answer.json).encode()
        )
        self.send_header("Content-Type", answer.content_type)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _hijack(self, answer: Hijack) -> None:
        # https://docs.docker.com/reference/api/engine/version/v1.45/#tag/Container/operation/ContainerAttach
        self.wfile.write(
            b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
            b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        self.wfile.flush()
        self.close_connection = True
        for stream, data in answer.frames():
            self.wfile.write(data if answer.is_terminal else frame(stream, data))
            self.wfile.flush()


def frame(stream: int, data: bytes) -> bytes:
    """Return a piece of output as the daemon sends it: the stream, three zeros, the length, the data."""
    return struct.pack(">BxxxL", stream, len(data)) + data
