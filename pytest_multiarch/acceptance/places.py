"""Where something stands in a file, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Name a line and a column of a file, both counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Say what is wrong at a place."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class BadFile(UsageProblem):
    """Refuse a file with all that is wrong in it, each with its place."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(str(problem) for problem in sorted(set(problems)))
        super().__init__(f"reading {file}", count, "None of its tests was run.", lines)
        self.problems = tuple(sorted(set(problems)))

    @classmethod
    def of_error(cls, file: str, error: Exception) -> BadFile:
        """Return the refusal of a file that could not even be read."""
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        return cls(file, [Problem(Place(file, 1, 1), f"it cannot be read: {reason}")])

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the problems when pickled."""
        return (BadFile, (self.tried.removeprefix("reading "), self.problems))
