"""However a run ends by itself or is asked to end, it has taken everything with it."""

from __future__ import annotations

import os
import secrets
import signal
from typing import TYPE_CHECKING

import pytest

from tests.cleanup.conftest import write
from tests.cleanup.runs import command, container
from tests.integration.support import Machine, borrowed_images, docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cleanup.runs import Run


def sleeping() -> str:
    """Return how long to sleep, never the same twice: that command tells which build is running."""
    return str(10**6 + secrets.randbelow(10**6))


def all_are_ready(project: Path, way: tuple[str, ...]) -> Callable[[], bool]:
    """Return the moment at which each process of the run has come to its test."""
    return lambda: len(list(project.glob("ready-*"))) == (2 if way else 1)


def test_a_run_that_passes(
    start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    run = start(*way)
    assert run.end() == pytest.ExitCode.OK
    assert "2 passed" in run.output
    nothing_is_left()


def test_a_run_that_fails_and_ends_at_the_first_failure(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    write(project, ending="assert False")
    run = start(*way, "-x")
    assert run.end() in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    assert "assert False" in run.output
    nothing_is_left()


def test_a_file_that_cannot_be_collected(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    (project / "test_broken.py").write_text("raise RuntimeError\n", encoding="utf-8")
    assert start(*way).end() != pytest.ExitCode.OK
    assert way or not list(project.glob("ready-*"))  # pytest-xdist runs what it has collected
    nothing_is_left()
    run = start(*way, "--continue-on-collection-errors")
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in run.output
    nothing_is_left()


@pytest.mark.parametrize("part", ["-registry", "buildx_buildkit_multiarch-"])
def test_ctrl_c_while_registry_or_builder_start(
    start: Callable[..., Run], way: tuple[str, ...], part: str, nothing_is_left: Callable[[], None]
) -> None:
    run = start(*way)
    run.reach(container(part))
    run.interrupt()
    assert run.end() == pytest.ExitCode.INTERRUPTED
    nothing_is_left()


def test_ctrl_c_during_a_build(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    seconds = sleeping()
    write(project, step=f"sleep {seconds}")
    run = start(*way)
    run.reach(command("sleep", seconds))
    run.interrupt()
    assert run.end() == pytest.ExitCode.INTERRUPTED
    nothing_is_left()
    assert not command("sleep", seconds)()


def test_ctrl_c_during_a_test(
    project: Path, start: Callable[..., Run], way: tuple[str, ...], nothing_is_left: Callable[[], None]
) -> None:
    write(project, ending="import time; time.sleep(600)")
    run = start(*way)
    run.reach(all_are_ready(project, way))
    run.interrupt()
    assert run.end() == pytest.ExitCode.INTERRUPTED
    nothing_is_left()


def test_a_build_that_hangs_is_ended_at_its_time_limit(
    project: Path, start: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    seconds = sleeping()
    write(project, step=f"sleep {seconds}")
    run = start("--multiarch-build-timeout=10")
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "no end within 10 s" in run.output
    assert "--multiarch-build-timeout" in run.output
    nothing_is_left()
    assert not command("sleep", seconds)()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_pytest_at_once(
    project: Path,
    start: Callable[..., Run],
    way: tuple[str, ...],
    number: signal.Signals,
    nothing_is_left: Callable[[], None],
) -> None:
    seconds = sleeping()
    write(project, step=f"sleep {seconds}")
    run = start(*way)
    run.reach(command("sleep", seconds))
    os.killpg(run.process.pid, number)
    run.end()
    nothing_is_left()
    assert not command("sleep", seconds)()


def test_images_that_were_there_before_stay_also_where_the_registry_has_newer_ones(start: Callable[..., Run]) -> None:
    names = ("registry:2", "moby/buildkit:buildx-stable-1")
    with borrowed_images(*names):
        for name in names:
            docker("pull", "--quiet", name)
            container_id = docker("create", name)
            docker("commit", "--message", "another than the registry has", container_id, name)
            docker("rm", "--volumes", container_id)
        before = Machine.now()
        assert all(any(name in image for image in before.images) for name in names)
        assert start().end() == pytest.ExitCode.OK
        assert Machine.now() == before
