"""What lives on between runs that ask for it: made once, even by two runs at once; not built again unchanged; pruned to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.integration.support import Machine, docker
from tests.integration.test_main_job import BOTH, run_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCKERFILE = """\
FROM debian:bookworm-slim
RUN od -An -N8 -tx1 /dev/urandom > /random
COPY . /context
"""
TEST = """
def test_it(target_platform, platform_image):
    name = str(target_platform).replace("/", "-")
    with open(f"../seen-{name}", "a") as file:
        print(platform_image.files.read_text("random").strip(), file=file)
    with open("a.txt") as file:
        assert platform_image.files.read_text("context/a.txt") == file.read()

def test_runs(platform_container):
    assert platform_container.exec(["cat", "/context/a.txt"]).exit_code == 0
"""
CONFTEST = """
import sys

def pytest_unconfigure():
    with open("../loaded", "w") as file:
        print(*sorted({name.partition(".")[0] for name in sys.modules}), file=file)
"""
UNCHANGED = "multiarch: linux/arm64: nothing has changed, not built again"


class Reusing:
    """A project whose runs keep what they make, in a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.state = folder / "state"
        for name, text in {
            "Dockerfile": DOCKERFILE,
            ".dockerignore": "*\n!*.txt\n",
            "a.txt": "one",
            "conftest.py": CONFTEST,
            "test_it.py": TEST,
        }.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, platforms: str = BOTH) -> subprocess.CompletedProcess[str]:
        done = run_pytest(self.folder, platforms, "--multiarch-reuse", XDG_STATE_HOME=str(self.state))
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def prune(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest_multiarch", "prune"],
            env={**os.environ, "XDG_STATE_HOME": str(self.state)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def kept(self) -> list[str]:
        """Return the containers that live on: registry and builder."""
        return sorted(name for name in docker("ps", "--all", "--format", "{{.Names}}").splitlines() if "-kept-" in name)

    def random(self) -> dict[str, list[str]]:
        """Return what each platform's image says, run by run: a step of the build that gives something else each time."""
        return {file.name: file.read_text().splitlines() for file in self.folder.parent.glob("seen-*")}


@pytest.fixture(scope="module")
def before() -> Machine:
    return Machine.now()


@pytest.fixture(scope="module")
def reusing(before: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reusing]:
    """Return a project of which two runs, side by side, have been the first; pruned in the end, to the last trace."""
    project = Reusing(tmp_path_factory.mktemp("reuse"))
    try:
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(project.run) for _ in range(2)]:
                done.result()
        yield project
    finally:
        pruned = project.prune()
    assert pruned.returncode == 0, pruned.stdout + pruned.stderr
    assert Machine.now() == before
    assert list((project.state / "pytest-multiarch").iterdir()) == []


def test_two_first_runs_at_once_make_one_of_each(reusing: Reusing) -> None:
    builder, registry = reusing.kept()
    assert builder.startswith("buildx_buildkit_multiarch-kept-")
    assert registry.endswith("-registry")
    (folder,) = (reusing.state / "pytest-multiarch").iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "registry.json").stat().st_mode & 0o077 == 0


def test_unchanged_nothing_is_built_and_changed_only_what_has_changed(reusing: Reusing) -> None:
    builder, registry = reusing.kept()
    docker("stop", "--time", "1", builder, registry)
    (reusing.folder / "ignored.log").write_text("of no interest", encoding="utf-8")
    again = reusing.run()
    assert UNCHANGED in again.stdout
    assert "building" not in again.stdout
    assert docker("inspect", "--format", "{{.State.Running}}", builder, registry).split() == ["false", "true"]
    (reusing.folder / "a.txt").write_text("two", encoding="utf-8")
    changed = reusing.run()
    assert "multiarch: linux/arm64: building" in changed.stdout
    assert UNCHANGED not in changed.stdout
    assert reusing.kept() == [builder, registry]
    for seen in reusing.random().values():
        assert len(seen) == 4
        assert len(set(seen[1:])) == 1  # also the changed one: from the cache


def test_a_platform_is_not_built_again_where_others_are_left_out(reusing: Reusing) -> None:
    alone = reusing.run("--multiarch-platforms=linux/arm64")
    assert UNCHANGED in alone.stdout
    assert "building" not in alone.stdout


def test_a_registry_that_answers_is_used_without_testcontainers(reusing: Reusing) -> None:
    reusing.run()
    loaded = (reusing.folder.parent / "loaded").read_text(encoding="utf-8").split()
    assert "docker" in loaded
    assert "testcontainers" not in loaded
