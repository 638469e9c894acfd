"""The way from this process to the throwaway registry: near, at its container's address, or through the daemon's API."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from pytest_multiarch.engine import reaching
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.reaching import Lock, ask, find_url
from pytest_multiarch.engine.registry import free_port
from pytest_multiarch.engine.relay import Relay
from pytest_multiarch.errors import EngineError
from pytest_multiarch.image.credentials import Credentials
from tests.unit.fake_carrier import Carrier
from tests.unit.fake_engine_api import Answer, FakeEngineApi
from tests.unit.fake_registry import FakeRegistry, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK = Lock(Credentials("user", "right"), "fake")  # the realm of the registry in this process


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(auth="basic").running() as fake:
        yield fake


def test_the_registry_is_asked_without_and_then_with_the_credentials(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy of the user's must not come between.
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert ask(registry.url, LOCK) == ""
    assert [seen.path for seen in registry.seen] == ["/v2/", "/v2/"]
    assert ["Authorization" in seen.headers for seen in registry.seen] == [False, True]


def test_the_credentials_are_for_the_registry_that_is_known_by_its_realm(registry: FakeRegistry) -> None:
    assert ask(registry.url, Lock(LOCK.credentials, "another's")) == "HTTP 401 of another server"
    registry.fail("GET", "/v2/", Fault(status=302, headers={"Location": "/x"}))
    assert ask(registry.url, LOCK) == "HTTP 302 of another server"
    assert not any("Authorization" in seen.headers for seen in registry.seen)
    assert ask(registry.url, Lock(Credentials("user", "wrong"), LOCK.realm)) == "HTTP 401"


def test_a_port_where_nobody_listens_is_no_way() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        said = ask(f"http://127.0.0.1:{bound.getsockname()[1]}", LOCK)
    assert "refused" in said
    assert "\n" not in said


class World:
    """A daemon's API, on a Unix socket or elsewhere, with one container that runs."""

    def __init__(self, api: FakeEngineApi) -> None:
        self.api = api
        self.state: dict[str, Any] = {"Running": True, "ExitCode": 0}
        self.networks: dict[str, dict[str, str]] = {}
        self.is_up = True
        api.on("GET", "/containers/box/json", self._inspect)
        api.on("POST", "/auth", lambda: Answer(json={}) if self.is_up else Answer(500, json={"message": "refused"}))

    def _inspect(self) -> Answer:
        networks = {"Networks": self.networks}
        return Answer(json={"State": self.state, "NetworkSettings": networks, "Config": {"Tty": True}})


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        yield fake


@pytest.fixture
def world(api: FakeEngineApi) -> World:
    return World(api)


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


@pytest.fixture
def carry(registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Carrier]:
    """Return a function that makes ``docker exec`` lead to the registry."""
    parts = urlsplit(registry.url)
    return lambda: Carrier(tmp_path / "bin", monkeypatch, (str(parts.hostname), int(parts.port or 0)))


@pytest.mark.usefixtures("world")
def test_a_port_on_this_machines_loopback_is_taken_first(engine: Engine, registry: FakeRegistry) -> None:
    port = int(urlsplit(registry.url).port or 0)
    assert find_url(engine, "box", port, LOCK) == f"http://127.0.0.1:{port}"


@pytest.mark.usefixtures("world")
def test_a_host_is_guessed_only_where_loopback_is_not_the_daemons(engine: Engine) -> None:
    asked = []

    def guess() -> str:
        asked.append(True)
        return "127.0.0.2"

    with FakeRegistry(auth="basic").running() as here:
        assert find_url(engine, "box", int(urlsplit(here.url).port or 0), LOCK, guess=guess) == here.url
    assert not asked
    with FakeRegistry(auth="basic").running("127.0.0.2") as elsewhere:
        assert find_url(engine, "box", int(urlsplit(elsewhere.url).port or 0), LOCK, guess=guess) == elsewhere.url
    assert asked


def test_beside_the_daemon_the_containers_own_address_is_taken(
    engine: Engine, world: World, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "PORT_INSIDE", urlsplit(registry.url).port)
    world.networks = {"none": {"IPAddress": ""}, "bridge": {"IPAddress": "127.0.0.1"}}
    assert find_url(engine, "box", free_port(), LOCK) == registry.url


def test_where_no_network_leads_there_the_daemon_does(
    engine: Engine, world: World, registry: FakeRegistry, carry: Callable[[], Carrier]
) -> None:
    carrier = carry()
    url = find_url(engine, "box", free_port(), LOCK)
    assert url != registry.url
    assert urlsplit(url).hostname == "127.0.0.1"
    registry.add_blob("app", b"x" * 300_000)
    (digest,) = (digest for _, digest in registry.blobs)
    with requests.Session() as session:
        session.auth = ("user", "right")
        for _ in range(3):
            assert session.get(f"{url}/v2/app/blobs/{digest}", timeout=10).content == b"x" * 300_000
    assert carrier.calls[-1] == ["exec", "--interactive", "box", "nc", "127.0.0.1", "5000"]
    engine.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


def test_a_daemon_elsewhere_is_asked_for_no_address_of_a_container(carry: Callable[[], Carrier]) -> None:
    with FakeEngineApi().running(tcp=True) as api:
        world = World(api)
        world.networks = {"bridge": {"IPAddress": "127.0.0.1"}}
        engine = Engine.connect({"DOCKER_HOST": api.url})
        engine.address = "tcp://10.0.0.1:2376"
        carry()
        url = find_url(engine, "box", free_port(), LOCK)
        engine.close()
    assert not url.endswith(":5000")


@pytest.mark.usefixtures("world")
def test_an_image_without_nc_is_told(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Carrier(tmp_path / "bin", monkeypatch, None)
    with pytest.raises(EngineError, match=r"box through the daemon's API: .*no such host") as caught:
        find_url(engine, "box", free_port(), LOCK)
    assert "--multiarch-registry-image" in caught.value.hint


def test_a_container_that_ended_is_told_with_its_log(engine: Engine, world: World, api: FakeEngineApi) -> None:
    world.state, world.is_up = {"Running": False, "ExitCode": 7}, False
    api.on("GET", "/containers/box/logs", Answer(raw=b"no such file", content_type="application/octet-stream"))
    with pytest.raises(EngineError, match="its container ended with exit code 7"):
        find_url(engine, "box", free_port(), LOCK)


def test_one_that_does_not_come_up_in_time_is_told(engine: Engine, world: World, api: FakeEngineApi) -> None:
    world.is_up = False
    api.on("GET", "/containers/box/logs", Answer(raw=b"", content_type="application/octet-stream"))
    with pytest.raises(EngineError, match="refused"):
        find_url(engine, "box", free_port(), LOCK, limit=0)


def test_a_relay_ends_the_connections_that_are_left(
    registry: FakeRegistry, carry: Callable[[], Carrier], monkeypatch: pytest.MonkeyPatch
) -> None:
    carry()
    relay = Relay("box", 5000, {})
    with socket.create_connection(("127.0.0.1", int(urlsplit(relay.url).port or 0)), timeout=10) as connection:
        connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(9) == b"HTTP/1.1 "
        relay.close()
        while connection.recv(65536):
            pass


@pytest.mark.parametrize(
    ("address", "is_elsewhere"),
    [
        ("unix:///var/run/docker.sock", False),
        ("npipe:////./pipe/docker_engine", False),
        ("tcp://localhost:2375", False),
        ("tcp://127.0.0.1:2375", False),
        ("tcp://[::1]:2375", False),
        ("tcp://docker:2375", True),
        ("https://10.0.0.1:2376", True),
        ("ssh://me@box", True),
    ],
)
def test_a_daemon_is_elsewhere_where_a_network_leads_to_it(engine: Engine, address: str, is_elsewhere: bool) -> None:
    engine.address = address
    assert engine.is_elsewhere is is_elsewhere
