"""Services: the image's own program, reached from here, waited for, and its log in what is reported."""

from __future__ import annotations

import importlib.util
import re
import socket
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.waiting import HttpAnswers, LogLine, PortOpen
from pytest_multiarch.errors import CommandTimeout, EngineError
from pytest_multiarch.platforms import Platform
from tests.integration.support import AMD64, docker

if TYPE_CHECKING:
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.image.platform_image import PlatformImage

SERVER = ["python", "-u", "-m", "http.server", "8000", "--directory", "/srv"]


@pytest.fixture(scope="session")
def image(environment: Environment) -> PlatformImage:
    return environment.published("python:3.11-slim").platform(AMD64)


def fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        data: bytes = answer.read()
    return data


def logged(service: Service, text: str) -> None:
    """Wait until the daemon has written down what the service said."""
    deadline = time.monotonic() + 30
    while text not in service.logs():
        assert time.monotonic() < deadline


@pytest.mark.parametrize("name", ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/s390x"])
def test_the_same_service_runs_on_every_platform(environment: Environment, name: str) -> None:
    image = environment.published("python:3.11-slim").platform(Platform.parse(name))
    with image.start(SERVER, ports=[8000]) as service:
        service.put("/srv/words.txt", "words")
        assert fetched(service.url(8000, "/words.txt")) == b"words"
        logged(service, "GET /words.txt")
    assert service.name not in docker("ps", "--all", "--format", "{{.Names}}").splitlines()


def test_a_port_is_ready_only_when_the_program_itself_answers(image: PlatformImage) -> None:
    # docker-proxy takes connections from the start.
    late = (
        "import socket, time; time.sleep(2); s = socket.create_server(('', 9)); print('up', flush=True); time.sleep(60)"
    )
    with image.start(["python", "-c", late], ports=[9]) as service:
        assert service.logs() == "up\n"
        with socket.create_connection(service.address(9), timeout=10):
            pass


def test_a_service_is_waited_for_by_status_and_by_log(image: PlatformImage) -> None:
    conditions = [LogLine(r"^Serving HTTP on \S+ port 8000"), HttpAnswers(8000, "/missing", status=404), PortOpen(8000)]
    with image.start(SERVER, ports=[8000], wait_for=conditions) as service:
        assert service.url(8000, "x") == f"http://127.0.0.1:{service.address(8000)[1]}/x"
        with pytest.raises(EngineError, match="it publishes 8000/tcp"):
            service.address(8001)


@pytest.mark.skipif(
    importlib.util.find_spec("testcontainers.core.wait_strategies") is None, reason="this testcontainers has none"
)
def test_strategies_of_testcontainers_are_taken(image: PlatformImage) -> None:
    from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy

    strategies = [LogMessageWaitStrategy(re.compile("Serving HTTP")), HttpWaitStrategy(8000)]
    with image.start(SERVER, ports=[8000], wait_for=strategies) as service:
        assert fetched(service.url(8000)).startswith(b"<!DOCTYPE")
    never = LogMessageWaitStrategy("never said").with_startup_timeout(30)
    ending = ["python", "-c", "print('gone'); raise SystemExit(5)"]
    with pytest.raises(EngineError, match="it ended with exit code 5") as ended, image.start(ending, wait_for=never):
        pass
    assert ended.value.detail == "gone\n"
    assert "ryuk" not in docker("ps", "--all", "--format", "{{.Image}}")


def test_a_service_that_ends_says_so_at_once_with_its_log(image: PlatformImage) -> None:
    before = docker("ps", "--all", "--format", "{{.Names}}")
    ending = ["sh", "-c", "echo no database; exit 3"]
    with (
        pytest.raises(EngineError, match="it ended with exit code 3 before it was ready") as ended,
        image.start(ending, ports=[8000], timeout=300),
    ):
        pass
    assert ended.value.detail == "no database\n"
    assert docker("ps", "--all", "--format", "{{.Names}}") == before


def test_a_service_that_is_not_ready_in_time_shows_its_log(image: PlatformImage) -> None:
    slow = ["sh", "-c", "echo not yet; sleep 600"]
    with (
        pytest.raises(CommandTimeout, match="waited 4 s for port 8000 to take connections") as late,
        image.start(slow, ports=[8000], timeout=4),
    ):
        pass
    assert late.value.detail == "not yet\n"


def test_a_service_is_up_again_after_a_command_in_it_took_too_long(image: PlatformImage) -> None:
    with image.start(SERVER, ports=[8000], wait_for=HttpAnswers(8000)) as service:
        service.put("/srv/kept", "kept")
        with pytest.raises(CommandTimeout, match="no end within"):
            service.exec(["sleep", "600"], timeout=1)
        assert fetched(service.url(8000, "/kept")) == b"kept"


def test_a_failure_can_show_the_logs_of_what_runs_and_of_what_has_just_ended(environment: Environment) -> None:
    image = environment.published("python:3.11-slim").platform(AMD64)
    talking = ["sh", "-c", "echo talking; exec sleep 600"]
    with image.start(talking, wait_for=LogLine("talking")) as service:
        assert [(log.name, log.text) for log in environment.service_logs(float("inf"))] == [(service.name, "talking\n")]
    assert service.name in [log.name for log in environment.service_logs(0.0)]
    assert environment.service_logs(float("inf")) == ()
