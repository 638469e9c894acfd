"""A daemon's API in this process, and a user without any configuration."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from tests.unit.fake_engine_api import FakeEngineApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def docker_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's Docker folder, empty; no variable leads to a daemon, and no other run's book is seen."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        yield fake


@pytest.fixture
def connect(api: FakeEngineApi) -> Iterator[object]:
    """Return a function that connects to the daemon as its answers are by then."""
    made: list[Engine] = []

    def go() -> Engine:
        made.append(Engine.connect({"DOCKER_HOST": api.url}))
        return made[-1]

    yield go
    for engine in made:
        engine.close()
