"""What a pattern is made of, once it has been read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pytest_multiarch.acceptance.regex.charsets import Ranges


class Assertion(Enum):
    """Name what holds between two characters."""

    BEGIN_TEXT = r"\A"
    END_TEXT = r"\z"
    BEGIN_LINE = "(?m)^"
    END_LINE = "(?m)$"
    WORD_BOUNDARY = r"\b"
    NO_WORD_BOUNDARY = r"\B"


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of these."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after another; of none, the empty text."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repetition:
    """The same again, at least and at most so often; None is without end."""

    node: Node
    least: int
    most: int | None
    counted: bool = False


Node: TypeAlias = Characters | Sequence | Choice | Repetition | Assertion
