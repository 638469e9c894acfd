"""A project in a folder, and nothing of its runs afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cleanup.conftest import _engine, nothing_is_left, start
from tests.cleanup.runs import GONE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GONE", "_engine", "nothing_is_left", "start"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts:
            item.add_marker("docker")


@pytest.fixture(autouse=True)
def _own_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    # Others on this machine may use docker as the same user meanwhile, and buildx notes that in the user's folder.
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder
