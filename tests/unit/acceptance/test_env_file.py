"""Variables that commands of container-structure-test's files have from the caller: the file of them, and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.acceptance.checks import Mismatch
from pytest_multiarch.acceptance.structure.env_file import read_env_file
from tests.unit.acceptance.test_run_options import Asked, checked

if TYPE_CHECKING:
    from pathlib import Path


# What joho/godotenv 1.5.1 makes of each text.
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\nB = 2 \n\n# C=3\n  D=  sp  ace  ", {"A": "1", "B": "2", "D": "sp  ace"}),
        ("export A=1\nexport=2\nexported=3", {"A": "1", "export": "2", "exported": "3"}),
        ("A: 1\nB.C_d=2\nD E=3", {"A": "1", "B.C_d": "2", "D E": "3"}),
        ("A=\nB=''\r\nC=1\r\n", {"A": "", "B": "", "C": "1"}),
        ("A=1 # a\nB=1#b\nC=#c\nD= # d\nE=1 # e # f", {"A": "1", "B": "1#b", "C": "#c", "D": "# d", "E": "1 # e"}),
        ("A='x # y' # z\nB=\"x\ny\"\nC='x'D=1", {"A": "x # y", "B": "x\ny", "C": "x", "D": "1"}),
        (r"""A="a\nb\rc\td\\e\"f" B='a\nb'""", {"A": 'a\nb\rctd\\e"f', "B": r"a\nb"}),
        ("A=1\nB=$A-${A}x\nC='$A'\nD=\"$A\"", {"A": "1", "B": "1-1x", "C": "$A", "D": "1"}),
        ("B=$A\nA=1\nC=\\$A\nD=$a\nE=$", {"B": "", "A": "1", "C": "$A", "D": "$a", "E": "$"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=ä\nB='ä'", {"A": "ä", "B": "ä"}),
        ("=1", {"": "1"}),
        ("A=1\nB", {"A": "1", "": "B"}),
        ("", {}),
    ],
)
def test_a_file_of_variables_is_read_as_godotenv_reads_it(text: str, found: dict[str, str]) -> None:
    assert read_env_file(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\nB\nC=2\n", "line 2: a name without a value"),
        ("A-B=1", "line 1: '-' in a name"),
        ("\n\nA='1", "line 3: a quote that does not end"),
        ('A="1\\"', "line 1: a quote that does not end"),
    ],
)
def test_a_line_that_is_refused_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_env_file(text)


def test_a_commands_variables_are_the_files_and_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").write_text('A="from file"\nB=b\n', encoding="utf-8")
    monkeypatch.setenv("B", "caller's")
    asked = Asked()
    assert checked(f"{{envFile: {tmp_path}/env, envVars: [B]}}", asked).mismatches == ()
    assert asked.envs == [{"A": "from file", "B": "caller's"}]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"A=1\nB=\xe9\n", "line 2: the byte 0xe9 is not UTF-8"),
        (b"A=1\nB\nC=2\n", "line 2: a name without a value"),
    ],
)
def test_a_file_of_variables_that_cannot_be_read_fails_the_test_unless_strict(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "env"
    if content is not None:
        path.write_bytes(content)
    asked = Asked()
    found = checked(f"{{envFile: {path}}}", asked).mismatches
    assert found == (Mismatch(f"envFile {path}", "can be read", why),)
    assert asked.execs == []
    assert checked(f"{{envFile: {path}}}", asked, is_strict=True).mismatches == ()
    # The binary reads what is not UTF-8.
    assert asked.envs == [{"A": "1", "B": "\ufffd"} if content and b"\xe9" in content else {}]


def test_a_value_without_a_name_fails_the_test_unless_strict(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\nB", encoding="utf-8")
    asked = Asked()
    found = checked(f"{{envFile: {tmp_path}/env}}", asked).mismatches
    assert found == (Mismatch(f"envFile {tmp_path}/env", "has a name for each value", "one has none"),)
    assert checked(f"{{envFile: {tmp_path}/env}}", asked, is_strict=True).mismatches == ()
    assert asked.envs == [{"A": "1"}]


@pytest.mark.parametrize("is_strict", [False, True])
def test_a_variable_that_the_caller_has_not_set_fails_the_test(
    monkeypatch: pytest.MonkeyPatch, *, is_strict: bool
) -> None:
    monkeypatch.delenv("NOCALLER", raising=False)
    asked = Asked()
    found = checked("{envVars: [NOCALLER]}", asked, is_strict=is_strict).mismatches
    assert found == (Mismatch("variable NOCALLER", "is set", "it is not set in this process's environment"),)
    assert asked.execs == []


def test_a_variable_that_the_caller_has_set_to_nothing_fails_the_test_in_strict_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOCALLER", "")
    asked = Asked()
    assert checked("{envVars: [NOCALLER]}", asked).mismatches == ()
    assert asked.envs == [{"NOCALLER": ""}]
    found = checked("{envVars: [NOCALLER]}", asked, is_strict=True).mismatches
    assert found == (Mismatch("variable NOCALLER", "is set", "it is empty in this process's environment"),)
