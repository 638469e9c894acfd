"""Tests in a container that has the daemon's socket: loopback is not the daemon's, and yet the registry is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.test_main_job import BOTH

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("nothing_left")
def test_the_main_job_runs_and_leaves_nothing(project: Path, inside: tuple[str, list[str]]) -> None:
    where, start = inside
    done = subprocess.run(
        [*start, sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", BOTH, "-rP"],
        cwd=project, env=dict(os.environ), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
    seen = re.search(r"^localhost:(\d+) is http://([\d.]+):(\d+)$", done.stdout, re.MULTILINE)
    assert seen, done.stdout
    if where == "without any network":
        assert seen[2] == "127.0.0.1"  # the relay's
        assert seen[3] != seen[1]
    else:
        assert seen[2] != "127.0.0.1"  # the container's own
        assert seen[3] == "5000"
