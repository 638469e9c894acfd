"""The book of what a run has started: on disk, for another process to read."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.ledger import Ledger, Owned, Owner, abandoned_runs, boot_id, open_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator

has_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.open_new({"DOCKER_HOST": "unix:///some.sock"})


def abandon(ledger: Ledger, **changes: object) -> Path:
    """Make a run look as if another process had left it: one that has the id of this one and started at another time."""
    path = ledger.folder / "owner.json"
    said = json.loads(path.read_text())
    said["owner"] = {**said["owner"], "started": "1", **changes}
    path.write_text(json.dumps(said))
    return ledger.folder


def test_entries_come_newest_first(ledger: Ledger) -> None:
    added = [ledger.add("container", "a"), ledger.add("volume", "b"), ledger.add("image", "c")]
    assert ledger.entries() == tuple(reversed(added))
    assert added[0] == Owned("container", "a")


def test_what_is_struck_is_gone(ledger: Ledger) -> None:
    first, second = ledger.add("container", "a"), ledger.add("container", "b")
    ledger.strike(first)
    assert ledger.entries() == (second,)


def test_what_was_never_written_may_be_struck(ledger: Ledger) -> None:
    ledger.strike(Owned("volume", "x"))
    assert ledger.entries() == ()


def test_the_same_name_is_another_thing_as_another_kind_or_elsewhere(ledger: Ledger) -> None:
    entries = [ledger.add("container", "a"), ledger.add("volume", "a"), ledger.add("container", "a", "ssh://node")]
    ledger.strike(entries[0])
    assert set(ledger.entries()) == set(entries[1:])


def test_adding_twice_and_striking_once_leaves_nothing(ledger: Ledger) -> None:
    ledger.add("image", "a")
    ledger.strike(ledger.add("image", "a"))
    assert ledger.entries() == ()


def test_a_name_comes_back_as_it_was_written(ledger: Ledger) -> None:
    name = 'odd "name" \\ with\nline ends, ünïcödé and \u2028'
    ledger.add("image", name)
    assert [owned.name for owned in ledger.entries()] == [name]


def test_another_process_reads_what_this_one_wrote(ledger: Ledger) -> None:
    ledger.add("container", "a")
    assert Ledger(ledger.folder, ledger.run_id).entries() == ledger.entries() != ()


def test_many_writers_lose_nothing(ledger: Ledger) -> None:
    books = [ledger, Ledger(ledger.folder, ledger.run_id)]
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        book = books[number % 2]
        barrier.wait(10)
        for step in range(50):
            owned = book.add("container", f"{number}-{step}")
            if step % 2:
                book.strike(owned)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [owned.name for owned in ledger.entries()]
    assert sorted(names) == sorted(f"{number}-{step}" for number in range(8) for step in range(0, 50, 2))


@pytest.mark.parametrize(
    "tail", [b'["+", "contai', b"[", b"\x00\x00\xff\xfe", b"7\n", b'["+"]\n', b"null\n", b"{}\n"], ids=repr
)
def test_a_line_that_was_not_finished_is_passed_over(ledger: Ledger, tail: bytes) -> None:
    owned = ledger.add("container", "a")
    with (ledger.folder / "ledger.jsonl").open("ab") as book:
        book.write(tail)
    assert ledger.entries() == (owned,)


def test_the_folder_and_what_is_in_it_are_the_owners_alone(ledger: Ledger) -> None:
    ledger.add("container", "a")
    assert stat.S_IMODE(ledger.folder.stat().st_mode) == 0o700
    assert {path.name for path in ledger.folder.iterdir()} == {"owner.json", "ledger.jsonl"}


def test_each_run_has_a_folder_and_names_of_its_own(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger.open_new({})
    assert ledger.folder != other.folder
    assert ledger.folder.parent == tmp_path
    assert ledger.prefix != other.prefix
    assert ledger.labels != other.labels


def test_names_say_which_run_process_and_boot_they_belong_to(ledger: Ledger) -> None:
    _, run, pid, boot = ledger.prefix.split("-")
    assert (run, pid, boot) == (ledger.run_id, str(os.getpid()), boot_id()[:8])
    assert ledger.labels == {"org.pytest-multiarch.run": ledger.run_id}


def test_no_name_is_given_twice(ledger: Ledger) -> None:
    names = [ledger.new_name("run"), ledger.new_name("run"), ledger.new_name("warm")]
    assert len(set(names)) == 3
    assert all(name.startswith(ledger.prefix) for name in names)


def test_removing_the_folder_takes_all_of_it(ledger: Ledger) -> None:
    (ledger.folder / "sub").mkdir()
    (ledger.folder / "sub" / "file").touch()
    ledger.remove_folder()
    assert not ledger.folder.exists()
    ledger.remove_folder()


def test_this_process_is_alive() -> None:
    assert Owner.current().is_alive


@has_proc
def test_a_process_of_an_earlier_boot_is_not() -> None:
    assert not replace(Owner.current(), boot="0" * 36).is_alive


@has_proc
def test_another_process_with_the_same_id_is_not() -> None:
    assert not replace(Owner.current(), started="1").is_alive


def test_a_process_that_has_ended_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    assert not replace(Owner.current(), pid=child.pid).is_alive


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """Give a process that says who it is and then waits for its input to close."""
    code = (
        "import sys; from dataclasses import astuple; from pytest_multiarch.engine.ledger import Owner\n"
        "print(*astuple(Owner.current()), sep='\\n', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def owner_of(child: subprocess.Popen[str]) -> Owner:
    assert child.stdout is not None
    pid, started, boot = (child.stdout.readline().rstrip("\n") for _ in range(3))
    return Owner(int(pid), started, boot)


@has_proc
def test_another_process_is_alive_until_it_ends_even_if_nobody_waits_for_it(child: subprocess.Popen[str]) -> None:
    owner = owner_of(child)
    assert owner.pid == child.pid
    assert owner.is_alive
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still in the table
    os.kill(child.pid, 0)
    assert not owner.is_alive


def test_a_process_that_may_not_be_signalled_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert Owner.current().is_alive


@has_proc
def test_a_program_with_blanks_and_parentheses_in_its_name_is_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        try:
            alive = Owner(process.pid, "no such time", boot_id())
            stat_line = Path(f"/proc/{process.pid}/stat").read_text()
            assert "a) R 1 (b" in stat_line
            # Field 22, counted from behind the last parenthesis, which ends field 2 (proc(5)).
            started = stat_line[stat_line.rindex(")") + 2 :].split(" ")[22 - 3]
            assert not alive.is_alive
            assert replace(alive, started=started).is_alive
        finally:
            process.kill()


@has_proc
def test_a_run_whose_process_is_gone_is_found_with_its_daemon(ledger: Ledger) -> None:
    owned = ledger.add("volume", "v")
    abandon(ledger)
    (run,) = abandoned_runs()
    assert run.ledger.folder == ledger.folder
    assert run.ledger.run_id == ledger.run_id
    assert run.ledger.entries() == (owned,)
    assert run.environ == {"DOCKER_HOST": "unix:///some.sock"}


def test_a_run_whose_process_lives_is_left_alone(ledger: Ledger) -> None:
    assert list(abandoned_runs()) == []
    assert open_abandoned(ledger.folder) is None


def test_its_watchdog_opens_it_nevertheless(ledger: Ledger) -> None:
    run = open_abandoned(ledger.folder, even_if_alive=True)
    assert run is not None
    assert run.ledger.run_id == ledger.run_id


@has_proc
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o707, 0o720])
def test_a_folder_that_others_can_open_is_not_believed(ledger: Ledger, mode: int) -> None:
    folder = abandon(ledger)
    assert open_abandoned(folder) is not None
    folder.chmod(mode)
    assert open_abandoned(folder) is None
    assert open_abandoned(folder, even_if_alive=True) is None


@has_proc
def test_a_folder_of_another_user_is_not_believed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = abandon(ledger)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert open_abandoned(folder) is None


@has_proc
def test_a_link_to_a_folder_is_not_believed(ledger: Ledger, tmp_path: Path) -> None:
    folder = abandon(ledger)
    link = tmp_path / "pytest-multiarch-link"
    link.symlink_to(folder)
    assert open_abandoned(link) is None


@pytest.mark.parametrize(
    "owner",
    [
        None,
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"owner": 1}',
        '{"owner": {"pid": "x", "started": "", "boot": ""}, "run": "r", "environ": {}}',
        '{"owner": {"pid": 1, "started": "", "boot": "x"}, "run": "r", "environ": []}',
        b"\xff",
    ],
)
def test_a_folder_that_was_being_made_is_passed_over(ledger: Ledger, owner: str | bytes | None) -> None:
    path = ledger.folder / "owner.json"
    path.unlink()
    if owner is not None:
        path.write_bytes(owner if isinstance(owner, bytes) else owner.encode())
    assert open_abandoned(ledger.folder, even_if_alive=True) is None
    assert list(abandoned_runs()) == []


def test_a_folder_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    assert open_abandoned(tmp_path / "pytest-multiarch-gone") is None


def test_a_file_of_that_name_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "pytest-multiarch-file"
    path.touch(0o600)
    assert list(abandoned_runs()) == []
