"""Running and executing, against a daemon's API in this process that hands its connections over as a daemon does."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_multiarch.engine.container import Container
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.launch import Subject, keep_up, run_once
from pytest_multiarch.engine.ledger import Ledger, Owned
from pytest_multiarch.engine.request import RunRequest, argument_list
from pytest_multiarch.engine.streams import Exchange, shut_down
from pytest_multiarch.errors import CommandTimeout, EngineError, OutputTooLarge
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import VERSION, Answer, FakeEngineApi, Hijack, frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.results import CommandResult

ARM64 = Platform.parse("linux/arm64")
DIGEST = "sha256:" + "1" * 64
IMAGE = f"localhost:5001/app@{DIGEST}"
CONFIG = "sha256:" + "c" * 64
UP = {"State": {"Running": True, "ExitCode": 0}, "Image": DIGEST}


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        fake.on("POST", "/containers/create", Answer(201, json={"Id": "c0ffee", "Warnings": []}))
        fake.on("POST", "/containers/[^/]+/start", Answer(204))
        fake.on("POST", "/containers/[^/]+/kill", Answer(204))
        fake.on("POST", "/containers/[^/]+/wait", Answer(json={"StatusCode": 0}))
        fake.on("GET", "/containers/[^/]+/json", Answer(json=UP))
        fake.on("PUT", "/containers/[^/]+/archive", Answer(200))
        fake.on("HEAD", "/containers/[^/]+/archive", Answer(404))
        fake.on("POST", "/containers/[^/]+/restart", Answer(204))
        fake.on("POST", "/containers/[^/]+/exec", Answer(201, json={"Id": "e1"}))
        fake.on("GET", "/exec/e1/json", Answer(json={"ExitCode": 0, "Running": False}))
        yield fake


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.open_new({})


@pytest.fixture
def results() -> list[CommandResult]:
    return []


@pytest.fixture
def subject(engine: Engine, ledger: Ledger) -> Subject:
    manifest = SimpleNamespace(config=SimpleNamespace(digest=CONFIG))
    image = SimpleNamespace(platform=ARM64, digest=DIGEST, reference=IMAGE, manifest=manifest)
    return Subject(engine, ledger, cast("PlatformImage", image), IMAGE)


def asking(args: list[str] | None = None, **options: Any) -> RunRequest:
    return RunRequest.of(args, **options)


@pytest.fixture
def container(engine: Engine, results: list[CommandResult]) -> Container:
    return Container(engine, "warm", ARM64, 30.0, results.append)


def hijack(*frames: tuple[int, bytes]) -> Hijack:
    return Hijack(lambda: iter(frames))


def terminal(*pieces: bytes) -> Hijack:
    return Hijack(lambda: iter([(1, piece) for piece in pieces]), is_terminal=True)


def silent_until(event: threading.Event, *frames: tuple[int, bytes]) -> Hijack:
    """Write frames and then nothing until the event is set."""

    def write() -> Iterator[tuple[int, bytes]]:
        yield from frames
        event.wait(20)

    return Hijack(write)


def test_exec_keeps_both_outputs_apart_and_every_byte(
    container: Container, api: FakeEngineApi, results: list[CommandResult]
) -> None:
    api.on("POST", "/exec/e1/start", hijack((1, b"out \xff"), (2, b"err"), (1, b""), (1, b"\x00\nmore")))
    api.on("GET", "/exec/e1/json", Answer(json={"ExitCode": 3}))
    result = container.exec(["sh", "-c", "something"])
    assert (result.stdout_bytes, result.stderr_bytes, result.exit_code) == (b"out \xff\x00\nmore", b"err", 3)
    assert (result.args, result.platform) == (("sh", "-c", "something"), ARM64)
    assert 0 < result.duration < 30
    assert results == [result]


def test_output_that_comes_with_the_head_of_the_answer_is_not_lost(container: Container, api: FakeEngineApi) -> None:
    # Nothing makes the daemon wait between its answer and the first output.
    api.on("POST", "/exec/e1/start", hijack((1, b"early")))
    for _ in range(20):
        assert container.exec(["x"]).stdout == "early"


def test_exec_says_what_it_was_asked(container: Container, api: FakeEngineApi) -> None:
    api.on("POST", "/exec/e1/start", hijack())
    container.exec(["a", "b c"], env={"X": "1"}, user="nobody", workdir="/srv")
    (request,) = api.asked("POST", "/containers/warm/exec")
    body = request.body
    assert (body["Cmd"], body["Env"], body["User"], body["WorkingDir"]) == (["a", "b c"], ["X=1"], "nobody", "/srv")
    assert (body["Tty"], body["AttachStdin"], body["AttachStdout"], body["AttachStderr"]) == (False, False, True, True)


def test_exec_in_a_terminal_gives_one_output_as_it_comes(container: Container, api: FakeEngineApi) -> None:
    api.on("POST", "/exec/e1/start", terminal(b"out\r\n", b"\x01\0\0\0\0\0\0\x04err\r\n"))
    result = container.exec(["x"], tty=True)
    assert (result.stdout_bytes, result.stderr_bytes) == (b"out\r\n\x01\0\0\0\0\0\0\x04err\r\n", b"")
    # The daemon frames what it sends unless the start says it as well.
    (created,), (started,) = api.asked("POST", "/containers/warm/exec"), api.asked("POST", "/exec/e1/start")
    assert (created.body["Tty"], started.body["Tty"]) == (True, True)


def test_exec_in_a_terminal_takes_no_input(container: Container, api: FakeEngineApi) -> None:
    with pytest.raises(ValueError, match="stdin and tty exclude each other"):
        container.exec(["cat"], stdin="x", tty=True)
    assert api.asked("POST") == []


def test_exec_has_a_time_limit_and_shows_what_came_until_then(
    container: Container, api: FakeEngineApi, results: list[CommandResult]
) -> None:
    restarted = threading.Event()

    def restart() -> Answer:
        restarted.set()
        return Answer(204)

    api.on("POST", "/exec/e1/start", silent_until(restarted, (1, b"so far, "), (2, b"so good")))
    api.on("POST", "/containers/warm/restart", restart)
    started = time.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        container.exec(["sleep", "600"], timeout=0.3)
    assert 0.3 <= time.monotonic() - started < 15
    assert re.fullmatch(r"running sleep 600 in warm \(linux/arm64\): no end within \d+ s", caught.value.headline)
    assert caught.value.detail == "so far, so good"
    assert "timeout" in caught.value.hint
    assert "The container was restarted" in caught.value.hint
    (request,) = api.asked("POST", "/containers/warm/restart")
    assert request.query["t"] == ["0"]
    assert results == []


def test_exec_in_a_container_that_is_gone_is_an_error_of_ours(container: Container, api: FakeEngineApi) -> None:
    api.on("POST", "/containers/warm/exec", Answer(404, json={"message": "No such container: warm"}))
    with pytest.raises(EngineError, match=r"^running x in warm \(linux/arm64\): No such container: warm"):
        container.exec(["x"])


def test_exec_in_a_container_that_has_stopped_is_an_error_of_ours(container: Container, api: FakeEngineApi) -> None:
    api.on("POST", "/exec/e1/start", Answer(409, json={"message": "container warm is not running"}))
    with pytest.raises(EngineError, match="container warm is not running"):
        container.exec(["x"])


@pytest.mark.parametrize("args", ["echo hello", ""])
def test_a_text_is_no_argument_list(container: Container, api: FakeEngineApi, args: str) -> None:
    with pytest.raises(TypeError, match="expected a list of arguments") as caught:
        container.exec(args)
    assert repr(args) in str(caught.value)
    assert api.asked("POST") == []


def test_arguments_become_texts(tmp_path: Path) -> None:
    words: Any = ("ls", tmp_path, 1)
    assert argument_list(words) == ("ls", str(tmp_path), "1")


def test_a_container_that_stays_up_is_written_down_before_it_is_made(
    subject: Subject, ledger: Ledger, api: FakeEngineApi
) -> None:
    def create() -> Answer:
        assert ledger.entries() == (Owned("container", "name"),)
        return Answer(201, json={"Id": "c0ffee"})

    api.on("POST", "/containers/create", create)
    keep_up(subject, "name")
    (request,) = api.asked("POST", "/containers/create")
    assert (request.query["name"], request.query["platform"]) == (["name"], ["linux/arm64"])
    assert request.body["Image"] == IMAGE
    assert request.body["Labels"] == ledger.labels
    assert request.body["Healthcheck"]["Test"] == ["NONE"]
    # Its input stays open whoever goes, and nothing of what commands write through it lies on the daemon's disk.
    assert (request.body["OpenStdin"], request.body["StdinOnce"], request.body["Tty"]) == (True, False, False)
    assert request.body["HostConfig"]["LogConfig"]["Type"] == "none"
    assert len(api.asked("POST", "/containers/name/start")) == 1


def test_a_container_that_stays_up_has_what_is_asked_beside_that(subject: Subject, api: FakeEngineApi) -> None:
    keep_up(subject, "plain")
    keep_up(subject, "name", asking(["never"], privileged=True, cap_add=["NET_ADMIN"], network="none"))
    plain, asked = [request.body for request in api.asked("POST", "/containers/create")]
    assert (asked["Entrypoint"], asked["Cmd"]) == (plain["Entrypoint"], plain["Cmd"])
    host = asked["HostConfig"]
    assert (host["Privileged"], host["CapAdd"], host["NetworkMode"]) == (True, ["NET_ADMIN"], "none")
    assert not (plain.get("HostConfig") or {}).get("Privileged")


def test_a_container_that_ends_at_once_says_so(subject: Subject, api: FakeEngineApi) -> None:
    state = {"Running": False, "ExitCode": 137, "Error": "out of something"}
    api.on("GET", "/containers/name/json", Answer(json={"State": state, "Image": DIGEST}))
    with pytest.raises(EngineError, match="it ended at once with exit code 137") as caught:
        keep_up(subject, "name")
    assert caught.value.detail == "out of something"


def test_where_the_agent_does_not_run_it_shows_its_log(subject: Subject, api: FakeEngineApi) -> None:
    api.on("GET", "/version", Answer(json={**VERSION, "Arch": "riscv64"}))
    other = Engine.connect({"DOCKER_HOST": api.url})
    api.on(
        "GET",
        "/containers/name/json",
        Answer(json={"State": {"Running": False, "ExitCode": 139}, "Image": DIGEST, "Config": {"Tty": False}}),
    )
    log = frame(2, b"qemu: uncaught target signal 11\n")
    api.on("GET", "/containers/name/logs", Answer(raw=log, content_type="application/vnd.docker.multiplexed-stream"))
    with closing(other), pytest.raises(EngineError, match="it ended at once with exit code 139") as caught:
        keep_up(replace(subject, engine=other), "name")
    assert caught.value.detail == "qemu: uncaught target signal 11\n"
    (asked,) = api.asked("POST", "/containers/create")
    assert "LogConfig" not in (asked.body.get("HostConfig") or {})


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/containers/create", Answer(404, json={"message": "No such image: x"})),
        ("/containers/name/start", Answer(400, json={"message": "exec /bin/sh: exec format error"})),
        ("/containers/name/start", Answer(404, json={"message": "No such container: name"})),
    ],
)
def test_a_container_that_cannot_be_started_is_an_error_of_ours(
    subject: Subject, ledger: Ledger, api: FakeEngineApi, path: str, answer: Answer
) -> None:
    api.on("POST", path, answer)
    with pytest.raises(EngineError, match=answer.json["message"]) as caught:
        keep_up(subject, "name")
    assert caught.value.tried == f"starting a container of {IMAGE} for linux/arm64"
    assert ledger.entries() == (Owned("container", "name"),)  # closing the book removes what there may be


def test_a_fresh_run_gives_its_result_and_leaves_nothing(subject: Subject, ledger: Ledger, api: FakeEngineApi) -> None:
    started = threading.Event()

    def start() -> Answer:
        started.set()
        return Answer(204)

    def output() -> Iterator[tuple[int, bytes]]:
        assert started.wait(10)  # attached first, started then
        yield 1, b"out"
        yield 2, b"err"

    api.on("POST", "/containers/once/start", start)
    api.on("POST", "/containers/once/attach", Hijack(output))
    api.on("POST", "/containers/once/wait", Answer(json={"StatusCode": 7}))
    result = run_once(subject, asking(["a", "b"], env={"X": "1"}, entrypoint=["/e"]), name="once", limit=20)
    assert (result.stdout, result.stderr, result.exit_code, result.args) == ("out", "err", 7, ("a", "b"))
    (request,) = api.asked("POST", "/containers/create")
    body = request.body
    assert (body["Cmd"], body["Entrypoint"], body["Env"]) == (["a", "b"], ["/e"], ["X=1"])
    assert request.query["platform"] == ["linux/arm64"]
    assert api.deleted == ["/containers/once"]
    assert ledger.entries() == ()


def test_a_fresh_run_in_a_terminal_gives_one_output_as_it_comes(subject: Subject, api: FakeEngineApi) -> None:
    api.on("POST", "/containers/once/attach", terminal(b"\x02\0\0", b"\0 out\r\n"))
    result = run_once(subject, asking(["x"], tty=True), name="once", limit=20)
    assert (result.stdout_bytes, result.stderr_bytes) == (b"\x02\0\0\0 out\r\n", b"")
    (request,) = api.asked("POST", "/containers/create")
    assert (request.body["Tty"], request.body["OpenStdin"]) == (True, False)


def test_without_arguments_the_images_own_command_runs(subject: Subject, api: FakeEngineApi) -> None:
    api.on("POST", "/containers/once/attach", hijack())
    result = run_once(subject, asking(), name="once", limit=20)
    (request,) = api.asked("POST", "/containers/create")
    assert request.body.get("Cmd") is None
    assert result.args == ()


def test_a_run_that_takes_too_long_is_killed_and_removed(subject: Subject, ledger: Ledger, api: FakeEngineApi) -> None:
    killed = threading.Event()

    def kill() -> Answer:
        killed.set()
        return Answer(204)

    api.on("POST", "/containers/once/attach", silent_until(killed, (1, b"so far")))
    api.on("POST", "/containers/once/kill", kill)
    with pytest.raises(CommandTimeout) as caught:
        run_once(subject, asking(["sleep", "600"]), name="once", limit=0.3)
    assert killed.is_set()
    assert caught.value.detail == "so far"
    assert api.deleted == ["/containers/once"]
    assert ledger.entries() == ()


@pytest.mark.parametrize("status", [404, 409, 500])
def test_a_run_that_cannot_be_killed_is_not_waited_for(subject: Subject, api: FakeEngineApi, status: int) -> None:
    api.on("POST", "/containers/once/attach", silent_until(api.closing))
    api.on("POST", "/containers/once/kill", Answer(status, json={"message": "no"}))
    started = time.monotonic()
    with pytest.raises(CommandTimeout):
        run_once(subject, asking(["x"]), name="once", limit=0.2)
    assert time.monotonic() - started < 15


def test_a_run_that_cannot_be_made_leaves_nothing_in_the_book(
    subject: Subject, ledger: Ledger, api: FakeEngineApi
) -> None:
    api.on("POST", "/containers/create", Answer(404, json={"message": "No such image: x"}))
    api.on("DELETE", "/containers/once", Answer(404, json={"message": "No such container: once"}))
    with pytest.raises(EngineError, match="No such image: x"):
        run_once(subject, asking(["x"]), name="once", limit=5)
    assert ledger.entries() == ()


def test_a_run_that_cannot_be_removed_stays_in_the_book(subject: Subject, ledger: Ledger, api: FakeEngineApi) -> None:
    api.on("POST", "/containers/once/attach", hijack())
    api.on("DELETE", "/containers/once", Answer(500, json={"message": "busy"}))
    with pytest.raises(EngineError, match="removing the container once: busy"):
        run_once(subject, asking(["x"]), name="once", limit=20)
    assert ledger.entries() == (Owned("container", "once"),)


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a connection: what the daemon holds, and what we hold."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, ours


def collected(ours: socket.socket, limit: float = 10) -> tuple[bool, bytes, bytes]:
    exchange = Exchange(limit)
    stopped = []

    def stop() -> None:
        stopped.append(True)
        shut_down(ours)

    exchange.carry(ours, stop)
    return not stopped, exchange.out.whole(), exchange.err.whole()


def test_a_recorded_stream_is_taken_apart(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    # `docker run … sh -c 'echo out; echo err >&2; printf end'`, as the daemon sent it.
    theirs.sendall(b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n\x01\0\0\0\0\0\0\x03end")
    theirs.close()
    assert collected(ours) == (True, b"out\nend", b"err\n")


def test_frames_that_come_in_pieces_are_put_together(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    data = frame(1, bytes(range(256)) * 2000) + frame(2, b"") + frame(2, b"x")

    def send() -> None:
        for start in range(0, len(data), 4093):
            theirs.sendall(data[start : start + 4093])
        theirs.close()

    thread = threading.Thread(target=send)
    thread.start()
    assert collected(ours) == (True, bytes(range(256)) * 2000, b"x")
    thread.join()


@pytest.mark.parametrize(
    "cut", [b"", b"\x01\0\0", frame(1, b"abcdef")[:-3]], ids=["nothing", "in a head", "in a frame"]
)
def test_a_stream_that_breaks_off_gives_what_came(wire: tuple[socket.socket, socket.socket], cut: bytes) -> None:
    theirs, ours = wire
    theirs.sendall(frame(1, b"whole") + cut)
    theirs.close()
    in_time, out, err = collected(ours)
    assert (in_time, out, err) == (True, b"whole" + cut[8:], b"")


def test_a_terminal_that_writes_without_end_is_stopped(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    theirs.sendall(b"y\r\n" * 1000)
    exchange = Exchange(30, output_limit=1000, tty=True)
    exchange.carry(ours, theirs.close)
    assert exchange.out.whole() == (b"y\r\n" * 1000)[:1000]
    with pytest.raises(OutputTooLarge, match="it wrote more than 1000 bytes"):
        exchange.check("running yes")


def test_what_the_daemon_itself_says_is_among_the_errors(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    theirs.sendall(frame(1, b"out") + frame(3, b"the log driver failed"))
    theirs.close()
    assert collected(ours) == (True, b"out", b"the log driver failed")


def test_a_silent_stream_is_left_when_its_time_is_up(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    theirs.sendall(frame(1, b"out"))
    started = time.monotonic()
    assert collected(ours, 0.2) == (False, b"out", b"")
    assert 0.2 <= time.monotonic() - started < 5


def test_a_stream_in_time_is_never_told_to_stop(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    theirs.close()
    stopped: list[object] = []
    Exchange(0.05).carry(ours, lambda: stopped.append(None))
    assert threading.Event().wait(0.1) is False  # past the limit
    assert stopped == []


def test_an_error_of_the_connection_in_time_is_not_hidden() -> None:
    theirs, ours = socket.socketpair()
    theirs.close()
    ours.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        Exchange(10).carry(ours, lambda: None)


def test_input_is_fed_while_output_is_read_and_its_end_is_told(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    data = bytes(range(256)) * 20_000  # more than sockets hold, both ways

    def echo() -> None:
        while piece := theirs.recv(65536):
            theirs.sendall(frame(1, piece))
        theirs.close()

    thread = threading.Thread(target=echo)
    thread.start()
    exchange = Exchange(30, data)
    exchange.carry(ours, lambda: None)
    thread.join()
    assert exchange.out.whole() == data


def test_input_that_nobody_reads_is_given_up_at_the_end(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    theirs.sendall(frame(1, b"done"))
    theirs.shutdown(socket.SHUT_WR)
    exchange = Exchange(30, bytes(50_000_000))
    exchange.carry(ours, lambda: None)
    assert exchange.out.whole() == b"done"


def test_a_command_that_writes_without_end_is_stopped(wire: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = wire
    stopped = threading.Event()

    def flood() -> None:
        while not stopped.is_set():
            theirs.sendall(frame(1, b"y\n" * 1000))
        theirs.close()

    thread = threading.Thread(target=flood)
    thread.start()
    exchange = Exchange(30, output_limit=100_001)
    exchange.carry(ours, stopped.set)
    thread.join()
    assert (exchange.out.size, exchange.err.size) == (100_001, 0)
    with pytest.raises(OutputTooLarge, match="it wrote more than 100001 bytes") as caught:
        exchange.check("running yes")
    assert len(caught.value.detail) < 5000


def test_what_cannot_be_stopped_is_left_with_the_reason(wire: tuple[socket.socket, socket.socket]) -> None:
    _, ours = wire

    def stop() -> None:
        raise EngineError("stopping it", "the daemon is gone")

    exchange = Exchange(0.1)
    exchange.carry(ours, stop)
    with pytest.raises(CommandTimeout, match="no end within 0 s") as caught:
        exchange.check("running it", "It has ended.")
    assert "stopping it: the daemon is gone" in caught.value.hint
    assert "It has ended." not in caught.value.hint
