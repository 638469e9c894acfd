"""What the user can mend is told before any test runs, with exit code 4; the rest fails the tests that need it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_main_job import BOTH, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a Dockerfile and a test that says that it ran."""
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm-slim\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "def test_it(platform_image):\n    print('it ran')\n\ndef test_other():\n    print('it ran')\n",
        encoding="utf-8",
    )
    return tmp_path


def assert_usage_error(folder: Path, *args: str, tells: tuple[str, ...], **environ: str) -> None:
    done = run_pytest(folder, "-s", *args, **environ)
    assert done.returncode == 4, done.stdout + done.stderr
    for text in tells:
        assert text in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "it ran" not in done.stdout


def test_a_builder_that_does_not_exist(project: Path) -> None:
    assert_usage_error(
        project, "--multiarch-builder=nobody", tells=("looking for the builder 'nobody'", "docker buildx ls")
    )


def test_a_port_that_is_taken(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_usage_error(
            project,
            f"--multiarch-registry-port={port}",
            tells=(f"binding the registry to 127.0.0.1:{port}", "Choose another --multiarch-registry-port"),
        )


def test_no_daemon(project: Path) -> None:
    assert_usage_error(
        project,
        tells=("connecting to the Docker daemon at", "or point DOCKER_HOST at one that runs"),
        DOCKER_HOST=f"unix://{project}/none.sock",
    )


def test_no_docker_client(project: Path) -> None:
    assert_usage_error(project, tells=("running docker", "no such program on PATH"), PATH=str(project))


def test_a_client_without_buildx(project: Path) -> None:
    script = project / "docker"
    script.write_text("#!/bin/sh\necho \"docker: 'buildx' is not a docker command.\" >&2\nexit 1\n", encoding="utf-8")
    script.chmod(0o755)
    assert_usage_error(
        project, tells=("running docker buildx version", "Install the buildx plugin"), PATH=f"{project}:/usr/bin:/bin"
    )


def test_no_dockerfile(project: Path) -> None:
    (project / "Dockerfile").unlink()
    assert_usage_error(project, tells=("looking for the Dockerfile", "--multiarch-dockerfile"))


def test_a_reference_that_does_not_exist_fails_the_tests_that_need_it(project: Path) -> None:
    done = run_pytest(project, BOTH, "--multiarch-image=localhost:1/no/such:image")
    assert done.returncode == 1
    assert "1 passed, 2 errors" in done.stdout
    assert "localhost:1/no/such:image" in done.stdout
    assert done.stdout.count("(in full at ") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_a_registry_that_never_becomes_ready_fails_the_tests_that_need_it(project: Path) -> None:
    done = run_pytest(project, "--multiarch-registry-image=debian:bookworm-slim")
    assert done.returncode == 1
    assert "1 passed, 1 error" in done.stdout
    assert "reaching the throwaway registry at http://127.0.0.1:" in done.stdout


def test_a_base_image_that_does_not_exist_is_told_with_its_line(project: Path) -> None:
    (project / "Dockerfile").write_text("\n\nFROM localhost:1/no/such:base\n", encoding="utf-8")
    done = run_pytest(project, BOTH)
    assert done.returncode == 1
    assert "1 passed, 2 errors" in done.stdout
    assert "localhost:1/no/such:base" in done.stdout
    assert "Dockerfile:3" in done.stdout
