"""A user's machine: a Docker folder with things in it, a folder for temporary files, and a project."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.errors import EngineUnavailable
from tests.cleanup.runs import GONE, Run, until
from tests.integration.support import Machine, docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TWO_TESTS = """
import pytest
from pathlib import Path

@pytest.mark.parametrize("number", [1, 2])
def test_it(platform_image, platform_container, number):
    BEGINNING
    assert platform_container.exec(["cat", "/built"]).stdout == "built\\n"
    Path(f"ready-{number}").touch()
    ENDING
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cleanup" in item.path.parts:
            item.add_marker("docker")


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    try:
        Engine.connect().close()
    except EngineUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to have an engine: {error}", pytrace=False)
        pytest.skip(f"no engine: {error.headline}")


@pytest.fixture(params=[(), ("-n", "2")], ids=["alone", "workers"])
def way(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return the arguments of a run without pytest-xdist and of one with two workers."""
    way: tuple[str, ...] = request.param
    return way


@pytest.fixture(autouse=True)
def _users_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a Docker folder as a user has one, with credentials, a context and a builder that is the current one."""
    folder, temporary = tmp_path / "docker", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    auth = base64.b64encode(b"somebody:something").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {"registry.example": {"auth": auth}}}), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    docker("context", "create", "theirs", "--docker", "host=tcp://127.0.0.1:1")
    docker("buildx", "create", "--name", "their-builder", "--use")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a small image and two tests that pass."""
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder)
    return folder


def write(project: Path, *, ending: str = "pass", step: str = "echo built > /built", beginning: str = "pass") -> None:
    """Write the project: what its tests begin and end with, and what its build does."""
    (project / "Dockerfile").write_text(f"FROM debian:bookworm-slim\nRUN {step}\n", encoding="utf-8")
    (project / "test_it.py").write_text(
        TWO_TESTS.replace("ENDING", ending).replace("BEGINNING", beginning), encoding="utf-8"
    )


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., Run]]:
    """Return a function that starts a run in the project."""
    runs: list[Run] = []

    def go(*args: str, folder: Path = project) -> Run:
        runs.append(Run(folder, args))
        return runs[-1]

    yield go
    for run in runs:
        run.kill()


@pytest.fixture
def nothing_is_left() -> Callable[[], None]:
    """Return a function that holds the machine against what it was, once what was killed has been swept up."""
    before = Machine.now()

    def files() -> list[str]:
        # pytest-xdist has pytest's folder made, which pytest keeps for the last three runs.
        return [path.name for path in Path(tempfile.gettempdir()).iterdir() if not path.name.startswith("pytest-of-")]

    def check() -> None:
        until(lambda: Machine.now() == before and not files(), GONE)
        assert Machine.now() == before
        assert files() == []

    return check
