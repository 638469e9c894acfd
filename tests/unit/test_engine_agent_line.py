"""The line to a container's agent: when it is used, when the daemon has to run a command instead, and how it breaks off."""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from docker.errors import APIError

from pytest_multiarch.engine.agent.line import AgentLine
from pytest_multiarch.engine.agent.wire import ENDED, ERR, OUT, REFUSED
from pytest_multiarch.engine.streams import Exchange
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.engine.docker import Engine

DONE = struct.pack(">BxxxL", ENDED, 4) + bytes(4)


def out(data: bytes, kind: int = OUT) -> bytes:
    return struct.pack(">BxxxL", kind, len(data)) + data


class Api:
    """A daemon that attaches to a container, whose first process answers each request with the next of its words."""

    def __init__(self) -> None:
        self.words: list[Callable[[socket.socket], None]] = []
        self.requests: list[bytes] = []
        self.attached = 0
        self.running = True
        self.refuses = False
        self.mark = "the daemon's first start"
        self.ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def attach_socket(self, container: str, params: dict[str, int]) -> socket.socket:
        assert (container, params) == ("name", {"stdin": 1, "stdout": 1, "stream": 1})
        self.attached += 1
        if self.refuses:
            raise APIError("not that")
        ours, theirs = socket.socketpair()
        self.ends.append(ours)
        thread = threading.Thread(target=self._serve, args=(ours,))
        thread.start()
        self._threads.append(thread)
        return theirs

    def inspect_network(self, name: str) -> dict[str, str]:
        return {"Id": self.mark}

    def inspect_container(self, name: str) -> dict[str, Any]:
        return {"State": {"Running": self.running}}

    def _serve(self, end: socket.socket) -> None:
        with end, end.makefile("rb") as reader:
            while len(head := reader.read(4)) == 4:
                self.requests.append(reader.read(*struct.unpack(">L", head)))
                self.words.pop(0)(end)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


def say(*frames: bytes) -> Callable[[socket.socket], None]:
    """Have the agent write frames, as the daemon hands them on."""
    data = b"".join(frames)
    return lambda end: end.sendall(out(data))


def hang_up(end: socket.socket) -> None:
    end.shutdown(socket.SHUT_RDWR)


class FakeEngine:
    def __init__(self) -> None:
        self.api = Api()
        self.lent: list[object] = []

    def lend(self, what: object) -> None:
        self.lent.append(what)

    def take_back(self, what: object) -> None:
        if what in self.lent:
            self.lent.remove(what)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def api(engine: FakeEngine) -> Api:
    return engine.api


@pytest.fixture
def line(engine: FakeEngine) -> Iterator[AgentLine]:
    made = AgentLine(cast("Engine", engine), "name")
    yield made
    made.close()
    engine.api.join()
    assert engine.lent == []


def ask(
    line: AgentLine, *args: str, limit: float = 20, stop: Callable[[], None] = lambda: None
) -> tuple[int | None, str]:
    exchange = Exchange(limit)
    code = line.run("trying", args or ("true",), {}, exchange, stop)
    return code, f"{exchange.out.text()}|{exchange.err.text()}" if code is not None else ""


def test_commands_follow_one_another_on_one_connection(line: AgentLine, api: Api) -> None:
    api.words = [say(out(b"a"), out(b"b", ERR), DONE), say(struct.pack(">BxxxLL", ENDED, 4, 3 << 8))]
    assert ask(line, "one") == (0, "a|b")
    assert ask(line, "two") == (3, "|")
    assert (api.attached, [request[8:] for request in api.requests]) == (1, [b"one\0", b"two\0"])


def test_what_is_refused_is_left_to_the_daemon_and_the_line_stays(line: AgentLine, api: Api) -> None:
    api.words = [say(struct.pack(">BxxxLL", REFUSED, 4, 2)), say(DONE)]
    assert ask(line, "missing") == (None, "")
    assert ask(line) == (0, "|")
    assert api.attached == 1


def test_what_is_no_request_is_left_to_the_daemon(line: AgentLine, api: Api) -> None:
    assert ask(line, "a\0b") == (None, "")
    assert api.attached == 0


def test_a_second_command_at_the_same_time_is_left_to_the_daemon(line: AgentLine, api: Api) -> None:
    second: list[tuple[int | None, str]] = []

    def meanwhile(end: socket.socket) -> None:
        second.append(ask(line))
        say(DONE)(end)

    api.words = [meanwhile]
    assert ask(line) == (0, "|")
    assert second == [(None, "")]


def test_a_line_that_has_ended_meanwhile_is_made_anew(line: AgentLine, api: Api) -> None:
    api.words = [say(DONE), say(DONE)]
    assert ask(line) == (0, "|")
    hang_up(api.ends[0])
    api.join()
    assert ask(line) == (0, "|")
    assert api.attached == 2


def test_nobody_is_spoken_to_in_a_container_that_does_not_run(line: AgentLine, api: Api) -> None:
    api.running = False
    assert ask(line) == (None, "")
    api.running = True
    api.words = [say(DONE)]
    assert ask(line) == (0, "|")


def test_where_the_daemon_does_not_attach_it_is_not_asked_again_before_a_restart(line: AgentLine, api: Api) -> None:
    api.refuses = True
    assert ask(line) == ask(line) == (None, "")
    assert api.attached == 1
    api.refuses, api.words = False, [say(DONE)]
    line.restarted()
    assert ask(line) == (0, "|")


def test_a_command_that_ends_with_its_container_was_killed(line: AgentLine, api: Api) -> None:
    def end_all(end: socket.socket) -> None:
        api.running = False
        say(out(b"so far"))(end)
        hang_up(end)

    api.words = [end_all]
    assert ask(line) == (137, "so far|")
    assert ask(line) == (None, "")  # what is not known to be in order is not used again


def test_a_command_that_ends_with_the_daemon_is_an_error(line: AgentLine, api: Api) -> None:
    def restart(end: socket.socket) -> None:
        api.running, api.mark = False, "its second start"
        hang_up(end)

    api.words = [restart]
    with pytest.raises(EngineError, match="broke off, with the Docker daemon, which was restarted"):
        ask(line)


def test_a_line_that_breaks_off_is_an_error_and_not_used_again_before_a_restart(line: AgentLine, api: Api) -> None:
    api.words = [hang_up, say(DONE)]
    with pytest.raises(EngineError, match="the connection to the container broke off"):
        ask(line)
    assert ask(line) == (None, "")
    line.restarted()
    assert ask(line) == (0, "|")


def test_what_the_agent_never_writes_is_an_error(line: AgentLine, api: Api) -> None:
    api.words = [say(out(b"x", 9))]
    with pytest.raises(EngineError, match="which it never writes"):
        ask(line)
    assert ask(line) == (None, "")


def test_at_the_limit_the_container_is_ended_and_the_line_with_it(line: AgentLine, api: Api) -> None:
    api.words = [say(out(b"so far"))]
    exchange = Exchange(0.2)
    assert line.run("trying", ["sleep"], {}, exchange, lambda: hang_up(api.ends[0])) is not None
    assert exchange.was_stopped
    assert exchange.out.text() == "so far"
    assert ask(line) == (None, "")


def test_a_command_that_runs_when_the_line_is_closed_is_not_waited_for(line: AgentLine, api: Api) -> None:
    api.words = [lambda end: line.close()]
    with pytest.raises(EngineError, match="broke off"):
        ask(line, limit=600)
    assert ask(line) == (None, "")


def test_after_its_end_nothing_is_run(line: AgentLine, api: Api) -> None:
    api.words = [say(DONE)]
    assert ask(line) == (0, "|")
    line.close()
    assert ask(line) == (None, "")
    assert api.attached == 1
