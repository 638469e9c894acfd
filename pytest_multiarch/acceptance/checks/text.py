"""What a text is expected to be: output of a command, content of a file, body of an answer."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.checks.json_path import JsonPath
from pytest_multiarch.acceptance.checks.outcome import Mismatch
from pytest_multiarch.acceptance.regex import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextExpectation:
    """Say what a text is to be; what is not said is not looked at.

    Args:
        equals: the whole text; one newline at its end, which most commands print, does not count unless it is said.
        contains: parts that are to be there.
        excludes: parts that are not to be there.
        matches: patterns of RE2 that are to match somewhere: ``^`` and ``$`` are the text's ends, ``(?m)`` makes them the
            lines'.
        excludes_matching: patterns that are not to match.
        json: values by JSON path (RFC 9535, singular queries: ``$.name``, ``$.list[0]``), of a text that is JSON.

    """

    equals: str | None = None
    contains: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    excludes_matching: tuple[str, ...] = ()
    json: Mapping[str, Any] | None = None

    def __bool__(self) -> bool:
        return self != TextExpectation()

    def mismatches(self, what: str, text: str) -> Iterator[Mismatch]:
        """Yield what is not as expected; ``what`` names the text."""
        if self.equals is not None and text != self.equals and text.removesuffix("\n") != self.equals:
            yield _unequal(what, self.equals, text)
        for part in self.contains:
            if part not in text:
                yield Mismatch(what, f"contains {part!r}", text)
        for part in self.excludes:
            if part in text:
                yield Mismatch(what, f"does not contain {part!r}", text)
        for pattern in self.matches:
            if not compile_pattern(pattern).found_in(text):
                yield Mismatch(what, f"matches {pattern!r}", text)
        for pattern in self.excludes_matching:
            if compile_pattern(pattern).found_in(text):
                yield Mismatch(what, f"does not match {pattern!r}", text)
        if self.json:
            yield from _json_mismatches(what, self.json, text)


def _unequal(what: str, expected: str, text: str) -> Mismatch:
    if "\n" not in expected.rstrip("\n") and "\n" not in text.rstrip("\n"):
        return Mismatch(what, f"is {expected!r}", repr(text))
    lines = difflib.unified_diff(
        expected.removesuffix("\n").split("\n"), text.removesuffix("\n").split("\n"), "expected", "came", lineterm=""
    )
    return Mismatch(what, "the text that the file has", "", "\n".join(lines))


def _json_mismatches(what: str, wanted: Mapping[str, Any], text: str) -> Iterator[Mismatch]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield Mismatch(what, "is JSON", f"{text}\n({getattr(error, 'msg', error)})")
        return
    for path, value in wanted.items():
        found = JsonPath.parse(path).find(document, _ABSENT)
        if found is _ABSENT:
            yield Mismatch(f"{path} of {what}", f"is {json.dumps(value)}", "there is no such value")
        elif not same_json(found, value):
            yield Mismatch(f"{path} of {what}", f"is {json.dumps(value)}", json.dumps(found))


def same_json(one: object, other: object) -> bool:
    """Tell whether two values are the same in JSON, where true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    return one == other
