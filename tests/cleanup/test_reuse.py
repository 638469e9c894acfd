"""Runs that ask for it leave what the next one goes on with, however they end, and nothing besides; `prune` takes that too."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cleanup.conftest import write
from tests.cleanup.runs import GONE, container, until
from tests.cleanup.test_endings import all_are_ready
from tests.integration.support import Machine, docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cleanup.runs import Run

REUSE = "--multiarch-reuse"
WAITING = "import time; time.sleep(600)"
UNCHANGED = "nothing has changed, not built again"
KEPT = re.compile(r"/(?:buildx_buildkit_)?(multiarch-kept-[0-9a-f]{12})-(?:builder0|registry)")
CACHE = re.compile(r"buildx_buildkit_multiarch-kept-[0-9a-f]{12}-builder0_state|[0-9a-f]{64}")
IMAGES = re.compile(r"sha256:[0-9a-f]{64} (?:registry|moby/buildkit|127\.0\.0\.1:1/buildkit|localhost:\d+/.+)[:@].+")


@dataclass(frozen=True)
class Promise:
    """Hold the machine as it was before, against what the option promises to keep."""

    state: Path
    before: Machine

    def is_kept(self) -> bool:
        """Say whether registry, builder and cache are there, and nothing else is."""
        now = Machine.now()
        return (
            sorted(KEPT.sub(r"\1", name) for name in now.containers - self.before.containers) == [*self._names()] * 2
            and len(now.volumes - self.before.volumes) == 2
            and all(CACHE.fullmatch(name) for name in now.volumes - self.before.volumes)
            and all(IMAGES.fullmatch(image) for image in now.images - self.before.images)
            and self._without_what_is_kept(now) == self._without_what_is_kept(self.before)
            and not files()
        )

    def check_kept(self) -> None:
        """Hold the machine against the promise, once what was killed has been swept up."""
        until(self.is_kept, GONE)
        assert self.is_kept(), (Machine.now(), files())
        self._check_private()

    def check_pruned(self) -> None:
        """Prune, and hold the machine against what it was."""
        done = prune()
        assert done.returncode == 0, done.stdout + done.stderr
        assert Machine.now() == self.before
        assert not files()
        assert not list(self.state.glob("*/*"))

    def containers(self) -> dict[str, str]:
        """Return the ids of registry and builder, by their names."""
        lines = docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines()
        return dict(line.split() for line in lines if KEPT.fullmatch(f"/{line.split()[0]}"))

    def _names(self) -> Iterator[str]:
        for folder in self.state.glob("*/*"):
            yield f"multiarch-kept-{folder.name}"

    def _without_what_is_kept(self, machine: Machine) -> tuple[object, ...]:
        old = self.before
        gone = (old.containers - machine.containers, old.volumes - machine.volumes, old.images - machine.images)
        return gone, machine.networks, machine.files, machine.processes, machine.docker_folder

    def _check_private(self) -> None:
        """Nobody else comes to what is written down, and what opens the registry is for its owner even so."""
        (folder,) = self.state.glob("*/*")
        for private in (folder, folder / "registry.json"):
            assert not stat.S_IMODE(private.stat().st_mode) & 0o077, private
        assert not list(folder.rglob("*.new"))


def prune() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_multiarch", "prune"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def files() -> list[str]:
    return [path.name for path in Path(tempfile.gettempdir()).iterdir() if not path.name.startswith("pytest-of-")]


@pytest.fixture
def promise(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Promise]:
    """Return what the option promises, in a state folder of the test's own; the build reads nothing that a run changes."""
    (project / ".dockerignore").write_text("*\n", encoding="utf-8")
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    yield Promise(state, Machine.now())
    prune()


@pytest.fixture
def reuse(promise: Promise, start: Callable[..., Run]) -> Callable[..., Run]:
    """Return a function that starts a run that reuses; all that it has started ends before what is kept is pruned."""
    assert promise.state.is_absolute()  # read by pytest and by prune, wherever they run
    return lambda *args: start(REUSE, *args)


@pytest.fixture
def goes_on(project: Path, reuse: Callable[..., Run], way: tuple[str, ...], promise: Promise) -> Callable[[], None]:
    """Return a function that holds the machine against the promise, now and after a next run, which has to go on with it."""

    def check() -> None:
        promise.check_kept()
        kept = promise.containers()
        write(project)
        again = reuse(*way)
        assert again.end() == pytest.ExitCode.OK, again.output
        assert "2 passed" in again.output
        assert UNCHANGED in again.output
        assert promise.containers() == kept
        promise.check_kept()
        promise.check_pruned()

    return check


def test_a_run_that_passes(reuse: Callable[..., Run], way: tuple[str, ...], goes_on: Callable[[], None]) -> None:
    run = reuse(*way)
    assert run.end() == pytest.ExitCode.OK, run.output
    assert UNCHANGED not in run.output
    goes_on()


def test_ctrl_c_during_a_test(
    project: Path, reuse: Callable[..., Run], way: tuple[str, ...], goes_on: Callable[[], None]
) -> None:
    write(project, ending=WAITING)
    run = reuse(*way)
    run.reach(all_are_ready(project, way))
    run.interrupt()
    assert run.end() == pytest.ExitCode.INTERRUPTED
    goes_on()


def test_kill_9_in_a_test(
    project: Path, reuse: Callable[..., Run], way: tuple[str, ...], goes_on: Callable[[], None]
) -> None:
    write(project, beginning="assert platform_image.files.exists('/built')", ending=WAITING)
    run = reuse(*way)
    run.reach(all_are_ready(project, way))
    os.kill(run.process.pid, signal.SIGKILL)
    run.end()
    goes_on()


@pytest.mark.parametrize("part", ["-registry", "buildx_buildkit_multiarch-kept-"])
def test_kill_9_while_registry_or_builder_start(
    reuse: Callable[..., Run], part: str, nothing_is_left: Callable[[], None], promise: Promise
) -> None:
    run = reuse()
    run.reach(container(part))
    os.kill(run.process.pid, signal.SIGKILL)
    run.end()
    again = reuse()
    assert again.end() == pytest.ExitCode.OK, again.output
    promise.check_kept()
    promise.check_pruned()
    nothing_is_left()


def test_two_runs_at_once_one_of_which_is_killed(
    project: Path, reuse: Callable[..., Run], way: tuple[str, ...], promise: Promise, goes_on: Callable[[], None]
) -> None:
    write(project, ending=f"if not Path('go-on').exists(): {WAITING}")
    killed = reuse(*way)
    killed.reach(all_are_ready(project, way))
    kept = promise.containers()
    (project / "go-on").touch()
    living = reuse(*way)
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.end()
    assert living.end() == pytest.ExitCode.OK, living.output
    assert promise.containers() == kept
    goes_on()


def test_what_a_run_uses_is_not_pruned(project: Path, reuse: Callable[..., Run], promise: Promise) -> None:
    write(project, ending="while not Path('go-on').exists(): import time; time.sleep(0.05)")
    run = reuse()
    run.reach(all_are_ready(project, ()))
    kept = promise.containers()
    refused = prune()
    assert refused.returncode != 0
    assert f"what is kept for {project} is in use by a run" in refused.stdout + refused.stderr
    assert promise.containers() == kept
    (project / "go-on").touch()
    assert run.end() == pytest.ExitCode.OK, run.output
    promise.check_kept()
    promise.check_pruned()


def test_images_that_are_shared_with_a_run_that_keeps_nothing_go_with_whoever_is_the_last(
    project: Path, start: Callable[..., Run], reuse: Callable[..., Run], promise: Promise
) -> None:
    write(project, ending="while not Path('go-on').exists(): import time; time.sleep(0.05)")
    other = start()
    other.reach(all_are_ready(project, ()))  # it was the first to pull what registry and builder are made of
    (project / "ready-1").unlink()
    run = reuse()
    run.reach(all_are_ready(project, ()))
    (project / "go-on").touch()
    assert run.end() == pytest.ExitCode.OK, run.output
    assert other.end() == pytest.ExitCode.OK, other.output
    promise.check_kept()
    promise.check_pruned()


def test_what_is_pruned_under_a_run_that_keeps_nothing_goes_with_that_run(
    project: Path, start: Callable[..., Run], reuse: Callable[..., Run], nothing_is_left: Callable[[], None]
) -> None:
    assert reuse().end() == pytest.ExitCode.OK
    for ready in project.glob("ready-*"):
        ready.unlink()
    write(project, ending="while not Path('go-on').exists(): import time; time.sleep(0.05)")
    other = start()
    other.reach(all_are_ready(project, ()))
    assert prune().returncode == 0
    (project / "go-on").touch()
    assert other.end() == pytest.ExitCode.OK, other.output
    nothing_is_left()
