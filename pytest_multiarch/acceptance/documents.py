"""Read YAML and JSON into values that know their place. No tag runs anything, no alias grows, no key comes twice."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from pytest_multiarch.acceptance.places import BadFile, Place, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES: Final = 4 * 1024 * 1024
_MOST_VALUES: Final = 100_000
_DEEPEST: Final = 60

# Marks are the same with and without libyaml, which is ten times faster.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_KNOWN_TAGS: Final = frozenset({"null", "bool", "int", "float", "str", "timestamp", "merge", "value", "seq", "map"})
# Every escape is read, so that one behind an escaped backslash is not taken for one.
_SURROGATES: Final = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it was written; ``kind`` is what YAML takes it for: str, int, float, bool, null."""

    place: Place
    text: str
    kind: str
    end: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Values in order."""

    place: Place
    items: tuple[Value, ...]
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value."""

    key: str
    place: Place
    value: Value


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with their values; ``end`` is the last line that belongs to it."""

    place: Place
    entries: tuple[Entry, ...]
    end: int

    def get(self, key: str) -> Value | None:
        """Return the value of a key."""
        return next((entry.value for entry in self.entries if entry.key == key), None)


Value: TypeAlias = Scalar | Listing | Mapping


def read_document(text: str, file: str, *, is_json: bool = False, only_first: bool = False) -> Value:
    """Return what a file holds; ``only_first`` lets more documents follow, unread.

    Raises BadFile: it is no YAML or JSON, has a tag of its own, repeats a key of a mapping, or is larger than the limits.
    """
    if len(text) > MOST_BYTES:
        raise _bad(file, 1, 1, f"more than {MOST_BYTES} characters")
    if is_json:
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
            raise _bad(file, line, column, f"no JSON: {getattr(error, 'msg', error)}") from None
        # Between values JSON takes tabs and YAML does not; inside of them neither does.
        text = _SURROGATES.sub(_character, text.replace("\t", " "))
    try:
        documents: Iterator[Any] = yaml.compose_all(text, Loader=_LOADER)
        first = next(documents, None)
        second = None if only_first else next(documents, None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise _bad(file, line, column, f"no YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _bad(file, 1, 1, f"no YAML: {str(error).splitlines()[0]}") from None
    if first is None:
        raise _bad(file, 1, 1, "it is empty")
    if second is not None:
        raise _bad(file, second.start_mark.line + 1, 1, "a second document, which nobody would read")
    reader = _Reader(file, keeps_last=is_json)
    value = reader.value(first, 0)
    if reader.problems:
        raise BadFile(file, reader.problems)
    return value


def plain_value(value: Value) -> Any:
    """Return what a value is in Python: text, numbers, flags, None, lists and dictionaries."""
    if isinstance(value, Listing):
        return [plain_value(item) for item in value.items]
    if isinstance(value, Mapping):
        return {entry.key: plain_value(entry.value) for entry in value.entries}
    if value.kind == "null":
        return None
    if value.kind == "bool":
        return value.text.lower() in ("true", "yes", "on", "y")
    if value.kind in ("int", "float"):
        try:
            return int(value.text, 0) if value.kind == "int" else float(value.text.replace("_", ""))
        except ValueError:
            return value.text
    return value.text


def _character(escape: re.Match[str]) -> str:
    """Return what an escape of half a character stands for, which YAML refuses; every other one stays."""
    if escape[1]:
        return chr(0x10000 + ((int(escape[1], 16) & 0x3FF) << 10 | int(escape[2], 16) & 0x3FF))
    return "\ufffd" if escape[3] else escape[0]


def _bad(file: str, line: int, column: int, text: str) -> BadFile:
    return BadFile(file, [Problem(Place(file, line, column), text)])


def _last_line(node: Any, *inner: Value) -> int:
    """Return the last line of a value: of one in block style YAML's own mark is where the next one begins."""
    begin, end = int(node.start_mark.line) + 1, int(node.end_mark.line)
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return max(begin, end + (node.end_mark.column > 0 and getattr(node, "style", None) not in ("|", ">")))
    # What an alias stands for may lie before.
    return max(begin, *(one.end for one in inner if one.end <= end + 1), begin)


class _Reader:
    def __init__(self, file: str, *, keeps_last: bool) -> None:
        self._file = file
        self._keeps_last = keeps_last
        self._count = 0
        self.problems: list[Problem] = []

    def value(self, node: Any, depth: int) -> Value:
        place = self._place(node)
        self._count += 1
        # An alias is read again wherever it stands: what grows by aliases of aliases grows past this.
        if self._count > _MOST_VALUES or depth > _DEEPEST:
            raise BadFile(self._file, [Problem(place, "too many values, or nested too deeply; do aliases repeat it?")])
        kind = node.tag.removeprefix(_TAG)
        if kind not in _KNOWN_TAGS:
            self.problems.append(Problem(place, f"the tag {node.tag} is not known here"))
        if isinstance(node, yaml.ScalarNode):
            return Scalar(
                place, node.value, "str" if kind in ("timestamp", "value", "merge") else kind, _last_line(node)
            )
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.value(item, depth + 1) for item in node.value)
            return Listing(place, items, _last_line(node, *items))
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                for entry in self._merged(value_node, depth):
                    merged.setdefault(entry.key, entry)
                continue
            key_place = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(key_place, "a key that is no text"))
                continue
            key = str(key_node.value)
            if key in own and not self._keeps_last:
                first = own[key].place
                self.problems.append(Problem(key_place, f"{key} is there already, in line {first.line}"))
            own[key] = Entry(key, key_place, self.value(value_node, depth + 1))
        merged_only = [entry for key, entry in merged.items() if key not in own]
        end = _last_line(node, *(entry.value for entry in own.values()))
        return Mapping(place, (*merged_only, *own.values()), end)

    def _merged(self, node: Any, depth: int) -> Iterator[Entry]:
        for one in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            found = self.value(one, depth + 1)
            if isinstance(found, Mapping):
                yield from found.entries
            else:
                self.problems.append(Problem(found.place, "only mappings can be merged"))

    def _place(self, node: Any) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)
