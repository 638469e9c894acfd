"""Pruning what a run has left whose process and watchdog were both killed: by its book, and by its names where that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.support import Machine
from tests.integration.test_cleanup import WAITING, run_folder, watchdog_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def killed_run(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that leaves all that a run has, and gives the folder with the run's book."""

    def leave() -> Path:
        (tmp_path / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN echo built > /built\n", encoding="utf-8")
        (tmp_path / "test_it.py").write_text(WAITING, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            heard = []
            for line in process.stdout:
                heard.append(line)
                if line == "ready\n":
                    break
            else:
                pytest.fail(f"the run ended before its test waited:\n{''.join(heard)}")
            folder = run_folder(process.pid)
            os.kill(watchdog_of(folder), signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        return folder

    return leave


def prune(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest_multiarch", "prune", *args],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_what_a_dead_run_has_written_down_is_removed(killed_run: Callable[[], Path]) -> None:
    before = Machine.now()
    killed_run()
    left = Machine.now()
    dry = prune("--dry-run")
    assert dry.returncode == 0, dry.stderr
    for name in left.containers - before.containers:
        assert f"would remove container {name.removeprefix('/')}" in dry.stdout
    assert Machine.now() == left
    assert prune().returncode == 0
    assert before.later() == before


def test_what_has_no_book_any_more_goes_by_its_name_with_all(killed_run: Callable[[], Path], tmp_path: Path) -> None:
    before = Machine.now()
    folder = killed_run()
    hidden = tmp_path / "hidden"
    folder.rename(hidden)
    left = Machine.now()
    assert left.containers - before.containers
    assert prune().returncode == 0
    assert Machine.now() == left
    done = prune("--all")
    assert done.returncode == 0, done.stderr
    after = Machine.now()
    assert (after.containers, after.volumes, after.files) == (before.containers, before.volumes, before.files)
    hidden.rename(folder)  # the images are in the book alone
    assert prune().returncode == 0
    assert before.later() == before
