"""A platform with a daemon of its own: built there, run there, cleaned up there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.options import Node
from pytest_multiarch.errors import EngineUnavailable
from tests.integration.support import AMD64, ARM64, docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.spec import BuildSpec

SOCKETS = ("/var/run/docker.sock", "/var/run/docker-classic.sock")


@pytest.fixture
def other(engine: Engine) -> Iterator[Engine]:
    """Return a second daemon on this machine, another than the one in use."""
    mine = engine.environ.get("DOCKER_HOST", f"unix://{SOCKETS[0]}")
    found = [f"unix://{path}" for path in SOCKETS if Path(path).exists() and f"unix://{path}" != mine]
    assert found, "the lab runs a second daemon: python3 -m lab up --classic"
    second = Engine.at(found[0])
    yield second
    second.close()


def names(endpoint: str, *args: str) -> set[str]:
    return set(docker("--host", endpoint, *args).splitlines())


def test_a_platform_is_built_and_run_on_its_node(
    make_environment: Callable[..., Environment], sample_spec: BuildSpec, other: Engine
) -> None:
    images = ("image", "ls", "--all", "--format", "{{.ID}}")
    volumes = ("volume", "ls", "--format", "{{.Name}}")
    before = (names(other.endpoint, *images), names(other.endpoint, *volumes))
    environment = make_environment(nodes=(Node(ARM64, other.endpoint),))
    source = environment.build(sample_spec, (AMD64, ARM64))
    assert source.image().platforms == (AMD64, ARM64)
    assert source.platform(ARM64).run().stdout == "aarch64\n"
    container = source.running.warm_container(source.platform(ARM64))
    there = names(other.endpoint, "ps", "--format", "{{.Names}}")
    assert container.name in there
    assert f"buildx_buildkit_{environment.builder().name}1" in there
    assert container.name not in docker("ps", "--format", "{{.Names}}")
    assert environment.close() == []
    assert not there & names(other.endpoint, "ps", "--all", "--format", "{{.Names}}") - {"none"}
    assert (names(other.endpoint, *images), names(other.endpoint, *volumes)) == before


@pytest.mark.parametrize("endpoint", ["unix:///no/such.sock", "no-such-context"])
def test_a_node_that_does_not_exist_is_told_before_anything_starts(
    make_environment: Callable[..., Environment], endpoint: str
) -> None:
    environment = make_environment(nodes=(Node(ARM64, endpoint),))
    with pytest.raises(EngineUnavailable, match=r"connecting to the Docker daemon at|reading the docker context"):
        environment.check(builds=True, runs=True)
