"""Real programs, run to their end, or to the end of their time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine import process
from pytest_multiarch.engine.process import run
from pytest_multiarch.errors import CommandTimeout, EngineUnavailable
from tests.unit.processes import is_running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.engine.process import Outcome

ENV = dict(os.environ)


def python(code: str, *args: str, limit: float = 30) -> Outcome:
    return run([sys.executable, "-c", code, *args], env=ENV, limit=limit)


@pytest.fixture
def quick_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE", 0.3)


@pytest.fixture
def pids() -> Iterator[list[int]]:
    """Give a list for process ids that are to be gone; whatever is left is ended."""
    found: list[int] = []
    yield found
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_both_outputs_are_kept_apart() -> None:
    outcome = run(["/bin/sh", "-c", "echo out; echo err >&2; echo more; exit 3"], env=ENV, limit=30)
    assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("out\nmore\n", "err", 3)
    assert outcome.args == ("/bin/sh", "-c", "echo out; echo err >&2; echo more; exit 3")
    assert 0 < outcome.seconds < 30


def test_a_signal_that_ends_the_program_is_a_negative_exit_code() -> None:
    assert run(["/bin/sh", "-c", "kill -9 $$"], env=ENV, limit=30).exit_code == -signal.SIGKILL


def test_paths_and_texts_are_arguments_and_no_shell_reads_them(tmp_path: Path) -> None:
    outcome = python("import sys; print(sys.argv[1:])", str(tmp_path / "a b"), "$HOME; *", "")
    assert outcome.stdout == f"{[str(tmp_path / 'a b'), '$HOME; *', '']}\n"


def test_the_environment_is_the_one_that_is_given() -> None:
    outcome = run(["/bin/sh", "-c", "echo $GIVEN$HOME"], env={"GIVEN": "yes", "PATH": ENV["PATH"]}, limit=30)
    assert outcome.stdout == "yes\n"


def test_the_path_of_that_environment_is_searched(tmp_path: Path) -> None:
    program = tmp_path / "some-program"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    assert run(["some-program"], env={"PATH": str(tmp_path)}, limit=30).stdout == "found\n"


def test_standard_input_is_empty() -> None:
    assert run(["/bin/sh", "-c", "cat; echo end"], env=ENV, limit=30).stdout == "end\n"


def test_bytes_that_are_no_text_are_replaced() -> None:
    outcome = run(["/bin/sh", "-c", r"printf 'a\377b'; printf 'c\377' >&2"], env=ENV, limit=30)
    assert (outcome.stdout, outcome.stderr) == ("a\ufffdb", "c\ufffd")


def test_lines_come_while_the_program_runs(tmp_path: Path) -> None:
    heard: list[str] = []
    answer = tmp_path / "answer"

    def hear(line: str) -> None:
        heard.append(line)
        answer.touch()

    # It prints its second line only once the first one has been heard.
    script = (
        f"echo first >&2; while [ ! -e '{answer}' ]; do sleep 0.02; done; printf 'sec' >&2; printf 'ond\\nlast' >&2"
    )
    outcome = run(["/bin/sh", "-c", script], env=ENV, limit=20, on_stderr_line=hear)
    assert heard == ["first", "second", "last"]
    assert outcome.stderr == "first\nsecond\nlast"


def test_lines_are_heard_in_the_calling_thread() -> None:
    threads: list[threading.Thread] = []
    run(
        ["/bin/sh", "-c", "echo a >&2"],
        env=ENV,
        limit=30,
        on_stderr_line=lambda _: threads.append(threading.current_thread()),
    )
    assert threads == [threading.current_thread()]


def test_characters_that_come_in_two_pieces_stay_whole(tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    # The first piece ends within a character; what is printed first on the other line shows that it was read alone.
    script = rf"printf 'x\n\303' >&2; while [ ! -e '{answer}' ]; do sleep 0.02; done; printf '\274\n' >&2"
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        answer.touch()

    run(["/bin/sh", "-c", script], env=ENV, limit=20, on_stderr_line=hear)
    assert heard == ["x", "ü"]


def test_much_output_on_one_side_while_the_other_is_silent_does_not_block() -> None:
    outcome = python("import sys; sys.stdout.write('x' * 5_000_000); sys.stderr.write('done')")
    assert (len(outcome.stdout), outcome.stderr) == (5_000_000, "done")


def test_much_output_on_both_sides_does_not_block() -> None:
    outcome = python(
        "import sys\nfor _ in range(200): sys.stderr.write('y' * 9_999 + '\\n'); sys.stdout.write('x' * 10_000)"
    )
    assert len(outcome.stdout) == 2_000_000
    assert len(outcome.stderr) == 2_000_000 - 1


def test_of_lines_that_were_heard_only_the_last_are_kept() -> None:
    heard: list[str] = []
    outcome = run(
        ["/bin/sh", "-c", "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo line $i >&2; done"],
        env=ENV,
        limit=30,
        on_stderr_line=heard.append,
    )
    assert len(heard) == 5000
    kept = outcome.stderr.split("\n")
    assert len(kept) <= 100
    assert kept[-1] == "line 5000"


def test_the_time_limit_ends_children_of_children_too(pids: list[int]) -> None:
    script = "sleep 600 & echo $! >&2; (sleep 600 & echo $! >&2; wait) & echo $! >&2; echo ready >&2; wait"

    def hear(line: str) -> None:
        if line.isdecimal():
            pids.append(int(line))

    with pytest.raises(CommandTimeout) as caught:
        run(["/bin/sh", "-c", script], env=ENV, limit=0.7, on_stderr_line=hear)
    assert len(pids) == 3
    wait_until(lambda: not any(map(is_running, pids)))
    assert caught.value.found == "no end within 1 s"
    assert "ready" in caught.value.detail.splitlines()  # the children print side by side


@pytest.mark.usefixtures("quick_grace")
def test_a_child_that_outlives_its_parent_and_ignores_the_first_signal_is_ended(pids: list[int]) -> None:
    # As a client whose plugin goes on: the first process is gone, the second holds the output open.
    script = "trap '' TERM; sleep 600 & echo $! >&2; exit 0"
    with pytest.raises(CommandTimeout):
        run(["/bin/sh", "-c", script], env=ENV, limit=0.3, on_stderr_line=lambda line: pids.append(int(line)))
    wait_until(lambda: not is_running(pids[0]))


@pytest.mark.usefixtures("quick_grace")
def test_a_child_that_left_the_group_cannot_hold_the_run_up(pids: list[int]) -> None:
    code = (
        "import os, sys, time\n"
        "if os.fork():\n    os._exit(0)\n"
        "os.setsid()\nprint(os.getpid(), file=sys.stderr, flush=True)\ntime.sleep(600)"
    )
    started = time.monotonic()
    with pytest.raises(CommandTimeout):
        run([sys.executable, "-c", code], env=ENV, limit=0.5, on_stderr_line=lambda line: pids.append(int(line)))
    assert time.monotonic() - started < 20
    assert is_running(pids[0])  # it was out of reach, and is the fixture's to end


def test_a_program_that_closes_its_output_and_goes_on_is_still_waited_for() -> None:
    outcome = run(["/bin/sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 4"], env=ENV, limit=30)
    assert outcome.exit_code == 4


@pytest.mark.usefixtures("quick_grace")
def test_a_program_that_closes_its_output_has_no_more_time_than_others(pids: list[int]) -> None:
    with pytest.raises(CommandTimeout):
        run(
            ["/bin/sh", "-c", "trap '' TERM; echo $$ >&2; exec >&- 2>&-; while :; do sleep 0.1; done"],
            env=ENV,
            limit=0.3,
            on_stderr_line=lambda line: pids.append(int(line)),
        )
    wait_until(lambda: not is_running(pids[0]))


def test_stopping_ends_the_program_early(pids: list[int]) -> None:
    stopping = threading.Event()

    def hear(line: str) -> None:
        pids.append(int(line))
        stopping.set()

    with pytest.raises(CommandTimeout) as caught:
        run(["/bin/sh", "-c", "echo $$ >&2; sleep 600"], env=ENV, limit=300, on_stderr_line=hear, stopping=stopping)
    assert caught.value.found.startswith("stopped after")
    assert caught.value.hint == ""
    wait_until(lambda: not is_running(pids[0]))


def test_an_event_that_is_never_set_changes_nothing() -> None:
    assert run(["/bin/sh", "-c", "exit 5"], env=ENV, limit=30, stopping=threading.Event()).exit_code == 5


def test_the_timeout_tells_what_was_run_and_what_it_printed_last() -> None:
    script = "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i >&2; done; exec sleep 600"
    with pytest.raises(CommandTimeout) as caught:
        run(["/bin/sh", "-c", script], env=ENV, limit=0.5)
    assert caught.value.tried.startswith("running /bin/sh -c i=0;")
    assert caught.value.detail.split("\n") == [f"line {number}" for number in range(11, 31)]
    assert "--multiarch-build-timeout" in caught.value.hint


def test_an_error_of_the_listener_ends_the_program_and_comes_through(pids: list[int]) -> None:
    class Broken(Exception):
        pass

    def hear(line: str) -> None:
        pids.append(int(line))
        raise Broken

    with pytest.raises(Broken):
        run(["/bin/sh", "-c", "echo $$ >&2; sleep 600"], env=ENV, limit=300, on_stderr_line=hear)
    wait_until(lambda: not is_running(pids[0]))


def test_a_missing_program_is_named() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        run(["no-such-program", "x"], env=ENV, limit=30)
    assert caught.value.headline == "running no-such-program: there is no such program on PATH"
    assert "docker" in caught.value.hint


def test_a_program_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    with pytest.raises(EngineUnavailable, match=r"running docker: Permission denied"):
        run(["docker"], env={"PATH": str(tmp_path)}, limit=30)


def test_ctrl_c_at_the_terminal_does_not_reach_the_program() -> None:
    # The terminal signals the foreground process group: the program must be in another.
    outcome = python("import os; print(os.getpgrp(), os.getsid(0))")
    group, session = map(int, outcome.stdout.split())
    assert group != os.getpgrp()
    assert session != os.getsid(0)


def test_no_descriptors_are_left_open() -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list a process's open files")
    run(["/bin/sh", "-c", "true"], env=ENV, limit=30)
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - one call, so that the listing's own descriptor is the same
    run(["/bin/sh", "-c", "true"], env=ENV, limit=30)
    with suppress(EngineUnavailable):
        run(["no-such-program"], env=ENV, limit=30)
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_the_helper_tells_a_running_process_from_an_ended_one() -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as one:
        assert is_running(one.pid)
        one.kill()
        wait_until(lambda: not is_running(one.pid))
