from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lab import pids

if TYPE_CHECKING:
    from pathlib import Path


def add_process(proc: Path, pid: int, name: str, *, state: str = "S", started: int = 4711) -> None:
    fields = [state, *["0"] * 18, str(started), "0"]  # fields 3 to 23 of proc_pid_stat(5)
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")


def test_a_process_is_known_by_its_id_its_start_and_its_program(tmp_path: Path) -> None:
    add_process(tmp_path, 12, "dockerd", started=99)
    assert pids.look_up(12, tmp_path) == pids.Process(12, 99, "dockerd")


def test_a_program_name_may_hold_brackets_and_spaces(tmp_path: Path) -> None:
    add_process(tmp_path, 12, "a) S 1 (b", started=99)
    assert pids.look_up(12, tmp_path) == pids.Process(12, 99, "a) S 1 (b")


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_has_ended_and_waits_for_its_parent_is_none(tmp_path: Path, state: str) -> None:
    add_process(tmp_path, 12, "dockerd", state=state)
    assert pids.look_up(12, tmp_path) is None


def test_a_pid_file_of_the_running_program_is_left(tmp_path: Path) -> None:
    add_process(tmp_path / "proc", 12, "dockerd")
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text("12")
    assert not pids.remove_if_stale(pid_file, "dockerd", tmp_path / "proc")
    assert pid_file.exists()


@pytest.mark.parametrize("content", ["12", "13", "", "no number"], ids=["stranger", "nobody", "empty", "text"])
def test_a_pid_file_that_names_no_such_program_is_removed(tmp_path: Path, content: str) -> None:
    add_process(tmp_path / "proc", 12, "postgres")
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(content)
    assert pids.remove_if_stale(pid_file, "dockerd", tmp_path / "proc")
    assert not pid_file.exists()


def test_a_missing_pid_file_is_nothing_to_remove(tmp_path: Path) -> None:
    assert not pids.remove_if_stale(tmp_path / "docker.pid", "dockerd", tmp_path)


def test_a_long_program_name_is_compared_as_the_kernel_keeps_it(tmp_path: Path) -> None:
    add_process(tmp_path / "proc", 12, "containerd-shim")
    pid_file = tmp_path / "shim.pid"
    pid_file.write_text("12\n")
    assert pids.holder(pid_file, "containerd-shim-runc-v2", tmp_path / "proc") is not None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_ignores_the_request_is_killed() -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process = pids.look_up(child.pid)
        assert process is not None
        pids.stop(process, timeout=0.1)
        assert child.wait(timeout=10) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_took_the_id_of_another_is_left_alone() -> None:
    me = pids.look_up(os.getpid())
    assert me is not None
    pids.stop(pids.Process(me.pid, me.started - 1, me.program), timeout=1)
