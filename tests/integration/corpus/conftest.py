"""The corpus' images, built once for all of its tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.builder import client_environ
from pytest_multiarch.engine.overlay import make_overlay
from pytest_multiarch.image.credentials import KnownCredentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.platforms import Platform
from tests.integration.corpus.faults import SIX
from tests.integration.corpus.pairs import PAIRS
from tests.integration.corpus.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.engine.environment import Environment
    from tests.integration.corpus.workshop import Made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first of the corpus' tests the time that building all of its images takes on a busy machine."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def docker_config(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Docker folder that has the throwaway registry's login."""
    registry = environment.registry()
    login = (registry.credentials.username, registry.credentials.secret)
    return make_overlay(tmp_path_factory.mktemp("overlay"), {registry.host: login})


@pytest.fixture(scope="session")
def client(environment: Environment) -> Iterator[RegistryClient]:
    registry = environment.registry()
    credentials = KnownCredentials({registry.host: registry.credentials})
    with RegistryClient(credentials, endpoints={registry.host: registry.url}) as client:
        yield client


@pytest.fixture(scope="session")
def workshop(
    environment: Environment, client: RegistryClient, docker_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Workshop:
    builder = environment.builder()
    return Workshop(
        builder=builder.name,
        environ=client_environ({**builder.environ, "DOCKER_CONFIG": str(docker_config)}),
        client=client,
        repository=Reference.parse(f"{environment.registry().host}/corpus"),
        folder=tmp_path_factory.mktemp("corpus"),
    )


@pytest.fixture(scope="session")
def corpus(environment: Environment, workshop: Workshop) -> dict[str, Made]:
    """Return the corpus' images by name."""
    offered = environment.published("debian:bookworm-slim").image().platforms
    missing = [one for one in SIX if Platform.parse(one) not in offered]
    if missing:
        pytest.fail(
            f"debian:bookworm-slim has no {', '.join(missing)}: `python3 -m lab up --all-platforms`", pytrace=False
        )
    return workshop.make(PAIRS)
