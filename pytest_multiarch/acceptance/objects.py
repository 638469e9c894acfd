"""Objects with known keys: what is not known is refused with the nearest key that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pytest_multiarch.acceptance.documents import Mapping, Scalar
from pytest_multiarch.acceptance.places import Problem
from pytest_multiarch.acceptance.shapes import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_multiarch.acceptance.documents import Entry, Value
    from pytest_multiarch.acceptance.places import Place
    from pytest_multiarch.acceptance.shapes import Kind


@dataclass(frozen=True, slots=True)
class Field:
    """One key of an object; ``may_be_null`` takes nothing as its value, which is None then."""

    kind: Kind
    help: str = ""
    is_required: bool = False
    may_be_null: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Hold what an object said: its values by key, and where it and they stand. ``end`` is its last line."""

    place: Place
    end: int
    values: dict[str, Any]
    places: dict[str, Place] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a key's value, or what counts where it is not said."""
        return self.values.get(key, default)

    def __contains__(self, key: str) -> bool:
        return key in self.values


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known keys.

    Args:
        what: its name in messages.
        fields: its keys.
        one_of: exactly one of these keys is to be there, where there are any.
        is_strict: whether other keys are refused; if not, they are passed over, and upper and lower case is the same.
        scalar: the key that a value which is no object stands for.
        check: adds what is wrong with the object as a whole.

    """

    what: str
    fields: dict[str, Field]
    one_of: tuple[str, ...] = ()
    is_strict: bool = True
    scalar: str = ""
    check: Callable[[Record], Iterable[Problem]] | None = None

    @property
    def wanted(self) -> str:
        """Say in words what is wanted."""
        return f"a mapping: {self.what}"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value, or say what is wrong with it."""
        if not isinstance(value, Mapping):
            if self.scalar:
                found = self.fields[self.scalar].kind.read(value, problems)
                return Record(value.place, value.place.line, {self.scalar: found}, {self.scalar: value.place})
            return refuse(self, value, problems)
        before = len(problems)
        values: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for entry in value.entries:
            key = self._known(entry)
            if key is None:
                if self.is_strict:
                    problems.append(Problem(entry.place, self._unknown(entry.key)))
                continue
            known = self.fields[key]
            is_null = isinstance(entry.value, Scalar) and entry.value.kind == "null"
            if is_null and not self.is_strict:
                continue
            values[key] = None if is_null and known.may_be_null else known.kind.read(entry.value, problems)
            places[key] = entry.place
        for key, known in self.fields.items():
            if known.is_required and key not in values:
                problems.append(Problem(value.place, f"{self.what} has no {key}"))
        chosen = [key for key in self.one_of if key in values]
        if self.one_of and len(chosen) != 1:
            said = "none of" if not chosen else "more than one of"
            problems.append(Problem(value.place, f"{self.what} has {said} {', '.join(self.one_of)}"))
        record = Record(value.place, value.end, values, places)
        if self.check is not None and len(problems) == before:
            problems += self.check(record)
        return record

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        properties = {
            key: {**one.kind.schema(), **({"description": one.help} if one.help else {})}
            for key, one in self.fields.items()
        }
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": not self.is_strict}
        if required := [key for key, one in self.fields.items() if one.is_required]:
            found["required"] = required
        if self.one_of:
            found["oneOf"] = [{"required": [key]} for key in self.one_of]
        return {"anyOf": [self.fields[self.scalar].kind.schema(), found]} if self.scalar else found

    def _known(self, entry: Entry) -> str | None:
        if entry.key in self.fields or self.is_strict:
            return entry.key if entry.key in self.fields else None
        return next((key for key in self.fields if key.lower() == entry.key.lower()), None)

    def _unknown(self, key: str) -> str:
        nearest = get_close_matches(key, self.fields, 1) or get_close_matches(
            key.lower(), [known.lower() for known in self.fields], 1
        )
        named = next((known for known in self.fields if nearest and known.lower() == nearest[0].lower()), "")
        hint = f"did you mean {named}?" if named else f"there is {', '.join(self.fields)}"
        return f"{self.what} has no key {key!r}: {hint}"
