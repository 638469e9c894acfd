"""A daemon behind ssh://, with a program in the docker client's place that carries bytes to a daemon's API in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.container import Container
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.errors import CommandTimeout, EngineUnavailable
from pytest_multiarch.platforms import Platform
from tests.unit.fake_carrier import Carrier
from tests.unit.fake_engine_api import Answer, FakeEngineApi, Hijack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "ssh://me@box:2222"


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        yield fake


@pytest.fixture
def carrier(api: FakeEngineApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Carrier:
    return Carrier(tmp_path / "bin", monkeypatch, api.url.removeprefix("unix://"))


@pytest.fixture
def engine(carrier: Carrier) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": HOST})
    yield connected
    connected.close()


def test_the_docker_client_carries_the_connections(engine: Engine, carrier: Carrier) -> None:
    assert engine.facts.version == "26.1.5"
    assert engine.address == HOST
    assert engine.is_elsewhere
    assert carrier.calls[0] == ["--host", HOST, "system", "dial-stdio"]


def test_requests_after_one_another_share_a_connection(engine: Engine, carrier: Carrier) -> None:
    before = len(carrier.calls)
    for _ in range(3):
        assert not engine.has_image("python:3.11-slim")
    assert len(carrier.calls) - before <= 1


def test_a_commands_output_comes_through_and_its_time_limit_holds(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/containers/box/exec", Answer(201, json={"Id": "1"}))
    api.on("GET", "/exec/1/json", Answer(json={"ExitCode": 3}))
    container = Container(engine, "box", Platform.parse("linux/amd64"), 20, lambda result: None)
    api.on("POST", "/exec/1/start", Hijack(lambda: iter([(1, b"out"), (2, b"err")])))
    result = container.exec(["any"])
    assert (result.stdout, result.stderr, result.exit_code) == ("out", "err", 3)

    def silent() -> Iterator[tuple[int, bytes]]:
        yield 1, b"begun"
        api.closing.wait(20)

    api.on("POST", "/exec/1/start", Hijack(silent))
    with pytest.raises(CommandTimeout, match="no end within") as caught:
        container.exec(["any"], timeout=0.5)
    assert caught.value.detail == "begun"


def test_where_there_is_no_way_sshs_own_words_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Carrier(tmp_path / "bin", monkeypatch, None)
    with pytest.raises(EngineUnavailable) as caught:
        Engine.connect({"DOCKER_HOST": HOST})
    assert caught.value.headline == f"connecting to the Docker daemon at {HOST}: ssh: box: no such host"


def test_without_a_docker_client_the_daemon_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="No such file or directory"):
        Engine.connect({"DOCKER_HOST": HOST})
