"""What the tests of the plugin share: pytest runs in folders of their own, where no Docker daemon can be reached."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_multiarch.engine import environment

# Loaded once here: runs in this process forget what they have loaded, and loading it anew takes longer than the run.
_LOADED = (
    "acceptance.structure",
    "engine.options",
    "engine.spec",
    "plugin.acceptance_files",
    "plugin.acceptance_items",
)
for _name in (*_LOADED, "plugin.progress", "plugin.selection"):
    importlib.import_module(f"pytest_multiarch.{_name}")
importlib.import_module("tests.plugin.fake_environment")

# hypothesis is loaded anew at the end of each run in this process, which takes longer than the run.
ALWAYS = ("-Werror", "-pno:hypothesispytest", "-pno:timeout")
BOTH = "--multiarch-platforms=linux/amd64,linux/arm64"


class Project:
    """A folder with tests, as a user has it, and pytest runs in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path

    def write(self, **files: str) -> None:
        """Write Python files, named without their suffix."""
        self.pytester.makepyfile(**files)

    def fake_engine(self, plan: str = "", *, conftest: str = "", dockerfile: bool = True) -> None:
        """Let the fake stand in for the engine; ``plan`` holds the arguments of its `Plan`, ``conftest`` more of that file."""
        self.path.joinpath("conftest.py").write_text(
            # Last in the path: it is the installed plugin that is under test.
            f"import sys\nsys.path.append({str(Path(__file__).parents[2])!r})\n"
            "from tests.plugin.fake_environment import Plan, install\n"
            f"pytest_configure, pytest_unconfigure = install(Plan({plan}))\n" + conftest,
            encoding="utf-8",
        )
        if dockerfile:
            self.path.joinpath("Dockerfile").write_text("FROM scratch\n", encoding="utf-8")

    def run(self, *args: str) -> pytest.RunResult:
        """Run pytest in this process, with warnings as errors."""
        return self.pytester.runpytest_inprocess(*ALWAYS, *args)

    def run_apart(self, *args: str) -> pytest.RunResult:
        """Run pytest in a process of its own, with warnings as errors."""
        return self.pytester.runpytest_subprocess(*ALWAYS, *args)

    def calls(self, name: str = "") -> list[dict[str, Any]]:
        """Return what the fake engine was asked for, in order; those of one name if it is given."""
        path = self.path / "calls.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        calls: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [call for call in calls if name in ("", call["call"])]


@pytest.fixture(autouse=True)
def _no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead every docker client to a socket that is not there, and keep this run's own surroundings out of those under test."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-daemon.sock")
    for name in ("DOCKER_CONTEXT", "PYTEST_ADDOPTS", "CI", "BUILD_NUMBER", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    # What a run in this process puts in its place is put back, however that run ends.
    monkeypatch.setattr(environment, "Environment", environment.Environment)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)
