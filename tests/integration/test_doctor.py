"""The doctor as a user calls it: a process of its own, on a machine that is well, and on machines where something is amiss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.engine.docker import Engine

TRIAL = ["registry", "builder", "build", "run", "clearing-up"]


def doctor(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest_multiarch", "doctor", *args],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def checks(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.mark.usefixtures("nothing_left")
def test_a_machine_on_which_the_main_job_runs_is_well(engine: Engine) -> None:
    done = doctor("--json", "--platforms=linux/amd64,linux/arm64")
    assert done.returncode == 0, done.stdout + done.stderr
    found = checks(done)
    assert {check["status"] for check in found.values()} <= {"ok", "warning"}
    assert list(found)[-len(TRIAL) :] == TRIAL
    assert found["docker"]["facts"]["version"] == engine.facts.version
    assert found["image-store"]["facts"]["store"] == engine.facts.store
    assert found["registry"]["facts"]["host"].startswith("localhost:")
    assert found["clearing-up"]["facts"] == {"left": 0}
    assert found["platform linux/arm64"]["facts"]["how"] in ("native", "emulated")


def test_without_a_daemon_it_says_so_and_looks_at_the_rest() -> None:
    done = doctor(DOCKER_HOST="unix:///no/such.sock")
    assert done.returncode == 1
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("failure  docker")
    assert "unix:///no/such.sock" in first
    assert "DOCKER_HOST" in second
    assert "\nok       buildx " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.usefixtures("nothing_left")
def test_a_buildx_that_is_too_old_is_a_failure_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho github.com/docker/buildx v0.9.1 abc\n", encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    done = doctor("--json", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert done.returncode == 1
    found = checks(done)
    assert found["buildx"]["status"] == "failure"
    assert found["buildx"]["summary"].endswith("buildx 0.9.1 is too old")
    assert "registry" not in found


@pytest.mark.usefixtures("nothing_left")
def test_a_registry_image_that_does_not_serve_is_a_failure_of_the_trial() -> None:
    done = doctor("--registry-image=debian:bookworm-slim")
    assert done.returncode == 1
    assert "failure  registry " in done.stdout
    assert "its container ended with exit code" in done.stdout
    assert "ok       clearing-up            nothing is left" in done.stdout
