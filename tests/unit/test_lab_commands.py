from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import commands, daemons, environment, images, up
from lab.console import LabError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what the commands would have done, in order."""
    done: list[object] = []

    def prepare(bring_up: Callable[[], None]) -> None:
        bring_up()

    def become(command: list[str]) -> int:
        done.append(command)
        return 0

    monkeypatch.setattr(up, "up", done.append)
    monkeypatch.setattr(environment, "prepare", prepare)
    monkeypatch.setattr(environment, "become", become)
    return done


def test_run_passes_every_argument_through(calls: list[object]) -> None:
    command = ["pytest", "-h", "--multiarch-platforms=linux/amd64", "--", "--classic", "run", "-x"]
    assert commands.main(["run", *command]) == 0
    assert calls == [up.Wanted(images.DEFAULT_PLATFORMS), command]


def test_run_without_a_command_says_how_it_is_used(calls: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["run"]) == 2
    assert "lab run COMMAND" in capsys.readouterr().err
    assert commands.main(["run", "--help"]) == 0
    assert "lab run COMMAND" in capsys.readouterr().out
    assert calls == []


def test_up_takes_platforms_each_once_and_the_other_daemons(calls: list[object]) -> None:
    assert commands.main(["up", "--platforms", "linux/arm64, linux/amd64,linux/arm64", "--classic"]) == 0
    assert calls == [up.Wanted(("linux/arm64", "linux/amd64"), classic=True)]


def test_up_takes_all_platforms(calls: list[object]) -> None:
    assert commands.main(["up", "--all-platforms", "--newer"]) == 0
    assert calls == [up.Wanted(images.ALL_PLATFORMS, newer=True)]


@pytest.mark.parametrize("value", ["linux/vax", ",", "linux/amd64,linux"])
def test_a_platform_that_there_is_not_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        commands.main(["up", "--platforms", value])
    assert "there are linux/amd64" in capsys.readouterr().err


def test_a_failure_is_said_and_ends_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: up.Wanted) -> None:
        raise LabError("trying", "it broke", "mend it")

    monkeypatch.setattr(up, "up", fail)
    assert commands.main(["up"]) == 1
    assert capsys.readouterr().err == "lab: error: trying: it broke\nmend it\n"


def test_the_daemons_share_nothing() -> None:
    for field in ("name", "host", "pid_file", "data_root", "exec_root", "interface", "log", "record"):
        values = [getattr(daemon, field) for daemon in daemons.ALL]
        assert len(set(values)) == len(values), field


def test_only_what_was_asked_for_is_wanted() -> None:
    assert up.Wanted(()).daemons == (daemons.MAIN,)
    assert up.Wanted((), newer=True).daemons == (daemons.MAIN, daemons.NEWER)
    assert up.Wanted((), newer=True, classic=True, remote=True).daemons == daemons.ALL


def test_another_versions_programs_come_first() -> None:
    first = daemons.NEWER.path.split(":")[0]
    assert first == f"{daemons.NEWER.binaries}/usr/sbin"
