"""Patterns of ``.dockerignore``: what a real builder makes of them is in tests/integration/test_dockerignore.py."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.dockerfile.ignored import UnclearPattern, left_in, read_patterns

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("src/app.py", "src/lib/util.py", "Build/out", "build/out", "a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("src")
    return tmp_path


def test_an_exception_is_looked_for_below_what_is_left_out(folder: Path) -> None:
    assert left_in(folder, ["*", "!**/*.py"]) == ["src/app.py", "src/lib/util.py"]


def test_case_counts(folder: Path) -> None:
    assert not {"build", "build/out"} & {*left_in(folder, ["build"])}
    assert {"Build", "Build/out"} <= {*left_in(folder, ["build"])}


def test_nothing_is_looked_at_below_what_no_exception_takes_in_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    real = os.scandir

    def scandir(path: Path) -> Any:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert left_in(folder, ["*", "!src/app.py", "!a.txt"]) == ["a.txt", "src/app.py"]
    assert seen == [folder, folder / "src"]


def test_links_are_not_followed(folder: Path) -> None:
    assert [name for name in left_in(folder, []) if name.startswith("link")] == ["link"]


@pytest.mark.parametrize("pattern", ["!", "[a", "a\\", "\\d*", "[[:alpha:]]", "[a--b]"])
def test_a_pattern_of_no_clear_meaning_is_said_to_be_one(folder: Path, pattern: str) -> None:
    with pytest.raises(UnclearPattern):
        left_in(folder, [pattern])


def test_a_file_that_is_not_utf_8_is_read(folder: Path) -> None:
    assert read_patterns(b"caf\xe9\n \n") == ["caf\udce9"]
