"""When a service is ready, against sockets and logs of this process."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.waiting import Healthy, HttpAnswers, LogLine, PortOpen, as_conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Target:
    """A service whose one port is somewhere on this machine."""

    def __init__(self, port: int = 0, log: str = "", health: str = "") -> None:
        self._port = port
        self._log = log
        self.state: dict[str, Any] = {"Health": {"Status": health}} if health else {}

    def address(self, port: int | str) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def url(self, port: int, path: str = "") -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def logs(self, lines: int | None = None) -> str:
        return self._log


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[Target]:
    """Accept one connection and hand it over."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Target(server.getsockname()[1])
        thread.join(20)


def test_a_port_that_refuses_is_not_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not PortOpen(80).is_met(Target(port))


def test_a_port_whose_connection_is_hung_up_is_a_proxys() -> None:
    with listening(lambda connection: None) as target:
        assert not PortOpen(80).is_met(target)


def test_a_port_that_greets_is_open() -> None:
    with listening(lambda connection: connection.sendall(b"220 ready")) as target:
        assert PortOpen(80).is_met(target)


def test_a_port_that_waits_to_be_spoken_to_is_open() -> None:
    with listening(lambda connection: connection.recv(1)) as target:
        assert PortOpen(80).is_met(target)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (HttpAnswers(80, "/ready"), True),
        (HttpAnswers(80, "/other"), False),
        (HttpAnswers(80, "/other", status=404), True),
        (HttpAnswers(80, "/other", status=[200, 404]), True),
        (HttpAnswers(80, "/moved"), False),
        (HttpAnswers(80, "/moved", status=302), True),
    ],
)
def test_a_status_is_that_of_the_url_itself(monkeypatch: pytest.MonkeyPatch, condition: HttpAnswers, met: bool) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/ready": 200, "/moved": 302}.get(self.path, 404))
            self.send_header("Location", "/ready")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert condition.is_met(Target(server.server_port)) is met
        server.shutdown()
        thread.join()


def test_who_does_not_answer_has_no_status() -> None:
    with listening(lambda connection: None) as target:
        assert not HttpAnswers(80).is_met(target)


@pytest.mark.parametrize(
    ("pattern", "met"), [("^ready$", True), (re.compile("READY", re.IGNORECASE), True), ("^eady", False)]
)
def test_a_line_of_the_log_is_found_by_a_regular_expression(pattern: str | re.Pattern[str], met: bool) -> None:
    assert LogLine(pattern).is_met(Target(log="starting\nready\nmore")) is met


@pytest.mark.parametrize(("health", "met"), [("healthy", True), ("starting", False), ("unhealthy", False), ("", False)])
def test_health_is_what_the_daemon_says(health: str, met: bool) -> None:
    assert Healthy().is_met(Target(health=health)) is met


def test_without_a_wish_each_tcp_port_is_waited_for() -> None:
    assert as_conditions(None, ["80/tcp", "53/udp", "81/tcp"]) == (PortOpen(80), PortOpen(81))
    assert as_conditions(LogLine("x"), ["80/tcp"]) == (LogLine("x"),)
    assert as_conditions([], ["80/tcp"]) == ()
