"""A container that tests share comes up again after its daemon was restarted, with a note; not where something else ended it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.container import Container
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.revival import REVIVED, Revival
from pytest_multiarch.errors import EngineError
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import Answer, FakeEngineApi, Hijack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARM64 = Platform.parse("linux/arm64")
START = "/containers/warm/start"


class Daemon(FakeEngineApi):
    """A daemon with one container, whose commands say a word; it can be restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.starts = 1
        self.refusal = 200
        self.state: dict[str, Any] = {"Running": True, "ExitCode": 0}
        self.on("GET", "/networks/bridge", self._bridge)
        self.on("GET", "/containers/warm/json", lambda: Answer(json={"State": self.state}))
        self.on("POST", START, self._start)
        self.on("POST", "/containers/warm/exec", self._exec)
        self.on("GET", "/exec/e1/json", Answer(json={"ExitCode": 0, "Running": False}))
        self.on("POST", "/exec/e1/start", Hijack(lambda: iter([(1, b"word")])))

    def restart(self) -> None:
        self.starts += 1
        self.end(137)

    def end(self, exit_code: int, **more: Any) -> None:
        self.state = {"Running": False, "ExitCode": exit_code, **more}

    def _bridge(self) -> Answer:
        return Answer(self.refusal, json={"message": "no", "Id": f"bridge-{self.starts}"})

    def _start(self) -> Answer:
        self.state = {"Running": True, "ExitCode": 0}
        return Answer(204)

    def _exec(self) -> Answer:
        if self.state["Running"] and not self.state.get("Paused"):
            return Answer(201, json={"Id": "e1"})
        why = "is paused" if self.state.get("Paused") else "is not running"
        return Answer(409, json={"message": f"container warm {why}"})


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    fake = Daemon()
    with fake.running():
        yield fake


@pytest.fixture
def engine(daemon: Daemon) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": daemon.url})
    yield connected
    connected.close()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def make(engine: Engine, notes: list[str]) -> Callable[[], Container]:
    """Return a function that makes the container as of now."""

    def make() -> Container:
        revival = Revival(engine, "warm", ARM64, notes.append)
        return Container(engine, "warm", ARM64, 30.0, lambda result: None, revive=revival)

    return make


def test_it_comes_up_again_after_each_restart_and_says_so(
    daemon: Daemon, make: Callable[[], Container], notes: list[str]
) -> None:
    container = make()
    for times in (1, 2):
        daemon.restart()
        assert container.exec(["x"]).stdout == container.exec(["x"]).stdout == "word"
        assert len(daemon.asked("POST", START)) == times
        assert notes == [f"linux/arm64: {REVIVED}"] * times


@pytest.mark.parametrize("exit_code", [0, 137, 143])
def test_what_ends_it_under_the_same_daemon_does_not_go_unnoticed(
    daemon: Daemon, make: Callable[[], Container], notes: list[str], exit_code: int
) -> None:
    container = make()
    daemon.restart()
    container.exec(["x"])
    daemon.end(exit_code)
    for _ in range(2):
        with pytest.raises(EngineError, match="is not running"):
            container.exec(["x"])
    assert len(daemon.asked("POST", START)) == len(notes) == 1


@pytest.mark.parametrize(
    "state", [{"exit_code": 0}, {"exit_code": 137, "OOMKilled": True}], ids=["by itself", "memory"]
)
def test_what_had_ended_it_before_the_restart_does_not_either(
    daemon: Daemon, make: Callable[[], Container], notes: list[str], state: dict[str, Any]
) -> None:
    container = make()
    daemon.restart()
    daemon.end(**state)
    with pytest.raises(EngineError, match="is not running"):
        container.exec(["x"])
    assert (notes, daemon.asked("POST", START)) == ([], [])


@pytest.mark.parametrize("status", [404, 403], ids=["switched off", "refused"])
def test_where_a_restart_cannot_be_told_nothing_is_started_again(
    daemon: Daemon, make: Callable[[], Container], notes: list[str], status: int
) -> None:
    daemon.refusal = status
    container = make()
    daemon.restart()
    for refusal in (status, 200):
        daemon.refusal = refusal
        with pytest.raises(EngineError, match="is not running"):
            container.exec(["x"])
    assert (notes, daemon.asked("POST", START)) == ([], [])


def test_a_paused_container_is_left_as_it_is(daemon: Daemon, make: Callable[[], Container]) -> None:
    container = make()
    daemon.state = {"Running": True, "ExitCode": 0, "Paused": True}
    with pytest.raises(EngineError, match="is paused"):
        container.exec(["x"])


def test_who_finds_it_started_again_by_another_thread_goes_on(
    daemon: Daemon, make: Callable[[], Container], notes: list[str]
) -> None:
    container = make()
    up = Answer(json={"State": {"Running": True, "ExitCode": 0}})
    daemon.on("GET", "/containers/warm/json", up)
    daemon.on(
        "POST", "/containers/warm/exec", Answer(409, json={"message": "is not running"}), Answer(201, json={"Id": "e1"})
    )
    assert container.exec(["x"]).stdout == "word"
    assert (notes, daemon.asked("POST", START)) == ([], [])
