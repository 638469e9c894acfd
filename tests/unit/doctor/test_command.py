"""The doctor's command line, with made-up checks: its lines, its JSON, its exit code, and the commands' table."""

from __future__ import annotations

import json
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch import __main__ as commands
from pytest_multiarch.engine.doctor import command
from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.platforms import Platform

OK = Check("docker", "ok", "Engine 26", facts={"version": "26"})
WARNING = Check("mirrors", "warning", "no answer\x1b[2J from it", "Start it.\nOr take it out.")
FAILURE = Check.of_error("buildx", EngineError("running it", "too old", "Upgrade it."))


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return a function that makes these checks be found, and gives what was asked for."""

    def find(*checks: Check, is_slow: bool = False) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def examined(
            options: EngineOptions, platforms: tuple[Platform, ...], working: Callable[[str], None]
        ) -> Iterator[Check]:
            asked.update(options=options, platforms=[str(platform) for platform in platforms])
            for check in checks:
                working(f"looking at {check.name}")
                for thread in threading.enumerate() if is_slow else ():
                    if isinstance(thread, threading.Timer):
                        thread.join(30)
                yield check

        monkeypatch.setattr(command, "examine", examined)
        return asked

    return find


def test_each_check_is_a_line_with_what_to_do_below(
    examine: Callable[..., object], capsys: pytest.CaptureFixture[str]
) -> None:
    examine(OK, WARNING)
    assert command.main([]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["ok", "docker", "Engine", "26"],
        ["warning", "mirrors", "no", "answer", "from", "it"],
        ["Start", "it."],
        ["Or", "take", "it", "out."],
        ["2", "checks,", "0", "failures,", "1", "warnings"],
    ]


def test_a_failure_is_exit_code_1(examine: Callable[..., object], capsys: pytest.CaptureFixture[str]) -> None:
    examine(OK, FAILURE)
    assert command.main([]) == 1
    assert "failure  buildx                 running it: too old\n" in capsys.readouterr().out


def test_json_is_one_document(examine: Callable[..., object], capsys: pytest.CaptureFixture[str]) -> None:
    examine(OK, FAILURE)
    assert command.main(["--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert document["checks"][0] == {
        "name": "docker",
        "status": "ok",
        "summary": "Engine 26",
        "hint": "",
        "facts": {"version": "26"},
    }
    assert document["checks"][1]["hint"] == "Upgrade it."


def test_what_takes_long_is_told_apart_from_what_was_found(
    examine: Callable[..., object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE", 0.01)
    examine(OK, is_slow=True)
    assert command.main(["--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == "doctor: looking at docker …\n"
    assert json.loads(captured.out)["ok"] is True


def test_options_say_what_is_looked_at(examine: Callable[..., dict[str, Any]]) -> None:
    asked = examine(OK)
    command.main(["--platforms", "linux/arm64,s390x", "--registry-image=r:1", "--buildkit-image=b:1"])
    assert asked["platforms"] == ["linux/arm64", "linux/s390x"]
    assert (asked["options"].registry_image, asked["options"].buildkit_image) == ("r:1", "b:1")


def test_a_platform_that_does_not_exist_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--platforms=linux/none"]) == 2
    assert "linux/none" in capsys.readouterr().err


def test_commands_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "main", lambda arguments: len(arguments))
    assert commands.main(["doctor", "--json", "x"]) == 2


def test_every_command_is_there() -> None:
    for target, text in commands.COMMANDS.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))
        assert text


@pytest.mark.parametrize(("words", "code"), [([], 2), (["nonsense"], 2), (["--help"], 0)])
def test_without_a_command_they_are_listed(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(words) == code
    captured = capsys.readouterr()
    assert "  doctor " in (captured.out if code == 0 else captured.err)
