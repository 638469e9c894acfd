"""The harnesses of tests/fuzz: each takes its seeds for good, so that fuzzing starts from input that leads somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import MultiArchError
from tests.fuzz.__main__ import NAMES, load
from tests.fuzz.harness import Harness
from tests.fuzz.mutation import fuzz

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", NAMES)
def test_the_seeds_are_not_refused(name: str) -> None:
    harness = load(name)
    assert harness.seeds
    for seed in harness.seeds:
        harness.read(seed)


PIECES = [
    "a",
    "a.",
    "a/",
    "0",
    " ",
    "\n",
    "/",
    ":",
    ",",
    ",a",
    "=",
    '"',
    "'",
    "\\",
    "\\\n",
    "$",
    "${a",
    "(",
    ")",
    "[",
    "{",
    '{"a":',
    "@",
    "-",
]
PIECES += [
    "- ",
    "? ",
    "&a ",
    "*a ",
    "#",
    "# \n",
    "<<A\n",
    "FROM a\n",
    "ARG a=$a\n",
    "(?i)",
    "\\pL",
    "\\Q",
    "x{9}",
    "\0",
    "\xff",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(60)
def test_the_same_over_and_over_takes_no_time_that_grows_faster_than_the_input(name: str) -> None:
    # What goes through all of the rest for each of its places takes minutes with one of these.
    harness = load(name)
    for seed in harness.seeds[:2]:
        for piece in PIECES:
            again = piece.encode("latin-1") * (20_000 // len(piece))
            harness(again + seed)
            harness(seed[: len(seed) // 2] + again + seed[len(seed) // 2 :])


class Outspoken(MultiArchError):
    def __str__(self) -> str:
        return self.found


def test_an_error_that_a_terminal_would_obey_is_a_finding() -> None:
    def read(data: bytes) -> None:
        raise Outspoken("read it", data.decode())

    Harness(read, ())(b"plain")
    with pytest.raises(AssertionError, match="cursor"):
        Harness(read, ())(b"\x1b[2J")


def test_without_atheris_what_is_found_is_made_small_and_kept(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        assert data.count(b"x") < 3

    with pytest.raises(AssertionError):
        fuzz(Harness(read, (b"abcxdef", b"xx")), 30, tmp_path / "found")
    assert (tmp_path / "found").read_bytes() == b"xxx"  # none more than it takes


def test_so_many_runs_are_the_same_inputs_each_time(tmp_path: Path) -> None:
    def inputs(runs: int) -> list[bytes]:
        seen: list[bytes] = []
        assert fuzz(Harness(seen.append, (b"abcxdef", b"xx")), 60, tmp_path / "found", runs=runs) == 0
        return seen

    assert len(inputs(60)) == 60
    assert inputs(60) == inputs(60)
