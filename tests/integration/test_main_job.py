"""The whole job as a user runs it: pytest in a process of its own, in a folder of the user's, and nothing left afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.support import SAMPLE

if TYPE_CHECKING:
    from pytest_multiarch.engine.docker import Engine

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"
BOTH = "--multiarch-platforms=linux/amd64,linux/arm64"


def run_pytest(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder as from a shell: no terminal, warnings are errors."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *args],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Return a copy of the sample project, as a user would make one."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example_project", ignore=ignored))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a Dockerfile."""
    (tmp_path / "Dockerfile").write_text(SAMPLE, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("nothing_left")
def test_the_example_passes_for_both_platforms_and_leaves_nothing(example: Path) -> None:
    done = run_pytest(example, BOTH, "-rA")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"34 passed, 1 deselected in", done.stdout)
    assert "PASSED tests/test_image.py::test_reports_its_architecture[linux/amd64]" in done.stdout
    assert "PASSED tests/test_image.py::test_reports_its_architecture[linux/arm64]" in done.stdout
    assert "multiarch: linux/amd64, linux/arm64" in done.stdout
    for platform in ("linux/amd64", "linux/arm64"):
        assert re.search(rf"^multiarch: {platform}: building$", done.stdout, re.MULTILINE)
        assert re.search(rf"^multiarch: {platform}: built in \d+\.\d s$", done.stdout, re.MULTILINE)


@pytest.mark.usefixtures("nothing_left")
def test_a_failing_test_shows_the_command_and_leaves_nothing(project: Path) -> None:
    (project / "test_it.py").write_text(
        "def test_it(platform_container):\n"
        "    assert platform_container.exec(['sh', '-c', 'echo seen; echo amiss >&2; exit 5']).exit_code == 0\n",
        encoding="utf-8",
    )
    done = run_pytest(project, BOTH, "-q")
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    shown = done.stdout.partition("test_it[linux/arm64]")[2]
    for part in ("exit code: 5 after ", "seen", "amiss", "platform: linux/arm64"):
        assert part in shown
    assert "building" not in done.stdout  # -q shows no progress


@pytest.mark.usefixtures("nothing_left")
def test_a_build_that_fails_is_told_once_in_full_and_leaves_the_other_platform(project: Path) -> None:
    (project / "Dockerfile").write_text(
        "FROM debian:bookworm-slim\nRUN test $(uname -m) = x86_64 || (echo not here >&2; exit 9)\n", encoding="utf-8"
    )
    (project / "test_it.py").write_text(
        "def test_one(platform_image):\n    assert platform_image.run(['true']).exit_code == 0\n"
        "def test_two(platform_image):\n    assert platform_image.run(['true']).exit_code == 0\n",
        encoding="utf-8",
    )
    done = run_pytest(project, BOTH)
    assert done.returncode == 1
    assert "2 passed, 2 errors" in done.stdout
    assert done.stdout.count("The end of that build's log:") == 1
    assert "  not here\n" in done.stdout
    assert "Dockerfile:2" in done.stdout
    assert re.search(r"\(in full at test_it.py::test_\w+\[linux/arm64\]\)", done.stdout)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.usefixtures("nothing_left")
def test_without_the_option_the_hosts_own_platform_is_tested(project: Path, engine: Engine) -> None:
    (project / "test_it.py").write_text(
        "def test_it(platform_image, target_platform):\n"
        "    assert platform_image.run().stdout.strip() == target_platform.machine\n",
        encoding="utf-8",
    )
    done = run_pytest(project, "-v")
    own = str(engine.facts.platform)
    assert done.returncode == 0, done.stdout
    assert f"multiarch: {own}, this machine's own" in done.stdout
    assert f"test_it.py::test_it[{own}] PASSED" in done.stdout


@pytest.mark.usefixtures("nothing_left")
def test_the_daemons_own_buildkit_steps_in_where_the_image_cannot_be_had(project: Path, engine: Engine) -> None:
    (project / "test_it.py").write_text(
        "def test_it(platform_image, target_platform):\n"
        "    assert platform_image.run().stdout.strip() == target_platform.machine\n",
        encoding="utf-8",
    )
    done = run_pytest(project, BOTH, "--multiarch-buildkit-image=localhost:1/no/buildkit:none")
    if engine.facts.store == "containerd":
        assert done.returncode == 0, done.stdout
        assert "the daemon's own BuildKit builds instead: localhost:1/no/buildkit:none cannot be had (" in done.stdout
    else:
        assert done.returncode == 1
        assert "starting a builder from localhost:1/no/buildkit:none" in done.stdout


@pytest.mark.usefixtures("nothing_left")
def test_the_users_own_testcontainers_keep_their_reaper_setting(project: Path) -> None:
    (project / "test_it.py").write_text(
        "def test_it(platform_image):\n"
        "    from testcontainers.core.config import testcontainers_config\n"
        "    from testcontainers.core.container import Reaper\n"
        "    assert testcontainers_config.ryuk_disabled is False\n"
        "    assert Reaper._instance is None\n"
        "    assert platform_image.run(['true']).exit_code == 0\n",
        encoding="utf-8",
    )
    done = run_pytest(project)
    assert done.returncode == 0, done.stdout
