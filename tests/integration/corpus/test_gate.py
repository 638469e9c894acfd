"""The audit as a user runs it: one command, no test code, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.audit import builtin_rules
from pytest_multiarch.audit.rule import ContextRule, is_per_platform
from pytest_multiarch.platforms import Platform
from tests.integration.corpus.faults import HOST, TWO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.corpus.workshop import Made


def gate(folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder as from a shell."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "--multiarch-audit", "-rA"),
            *(f"--multiarch-platforms={','.join(TWO)}", *args),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str], word: str) -> set[str]:
    return set(re.findall(rf"^{word} (audit::[A-Z0-9]+(?:\[[^\]]+\])?)", done.stdout, re.MULTILINE))


@pytest.fixture
def without_daemon(docker_config: Path) -> dict[str, str]:
    """Return an environment in which the registry's login is known, and no daemon is to be had."""
    return {"DOCKER_CONFIG": str(docker_config), "DOCKER_HOST": "unix:///no/such/daemon.sock"}


def test_a_faulty_image_does_not_pass(corpus: dict[str, Made], without_daemon: dict[str, str], tmp_path: Path) -> None:
    image = corpus["one-library-in-a-wheel-faulty"].image
    done = gate(tmp_path, f"--multiarch-image={image.reference}", **without_daemon)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert outcomes(done, "FAILED") == {"audit::MA201[linux/arm64]"}
    assert not outcomes(done, "ERROR")
    layer = image.for_platform(Platform.parse("linux/arm64")).layers[-1].digest
    folder = "/usr/lib/python3/dist-packages"
    finding = f"""\
MA201 linux/arm64 {folder}/sample/_native.cpython-311-aarch64-linux-gnu.so
  expected: linux/arm64 runs AArch64
  found:    it is for x86-64
  layer:    {layer}
  step:     COPY /mixed {folder}
"""
    assert finding in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_good_image_passes_every_rule_on_every_platform(
    corpus: dict[str, Made], without_daemon: dict[str, str], tmp_path: Path
) -> None:
    image = corpus["one-library-in-a-wheel-good"].image
    done = gate(tmp_path, f"--multiarch-image={image.reference}", **without_daemon)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    rules = [rule for rule in builtin_rules() if not rule.opt_in and not isinstance(rule, ContextRule)]
    assert outcomes(done, "PASSED") == {
        f"audit::{rule.code}{place}"
        for rule in rules
        for place in ([f"[{platform}]" for platform in TWO] if is_per_platform(rule) else [""])
    }


def test_an_image_that_is_built_here_has_its_dockerfile_looked_at(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM --platform=$BUILDPLATFORM debian:bookworm-slim AS userland\n\n"
        "FROM --platform=$BUILDPLATFORM debian:bookworm-slim\nCOPY --from=userland /etc/os-release /copied\n",
        encoding="utf-8",
    )
    done = gate(tmp_path, "--multiarch-audit-select=MA6,MA211,MA301,MA403")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    (other,) = {*TWO} - {HOST}
    assert outcomes(done, "FAILED") == {
        "audit::MA211",
        f"audit::MA301[{other}]",
        f"audit::MA403[{other}]",
        "audit::MA602",
    }
    assert outcomes(done, "PASSED") == {
        f"audit::MA301[{HOST}]",
        f"audit::MA403[{HOST}]",
        "audit::MA601",
        "audit::MA603",
    }
    assert "MA602 Dockerfile:3 (--platform=$BUILDPLATFORM)" in done.stdout
