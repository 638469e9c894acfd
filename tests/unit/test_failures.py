"""What the gate says once more at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.failures import failures, main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def step(code: int, output: str = "", err: str = "") -> dict[str, Any]:
    return {"command": ["pytest", "tests"], "retcode": code, "output": output, "err": err}


def said(**environments: dict[str, Any]) -> list[str]:
    return list(failures({"testenvs": environments}))


def test_says_what_the_failed_command_of_a_failed_environment_said_last() -> None:
    long = "\n".join(map(str, range(1000)))
    lines = said(
        good={"result": {"success": True}, "setup": [step(0)], "test": [step(0, "fine")]},
        bad={
            "result": {"success": False},
            "setup": [step(0)],
            "test": [step(0, "prepared"), step(3, long, "and more")],
        },
    )
    assert lines[0].startswith("bad: exit code 3 of pytest tests;")
    assert lines[-2:] == ["  999", "  and more"]
    assert "  901" in lines
    assert "  900" not in lines
    assert not {"  prepared", "  fine"} & {*lines}


def test_says_an_installation_that_failed() -> None:
    assert said(bad={"result": {"success": False}, "setup": [step(1, err="no such package")]})[1:] == [
        "  no such package"
    ]


def test_an_environment_that_failed_without_a_command_is_named() -> None:
    assert said(bad={"result": {"success": False}})[0].startswith("bad: failed before")


def test_says_that_there_are_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path / "results.json")
    assert "no results" in capsys.readouterr().out
