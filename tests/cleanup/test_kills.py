"""What kill -9 leaves is gone seconds later without another run, and at the next run at the latest."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.cleanup.conftest import write
from tests.cleanup.runs import GONE, command, container, until
from tests.cleanup.test_endings import all_are_ready, sleeping
from tests.integration.support import Machine, docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cleanup.runs import Run

WAITING = "import time; time.sleep(600)"
BOTH_WORK = ("-n", "2")


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_while_the_builder_starts(start: Callable[..., Run], nothing_is_left: Callable[[], None]) -> None:
    run = start()
    run.reach(container("-registry"))
    kill(run.process.pid)
    run.end()
    nothing_is_left()


def test_while_it_builds(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    seconds = sleeping()
    write(project, step=f"sleep {seconds}")
    run = start(*way)
    run.reach(command("sleep", seconds))
    kill(run.process.pid)
    run.end()
    nothing_is_left()
    assert not command("sleep", seconds)()


def test_in_a_test(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    # With unpacked layers, which are many megabytes.
    write(project, beginning="assert platform_image.files.exists('/built')", ending=WAITING)
    run = start(*way)
    run.reach(all_are_ready(project, way))
    kill(run.process.pid)
    run.end()
    nothing_is_left()


def test_a_worker(project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]) -> None:
    write(project, ending=WAITING)
    run = start(*BOTH_WORK)
    run.reach(all_are_ready(project, BOTH_WORK))
    killed = run.workers()[0]
    assert container(f"-{killed}-")()
    kill(killed)
    assert until(lambda: not container(f"-{killed}-")(), GONE)
    run.interrupt()
    assert run.end() != pytest.ExitCode.OK
    nothing_is_left()


def test_controller_and_workers(project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]) -> None:
    write(project, ending=WAITING)
    run = start(*BOTH_WORK)
    run.reach(all_are_ready(project, BOTH_WORK))
    kill(run.process.pid, *run.workers())
    run.end()
    nothing_is_left()


def test_the_watchdogs_too(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    write(project, ending=WAITING)
    before = Machine.now()
    run = start(*way)
    run.reach(all_are_ready(project, way))
    watchdogs = run.watchdogs()
    assert watchdogs
    kill(*watchdogs, run.process.pid, *run.workers())
    run.end()
    assert Machine.now().containers - before.containers
    write(project)
    assert start().end() == pytest.ExitCode.OK
    nothing_is_left()


def test_another_run_is_not_touched(
    tmp_path: Path, project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    write(project, ending=WAITING)
    other = tmp_path / "other"
    shutil.copytree(project, other)
    killed, living = start(), start(folder=other)
    killed.reach(all_are_ready(project, ()))
    living.reach(all_are_ready(other, ()))
    theirs = {name for name in docker("ps", "--format", "{{.Names}}").splitlines() if f"-{living.process.pid}-" in name}
    assert len(theirs) >= 2  # registry and warm container; the builder goes once all is built
    kill(killed.process.pid)
    killed.end()
    living.reach(lambda: not container(f"-{killed.process.pid}-")())
    assert theirs <= set(docker("ps", "--format", "{{.Names}}").splitlines())
    assert "registry:2" in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    living.interrupt()
    assert living.end() == pytest.ExitCode.INTERRUPTED
    nothing_is_left()
