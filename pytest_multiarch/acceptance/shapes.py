"""What a file may say: kinds of values that read themselves strictly, with the place of what is wrong, and print as JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_multiarch.acceptance.documents import Listing, Mapping, Scalar, plain_value
from pytest_multiarch.acceptance.places import Problem
from pytest_multiarch.acceptance.regex import PatternError, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.acceptance.documents import Value

MISSING: Final[Any] = None
"""What a kind returns for a value that it refused, once it has said why."""


class Kind(Protocol):
    """Read values of one kind."""

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or add to the problems."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        ...

    @property
    def wanted(self) -> str:
        """Return what is wanted, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A text; numbers and flags count as they are written, so ``3.10`` stays ``3.10``."""

    may_be_empty: bool = False
    null_is_empty: bool = False
    check: Callable[[str], object] | None = None
    """Raises ValueError for what is no such text."""
    wanted: str = "a text"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        if not isinstance(value, Scalar) or (value.kind == "null" and not self.null_is_empty):
            return refuse(self, value, problems)
        text = "" if value.kind == "null" else value.text
        if not text and not self.may_be_empty:
            return refuse(self, value, problems, "nothing")
        if self.check is not None:
            try:
                self.check(text)
            except ValueError as error:
                problems.append(Problem(value.place, str(error)))
                return MISSING
        return text

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        found: dict[str, Any] = {"type": ["string", "number", "boolean"]}
        return found if self.may_be_empty else {**found, "minLength": 1}


def check_pattern(text: str) -> None:
    """Raise ValueError for a pattern that RE2 refuses."""
    try:
        compile_pattern(text)
    except PatternError as error:
        raise ValueError(f"{text!r} is no regular expression of RE2: {error}") from None


PATTERN: Final = Text(may_be_empty=True, null_is_empty=True, check=check_pattern, wanted="a regular expression")


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no, as YAML 1.1 writes it."""

    wanted: str = "true or false"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        is_short = isinstance(value, Scalar) and value.kind == "str" and value.text in ("y", "Y", "n", "N")
        if not isinstance(value, Scalar) or (value.kind != "bool" and not is_short):
            return refuse(self, value, problems)
        return value.text.lower() in ("true", "yes", "on", "y")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number from ``least`` to ``most``, whole unless said otherwise."""

    least: float = -(2**31)
    most: float = 2**32
    is_whole: bool = True
    wanted: str = "a whole number"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        found = plain_value(value) if isinstance(value, Scalar) and value.kind in ("int", "float") else None
        if isinstance(found, float) and self.is_whole and found == int(found if abs(found) < 2**53 else 0):
            found = int(found)
        if not isinstance(found, (int, float)) or (self.is_whole and not isinstance(found, int)):
            return refuse(self, value, problems)
        if not self.least <= found <= self.most:
            problems.append(Problem(value.place, f"{found} is not from {self.least:g} to {self.most:g}"))
            return MISSING
        return found

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        return {"type": "integer" if self.is_whole else "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words; with ``may_be_empty``, an empty text as well."""

    words: tuple[str, ...]
    may_be_empty: bool = False

    @property
    def wanted(self) -> str:
        """Say in words what is wanted."""
        return f"one of {', '.join(self.words)}"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        if isinstance(value, Scalar) and value.kind == "str" and not value.text and self.may_be_empty:
            return ""
        if not isinstance(value, Scalar) or value.text not in self.words:
            return refuse(self, value, problems)
        return value.text

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        return {"enum": [*self.words, ""] if self.may_be_empty else list(self.words)}


@dataclass(frozen=True, slots=True)
class ListOf:
    """Values of one kind; ``or_one`` takes a single one without its list, ``null_is_empty`` nothing for no values."""

    kind: Kind
    least: int = 0
    or_one: bool = False
    null_is_empty: bool = False

    @property
    def wanted(self) -> str:
        """Say in words what is wanted."""
        return f"{self.kind.wanted}, or a list" if self.or_one else f"a list, each {self.kind.wanted}"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        if isinstance(value, Scalar) and value.kind == "null" and self.null_is_empty:
            return ()
        if not isinstance(value, Listing):
            if self.or_one:
                return (self.kind.read(value, problems),)
            return refuse(self, value, problems)
        if len(value.items) < self.least:
            problems.append(Problem(value.place, f"an empty list, where there is to be {self.kind.wanted}"))
        return tuple(self.kind.read(item, problems) for item in value.items)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        inner = self.kind.schema()
        found: dict[str, Any] = {"type": "array", "items": inner}
        if self.least:
            found["minItems"] = self.least
        return {"anyOf": [inner, found]} if self.or_one else found


@dataclass(frozen=True, slots=True)
class MapOf:
    """Names of the user's own, each with a value of one kind."""

    kind: Kind
    key: Kind = Text()
    least: int = 0

    @property
    def wanted(self) -> str:
        """Say in words what is wanted."""
        return f"names, each with {self.kind.wanted}"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        if not isinstance(value, Mapping):
            return refuse(self, value, problems)
        if len(value.entries) < self.least:
            problems.append(Problem(value.place, f"empty, where there are to be {self.wanted}"))
        for entry in value.entries:
            self.key.read(Scalar(entry.place, entry.key, "str"), problems)
        return {entry.key: self.kind.read(entry.value, problems) for entry in value.entries}

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        return {"type": "object", "additionalProperties": self.kind.schema()}


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value."""

    wanted: str = "a value"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        return Given(plain_value(value))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        return {}


@dataclass(frozen=True, slots=True)
class Given:
    """Hold any value, None too, as one that was given."""

    value: Any


def refuse(kind: Kind, value: Value, problems: list[Problem], found: str = "") -> Any:
    """Say that a value is not of a kind; ``found`` is what it is instead."""
    if not found:
        if isinstance(value, Scalar):
            shown = value.text if len(value.text) <= 40 else f"{value.text[:39]}…"
            names = {"str": "the text", "int": "the number", "float": "the number", "bool": "the flag"}
            found = "nothing" if value.kind == "null" else f"{names.get(value.kind, value.kind)} {shown!r}"
        else:
            found = "a list" if isinstance(value, Listing) else "a mapping"
    problems.append(Problem(value.place, f"{found}, where there is to be {kind.wanted}"))
    return MISSING
