"""Fixtures of the tests that run real registries, builders, emulators and containers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.environment import Environment
from pytest_multiarch.engine.options import EngineOptions
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import EngineUnavailable
from tests.integration.support import BOTH, SAMPLE, Machine, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.results import CommandResult


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker("docker")


@pytest.fixture(scope="session", autouse=True)
def engine() -> Iterator[Engine]:
    """Return the daemon that the tests use; without one they fail in CI and are skipped elsewhere."""
    try:
        engine = Engine.connect()
    except EngineUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to have an engine: {error}", pytrace=False)
        pytest.skip(f"no engine: {error.headline}")
    yield engine
    engine.close()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Hold the machine after the test against the machine before it."""
    before = Machine.now()
    yield
    assert before.later() == before


@pytest.fixture(scope="session")
def make_environment() -> Iterator[Callable[..., Environment]]:
    """Return a function that makes environments with some options other than the usual; they are closed at the end."""
    made: list[Environment] = []

    def make(on_result: Callable[[CommandResult], None] = lambda _: None, **options: object) -> Environment:
        usual: dict[str, object] = {
            "builder": "container",
            "mirrors": (),
            "registry_image": "registry:2",
            "registry_port": None,
            "buildkit_image": "moby/buildkit:buildx-stable-1",
            "build_timeout": 300.0,
            "command_timeout": 60.0,
        }
        environment = Environment(EngineOptions(**{**usual, **options}), Waiting(), on_result)  # type: ignore[arg-type]
        made.append(environment)
        return environment

    yield make
    problems = [problem for environment in made for problem in environment.close()]
    assert problems == []


@pytest.fixture(scope="session")
def environment(make_environment: Callable[..., Environment]) -> Environment:
    """Return the environment that most tests share: one registry, one builder."""
    return make_environment()


@pytest.fixture(scope="session")
def sample_spec(tmp_path_factory: pytest.TempPathFactory) -> BuildSpec:
    """Return a small image to build."""
    folder: Path = tmp_path_factory.mktemp("sample")
    (folder / "Dockerfile").write_text(SAMPLE, encoding="utf-8")
    return BuildSpec(context=folder)


@pytest.fixture(scope="session")
def sample(environment: Environment, sample_spec: BuildSpec) -> ImageSource:
    """Return the small image, built for two platforms."""
    return environment.build(sample_spec, BOTH)
