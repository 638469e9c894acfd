"""What an image stands on is pulled while it is built, and what the daemon had of it before stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.platforms import Platform
from tests.integration.support import borrowed_images, docker
from tests.integration.test_main_job import BOTH as FOR_BOTH
from tests.integration.test_main_job import run_pytest
from tests.integration.test_no_waiting import CONFTEST, DOCKERFILE, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


BASE = """
import subprocess, time
from conftest import open_gate

def test_base():
    deadline = time.monotonic() + 60
    # Under the name of its copy in the throwaway registry.
    while "/base/python" not in subprocess.check_output(["docker", "image", "ls", "--digests"], text=True, timeout=30):
        assert time.monotonic() < deadline, "the daemon has not been given what the image stands on"
    open_gate()

def test_runs(platform_container, target_platform):
    assert platform_container.exec(["cat", "/machine"]).stdout.strip() == target_platform.machine
"""


def test_the_daemon_has_what_an_image_stands_on_before_it_is_built(
    project: Path, way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    if docker("image", "ls", "--quiet", "python:3.11-slim"):
        pytest.skip("the daemon has python:3.11-slim, which is rightly not pulled again")
    for name, content in (("Dockerfile", DOCKERFILE), ("conftest.py", CONFTEST), ("test_it.py", BASE)):
        (project / name).write_text(content, encoding="utf-8")
    gate = Gate()
    with gate.running() as port:
        given = [f"--multiarch-build-arg=GATE={port}", f"--multiarch-build-arg=HELD={Platform.host()}"]
        done = run_pytest(project, FOR_BOTH, *given, *way, GATE=port)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    nothing_is_left()


PLAIN = """
FROM python:3.11-slim
RUN echo built > /built
"""
CAT = """
def test_cat(platform_container):
    assert platform_container.exec(["cat", "/built"]).stdout == "built\\n"
"""


@pytest.fixture
def left_nameless(tmp_path: Path) -> Iterator[None]:
    """Let the daemon have an image that nothing names."""
    before = _nameless()
    with borrowed_images("python:3.11-slim"):
        docker("pull", "--quiet", "--platform", str(Platform.host()), "python:3.11-slim")
        image = docker("image", "inspect", "--format", "{{.Id}}", "python:3.11-slim")
        docker("save", "--output", str(tmp_path / "image.tar"), image)
    docker("load", "--quiet", "--input", str(tmp_path / "image.tar"))
    (tmp_path / "image.tar").unlink()
    left = _nameless() - before
    assert len(left) == 1
    yield
    docker("image", "rm", *left)


def _nameless() -> set[str]:
    return set(docker("image", "ls", "--quiet", "--no-trunc", "--filter", "dangling=true").split())


@pytest.mark.usefixtures("left_nameless")
def test_what_the_daemon_has_without_a_name_outlives_a_run_that_stands_on_the_same(
    project: Path, nothing_is_left: Callable[[], None]
) -> None:
    (project / "Dockerfile").write_text(PLAIN, encoding="utf-8")
    (project / "test_it.py").write_text(CAT, encoding="utf-8")
    done = run_pytest(project, FOR_BOTH)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    nothing_is_left()
