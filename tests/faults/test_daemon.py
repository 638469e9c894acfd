"""The daemon is restarted under a run: what was in its hands fails by name, the rest goes on and says so, nothing is left."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lab import daemons, paths
from lab.process import tail
from pytest_multiarch.engine.patience import LIMIT
from pytest_multiarch.engine.revival import REVIVED
from tests.cleanup.runs import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cleanup.runs import Run

TESTS = """
import time
from pathlib import Path

def test_waits(platform_container):
    Path("ready").touch()
    while not Path("restarted").exists():
        time.sleep(0.05)
    assert platform_container.exec(["cat", "/built"]).stdout == "built\\n"

def test_runs(platform_image):
    assert platform_image.run(["cat", "/built"]).stdout == "built\\n"

def test_fresh(fresh_container):
    assert fresh_container.exec(["cat", "/built"]).stdout == "built\\n"

def test_other(multiarch_platforms):
    assert multiarch_platforms
"""

WORKS = """
import time
from pathlib import Path

def test_works(platform_container):
    platform_container.put("/kept", "as it was")
    try:
        platform_container.exec(["sleep", "SECONDS"])
    finally:
        while not Path("restarted").exists():
            time.sleep(0.05)

def test_finds_its_files(platform_container):
    assert platform_container.exec(["cat", "/kept"]).stdout == "as it was"
"""


def lab(call: str) -> None:
    """Do something with the daemon from a process of its own: it must not be a child of this one, which never waits for it."""
    program = f"from lab import daemons; daemons.{call}(daemons.RESTARTED)"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], cwd=paths.PROJECT, timeout=180, check=True)
    # Shown where the test fails: a daemon is waited for only so long, and one that is slow to go or to come may be the reason.
    print(f"{call}: {time.monotonic() - began:.1f} s")


@pytest.fixture(autouse=True)
def _daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start a daemon of this test's own, before anything looks at what is there."""
    if os.getuid() != 0 or shutil.which("dockerd") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to be able to start a daemon: python3 -m lab up, as root", pytrace=False)
        pytest.skip("only root can start a daemon, where the lab has installed one")
    one = daemons.RESTARTED
    lab("start")
    try:
        monkeypatch.setenv("DOCKER_HOST", one.host)
        yield
    finally:
        lab("stop")
        print(tail(one.log.read_bytes(), lines=60))
        shutil.rmtree(one.data_root, ignore_errors=True)


@pytest.fixture
def project(project: Path) -> Path:
    """Return a folder with an image and tests that wait until the daemon was restarted."""
    (project / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN echo built > /built\n", encoding="utf-8")
    (project / "test_it.py").write_text(TESTS, encoding="utf-8")
    return project


@pytest.mark.parametrize("way", [(), ("-n", "1")], ids=["alone", "worker"])
def test_a_daemon_that_restarts_between_two_commands_costs_no_test(
    way: tuple[str, ...], project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    run = start(*way)
    run.reach((project / "ready").exists)
    lab("restart")
    (project / "restarted").touch()
    assert run.end() == pytest.ExitCode.OK, run.output
    assert "4 passed" in run.output
    assert run.output.count(REVIVED) == 1
    nothing_is_left()


def test_a_daemon_that_is_gone_for_a_moment_is_waited_for(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    run = start()
    run.reach((project / "ready").exists)
    lab("halt")
    (project / "restarted").touch()
    run.reach(lambda: f"does not answer; waiting up to {LIMIT:.0f} s for it" in run.output)
    lab("start")
    assert run.end() == pytest.ExitCode.OK, run.output
    assert "4 passed" in run.output
    nothing_is_left()


def test_a_daemon_that_restarts_costs_the_test_whose_command_it_was_running(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    seconds = str(10**6 + secrets.randbelow(10**6))
    (project / "test_it.py").write_text(WORKS.replace("SECONDS", seconds) + TESTS, encoding="utf-8")
    run = start()
    run.reach(command("sleep", seconds))
    lab("restart")
    (project / "restarted").touch()
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 5 passed" in run.output
    assert "FAILED test_it.py::test_works" in run.output
    assert run.output.count(REVIVED) == 1
    nothing_is_left()


def test_a_daemon_that_does_not_come_back_ends_the_run_and_what_it_kept_goes_at_the_next(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    run = start()
    run.reach((project / "ready").exists)
    lab("halt")
    (project / "restarted").touch()
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in run.output
    assert "the Docker daemon does not answer" in run.output
    lab("start")  # from here on the watchdog may be faster than the next run, which is as well
    (project / "ready").unlink()
    again = start()
    assert again.end() == pytest.ExitCode.OK, again.output
    nothing_is_left()
