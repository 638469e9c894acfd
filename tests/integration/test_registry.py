"""The throwaway registry: where it listens, who may come in, and that both of its addresses work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from pytest_multiarch.errors import EngineError
from pytest_multiarch.image.credentials import Credentials
from tests.integration.support import docker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource


def test_it_listens_on_loopback_only_and_never_on_port_5000(environment: Environment) -> None:
    port = environment.registry().host.removeprefix("localhost:")
    published = docker("ps", "--filter", f"publish={port}", "--format", "{{.Ports}}")
    assert published == f"127.0.0.1:{port}->5000/tcp"
    assert port != "5000"


def test_it_answers_this_process_with_the_runs_credentials_only(environment: Environment) -> None:
    registry = environment.registry()
    mine = (registry.credentials.username, registry.credentials.secret)
    assert requests.get(f"{registry.url}/v2/", auth=mine, timeout=10).status_code == 200
    assert requests.get(f"{registry.url}/v2/", timeout=10).status_code == 401
    assert requests.get(f"{registry.url}/v2/", auth=("multiarch", "guess"), timeout=10).status_code == 401


def test_the_daemon_reaches_it_by_its_own_address(environment: Environment, engine: Engine) -> None:
    registry = environment.registry()
    assert engine.can_reach(registry.host, registry.credentials) == ""
    assert engine.can_reach(registry.host, Credentials("multiarch", "guess")) != ""


def test_a_daemon_without_the_credentials_pulls_nothing(sample: ImageSource, engine: Engine) -> None:
    reference = str(sample.image().reference)
    with pytest.raises(EngineError, match="pulling") as refused:
        engine.pull(reference)
    assert "no basic auth credentials" in str(refused.value)


def test_its_password_shows_in_no_repr_and_no_container_setting(environment: Environment) -> None:
    registry = environment.registry()
    port = registry.host.removeprefix("localhost:")
    name = docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
    assert registry.credentials.secret not in repr(registry)
    assert registry.credentials.secret not in docker("inspect", name)


def test_a_port_that_is_wanted_is_used(make_environment: Callable[..., Environment]) -> None:
    from pytest_multiarch.engine.registry import free_port

    port = free_port()
    environment = make_environment(registry_port=port)
    assert environment.registry().host == f"localhost:{port}"


def test_an_image_that_is_no_registry_is_told_with_its_log(make_environment: Callable[..., Environment]) -> None:
    environment = make_environment(registry_image="debian:bookworm-slim")
    with pytest.raises(EngineError, match="its container ended with exit code") as failed:
        environment.registry()
    assert failed.value.tried.startswith("reaching the throwaway registry")
