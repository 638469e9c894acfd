"""The process that outlives a test run: real processes, a daemon's API in this one."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.ledger import Ledger
from pytest_multiarch.engine.watchdog import Watchdog
from tests.unit.fake_engine_api import Answer, FakeEngineApi
from tests.unit.processes import is_running, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A run that starts a container, says where its folder is, and then goes on for ever. The arguments: the daemon, and lines to
# run before and after the watchdog is started.
RUN = """
import os, sys, time
from pytest_multiarch.engine.ledger import Ledger
from pytest_multiarch.engine.watchdog import Watchdog
host, before, after = sys.argv[1:]
ledger = Ledger.open_new({"DOCKER_HOST": host})
ledger.add("container", "c")
ledger.add("volume", "v")
exec(before)
watchdog = Watchdog(ledger.folder)
exec(after)
print(ledger.folder, watchdog._process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    # Any run that begins meanwhile sweeps the dead ones that it finds in its folder for temporary files.
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        yield fake


@pytest.fixture
def ledger(api: FakeEngineApi) -> Iterator[Ledger]:
    opened = Ledger.open_new({"DOCKER_HOST": api.url})
    opened.add("container", "c")
    yield opened
    opened.remove_folder()


class Run:
    """A test run in a process of its own."""

    def __init__(self, api: FakeEngineApi, before: str, after: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, api.url, before, after],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        self.folder, self.watchdog = Path(line[0]), int(line[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def start(api: FakeEngineApi) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start_run(before: str = "", after: str = "") -> Run:
        runs.append(Run(api, before, after))
        return runs[-1]

    yield start_run
    for run in runs:
        run.kill()
        assert run.process.stdout is not None
        run.process.stdout.close()
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)
        wait_until(lambda run=run: not is_running(run.watchdog))  # type: ignore[misc]  # mypy cannot type the default
        Ledger(run.folder, "").remove_folder()


def test_what_a_killed_run_had_started_is_removed(start: Callable[..., Run], api: FakeEngineApi) -> None:
    run = start()
    assert api.deleted == []
    run.kill()
    wait_until(lambda: not run.folder.exists())
    assert api.deleted == ["/containers/c", "/volumes/v"] * 3  # what the run had asked for may come up after its death
    wait_until(lambda: not is_running(run.watchdog))


def test_a_run_that_ends_without_a_word_is_swept_too(start: Callable[..., Run], api: FakeEngineApi) -> None:
    run = start(after="os.write(1, f'{ledger.folder} {watchdog._process.pid}\\n'.encode()); os._exit(0)")
    wait_until(lambda: not run.folder.exists())
    assert set(api.deleted) == {"/containers/c", "/volumes/v"}


def test_a_forked_child_that_holds_the_pipe_open_does_not_keep_it_from_sweeping(
    start: Callable[..., Run], api: FakeEngineApi
) -> None:
    run = start(after="if not os.fork():\n    time.sleep(600)")
    run.kill()
    wait_until(lambda: not run.folder.exists())
    assert set(api.deleted) == {"/containers/c", "/volumes/v"}


def test_modules_among_the_tests_do_not_stand_for_pythons_own(
    start: Callable[..., Run], api: FakeEngineApi, tmp_path: Path
) -> None:
    for name in ("secrets", "select", "json", "docker", "requests"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('this is of the tests')\n")
    # As pytest does with the folder of a conftest.py.
    run = start(before=f"sys.path.insert(0, {str(tmp_path)!r})")
    run.kill()
    wait_until(lambda: not run.folder.exists())
    assert set(api.deleted) == {"/containers/c", "/volumes/v"}


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system has no /proc")
def test_it_looks_for_modules_where_the_run_does_also_from_another_folder(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    run = start(before=f"os.chdir({str(tmp_path)!r}); sys.path.append('vendored')")
    words = Path(f"/proc/{run.watchdog}/cmdline")
    wait_until(words.read_bytes)  # empty while the program is being loaded
    assert str(tmp_path / "vendored").encode() in words.read_bytes().split(b"\0")
    assert run.process.poll() is None


def test_it_tries_again_while_something_is_left(start: Callable[..., Run], api: FakeEngineApi) -> None:
    api.on("DELETE", "/volumes/v", Answer(409, json={"message": "volume is in use"}), Answer(204))
    run = start()
    run.kill()
    wait_until(lambda: not run.folder.exists())
    assert api.deleted.count("/volumes/v") > 1


def test_what_it_cannot_remove_it_leaves_in_the_book(start: Callable[..., Run], api: FakeEngineApi) -> None:
    api.on("DELETE", "/volumes/v", Answer(409, json={"message": "volume is in use"}))
    run = start()
    run.kill()
    wait_until(lambda: not is_running(run.watchdog))
    assert [owned.name for owned in Ledger(run.folder, "").entries()] == ["v"]


def test_dismissed_it_goes_and_touches_nothing(ledger: Ledger, api: FakeEngineApi) -> None:
    watchdog = Watchdog(ledger.folder)
    watchdog.dismiss()
    assert watchdog._process.returncode == 0
    assert api.seen == []
    assert len(ledger.entries()) == 1


def test_dismissing_one_that_was_killed_is_no_error(ledger: Ledger) -> None:
    watchdog = Watchdog(ledger.folder)
    watchdog._process.kill()
    os.waitid(os.P_PID, watchdog._process.pid, os.WEXITED | os.WNOWAIT)
    watchdog.dismiss()
    assert watchdog._process.returncode == -signal.SIGKILL


def test_one_that_does_not_go_is_ended(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog(ledger.folder)
    os.kill(watchdog._process.pid, signal.SIGSTOP)
    monkeypatch.setattr("pytest_multiarch.engine.watchdog._PATIENCE", 0.3)
    watchdog.dismiss()
    assert watchdog._process.returncode == -signal.SIGKILL


def test_abandoned_it_sweeps(ledger: Ledger, api: FakeEngineApi) -> None:
    Watchdog(ledger.folder).abandon()
    wait_until(lambda: not ledger.folder.exists())
    assert set(api.deleted) == {"/containers/c"}


def test_abandoning_it_leaves_no_warning_behind(ledger: Ledger) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watchdog = Watchdog(ledger.folder)
        watchdog.abandon()
        pid = watchdog._process.pid
        del watchdog
        gc.collect()
    assert [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)] == []
    os.waitpid(pid, 0)


def ignored_signals(pid: int) -> set[int]:
    """Return the signals that a process ignores (SigIgn in /proc/PID/status, proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            mask = int(line.split()[1], 16)
            return {number for number in range(1, 65) if mask >> (number - 1) & 1}
    return set()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_ctrl_c_a_closed_terminal_and_sigterm_do_not_end_it(ledger: Ledger, api: FakeEngineApi) -> None:
    watchdog = Watchdog(ledger.folder)
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    wait_until(lambda: numbers <= ignored_signals(watchdog._process.pid))
    for number in numbers:
        os.kill(watchdog._process.pid, number)
    assert watchdog._process.poll() is None
    assert os.getsid(watchdog._process.pid) != os.getsid(0)
    watchdog.dismiss()
    assert watchdog._process.returncode == 0
    assert api.seen == []


def test_it_keeps_no_folder_of_the_users_busy(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = Path("/proc/self/cwd")
    if not link.exists():
        pytest.skip("this system has no /proc")
    monkeypatch.chdir(tmp_path)
    watchdog = Watchdog(ledger.folder)
    assert Path(f"/proc/{watchdog._process.pid}/cwd").readlink() == Path("/")
    watchdog.dismiss()
