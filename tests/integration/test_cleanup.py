"""Nothing is left behind: not when the run is interrupted, not when it is killed, not when its watchdog is killed too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.ledger import FOLDER_PREFIX
from tests.integration.support import HEARING, Machine, docker
from tests.integration.test_main_job import run_pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAITING = "def test_it(platform_container):\n    print('\\nready', flush=True)\n    import time\n    time.sleep(300)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN echo built > /built\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(WAITING, encoding="utf-8")
    return tmp_path


@pytest.fixture
def start(project: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that starts a run and returns once its test waits, its containers up."""
    started: list[subprocess.Popen[str]] = []

    def go() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*HEARING, sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"],
            cwd=project,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line == "ready\n":
                return process
        pytest.fail(f"the run ended before its test waited:\n{''.join(seen)}")

    yield go
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.2)
    return condition()


def run_folder(pid: int) -> Path:
    for owner in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*/owner.json"):
        if json.loads(owner.read_text(encoding="utf-8"))["owner"]["pid"] == pid:
            return owner.parent
    pytest.fail(f"process {pid} has no folder")


def watchdog_of(folder: Path) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while we looked
        if b"pytest_multiarch.engine.watchdog" in words and str(folder).encode() in words:
            return int(entry.parent.name)
    pytest.fail(f"no watchdog for {folder}")


@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_during_a_test_leaves_nothing(start: Callable[[], subprocess.Popen[str]]) -> None:
    process = start()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 2


def test_a_killed_run_is_cleaned_up_by_its_watchdog(start: Callable[[], subprocess.Popen[str]]) -> None:
    before = Machine.now()
    process = start()
    assert Machine.now() != before
    process.kill()
    process.wait()
    assert until(lambda: Machine.now() == before, 15)


def test_a_killed_run_with_a_killed_watchdog_is_cleaned_up_by_the_next_run(
    start: Callable[[], subprocess.Popen[str]], project: Path
) -> None:
    before = Machine.now()
    process = start()
    os.kill(watchdog_of(run_folder(process.pid)), signal.SIGKILL)
    process.kill()
    process.wait()
    left = Machine.now()
    assert left.containers - before.containers
    (project / "test_it.py").write_text(
        "def test_it(platform_image):\n    assert platform_image.digest\n", encoding="utf-8"
    )
    assert run_pytest(project).returncode == 0
    assert Machine.now() == before


def test_a_run_that_lives_is_not_touched_by_another(start: Callable[[], subprocess.Popen[str]], project: Path) -> None:
    process = start()
    mine = {name for name in docker("ps", "--format", "{{.Names}}").splitlines() if f"-{process.pid}-" in name}
    assert len(mine) >= 2  # registry and warm container; the builder goes once all is built
    (project / "test_it.py").write_text(
        "def test_it(platform_image):\n    assert platform_image.digest\n", encoding="utf-8"
    )
    assert run_pytest(project).returncode == 0
    assert mine <= set(docker("ps", "--format", "{{.Names}}").splitlines())
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)
    assert not mine & set(docker("ps", "--all", "--format", "{{.Names}}").splitlines())
