"""What a build stands on goes away in the middle: the registry, BuildKit, the disk, the way between them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.cleanup.runs import command
from tests.integration.support import docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cleanup.runs import Run

# The registry goes between the build and the pull.
REGISTRY_GOES = """
import subprocess

def test_is_built(platform_image, multiarch_registry):
    port = multiarch_registry.host.rpartition(":")[2]
    found = subprocess.run(["docker", "ps", "-q", "-f", f"publish={port}"], capture_output=True, text=True, check=True)
    subprocess.run(["docker", *WORDS, found.stdout.strip()], capture_output=True, check=True)

# Without platform_container, which would be started beside the first test, before the registry goes or after.
def test_runs(platform_image):
    assert platform_image.run(["cat", "/built"]).stdout == "built\\n"

def test_other(multiarch_platforms):
    assert multiarch_platforms
"""
GOOD = "FROM debian:bookworm-slim\nRUN echo built > /built\n"


def names(run: Run, part: str) -> list[str]:
    return [
        name
        for name in docker("ps", "--format", "{{.Names}}").splitlines()
        if part in name and f"-{run.process.pid}-" in name
    ]


def test_a_registry_that_is_killed_is_started_again(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    (project / "Dockerfile").write_text(GOOD, encoding="utf-8")
    (project / "test_it.py").write_text(REGISTRY_GOES.replace("WORDS", '["kill"]'), encoding="utf-8")
    run = start()
    assert run.end() == pytest.ExitCode.OK, run.output
    nothing_is_left()


def test_a_registry_that_is_removed_is_named_and_costs_only_what_needs_it(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    (project / "Dockerfile").write_text(GOOD, encoding="utf-8")
    (project / "test_it.py").write_text(REGISTRY_GOES.replace("WORDS", '["rm", "-f", "-v"]'), encoding="utf-8")
    run = start()
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 2 passed" in run.output
    assert "pulling localhost:" in run.output
    assert "connection refused" in run.output
    nothing_is_left()


def test_a_build_goes_on_after_buildkit_was_killed(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    seconds = str(10**6 + secrets.randbelow(10**6))
    (project / "Dockerfile").write_text(
        "FROM debian:bookworm-slim\nCOPY wait /\nRUN sleep $(cat /wait)\n", encoding="utf-8"
    )
    (project / "wait").write_text(seconds, encoding="utf-8")
    (project / "test_it.py").write_text("def test_it(platform_image): pass\n", encoding="utf-8")
    run = start("--multiarch-build-timeout=120")
    run.reach(command("sleep", seconds))
    (project / "wait").write_text("0", encoding="utf-8")
    docker("kill", *names(run, "buildx_buildkit_"))
    assert run.end() == pytest.ExitCode.OK, run.output
    assert "BuildKit ended while it built" in run.output
    nothing_is_left()
    assert not command("sleep", seconds)()


@pytest.fixture
def small_registry() -> Iterator[str]:
    """Return a registry's image that keeps what is pushed in 64 MiB of memory: Docker's size of /dev/shm."""
    had = "registry:2" in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    if not had:
        docker("pull", "--quiet", "registry:2")
    container = docker("create", "registry:2")
    docker(
        "commit", "--change", "ENV REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/dev/shm", container, "small-registry:1"
    )
    docker("rm", "--volumes", container)
    yield "small-registry:1"
    docker("image", "rm", "small-registry:1", *([] if had else ["registry:2"]))


def test_a_disk_that_fills_up_during_the_push_is_named(
    small_registry: str, project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    (project / "Dockerfile").write_text("FROM scratch\nCOPY noise /\n", encoding="utf-8")
    (project / "noise").write_bytes(secrets.token_bytes(80_000_000))
    (project / "test_it.py").write_text(
        "def test_it(platform_image): pass\ndef test_other(multiarch_platforms): pass\n", encoding="utf-8"
    )
    run = start(f"--multiarch-registry-image={small_registry}", "--multiarch-build-timeout=300")
    assert run.end(300) == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in run.output
    assert "no space left on device" in run.output
    assert "the throwaway registry says" in run.output
    nothing_is_left()


@pytest.fixture
def builder_elsewhere() -> Iterator[str]:
    """Return a builder that does not share this machine's loopback, as `docker buildx create` makes one."""
    had = docker("image", "ls", "--quiet", "moby/buildkit:buildx-stable-1")
    docker("buildx", "create", "--name", "elsewhere", "--bootstrap")
    yield "elsewhere"
    docker("buildx", "rm", "elsewhere")
    if not had:
        docker("image", "rm", "moby/buildkit:buildx-stable-1")


def test_a_builder_without_a_way_to_the_registry_is_told_how_to_get_one(
    builder_elsewhere: str, project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    (project / "Dockerfile").write_text(GOOD, encoding="utf-8")
    (project / "test_it.py").write_text(
        "def test_it(platform_image): pass\ndef test_other(multiarch_platforms): pass\n", encoding="utf-8"
    )
    run = start(f"--multiarch-builder={builder_elsewhere}")
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "1 passed, 1 error" in run.output
    assert f"The builder {builder_elsewhere} does not reach the throwaway registry at localhost:" in run.output
    assert "--driver-opt network=host" in run.output
    nothing_is_left()
    assert builder_elsewhere in docker("buildx", "ls")
