"""Reading JSON that somebody else wrote: every step is checked and knows where it is.

A ``Node`` is a value together with its place, a JSON pointer (RFC 6901). ``null`` counts as absent everywhere and of
repeated keys the last one wins: that is how Go's ``encoding/json``, and so every registry and engine, reads them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.oci.digest import is_digest
from pytest_multiarch.oci.mapping import FrozenMap

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of the largest document read: what registries should accept (distribution-spec, "Pushing Manifests")."""

_DEPTH_LIMIT: Final = 32
_SHOWN: Final = 60
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value, the document it is in, and its place there."""

    document: str
    value: object
    pointer: str = ""

    def refuse(self, found: str, hint: str = "") -> NoReturn:
        """Raise the error that names this place."""
        raise DocumentError(f"read {self.document}", f"{self.pointer or 'top level'}: {found}", hint)

    def expected(self, what: str) -> NoReturn:
        """Raise the error that names this place, what it should hold, and what it holds."""
        self.refuse(f"expected {what}, found {_shown(self.value)}")

    def child(self, key: str) -> Node | None:
        """Return a member of this object, or None where it is absent or null."""
        value = self._object().get(key)
        return None if value is None else self._at(key, value)

    def need(self, key: str) -> Node:
        """Return a member of this object that the specification requires."""
        return self.child(key) or self.refuse(f"required field {key!r} is missing")

    def has(self, key: str) -> bool:
        """Tell whether this object has a member, null included."""
        return key in self._object()

    def items(self) -> Iterator[Node]:
        """Yield the elements of this list."""
        if not isinstance(self.value, list):
            self.expected("a list")
        for position, value in enumerate(self.value):
            yield self._at(str(position), value)

    def keys(self) -> tuple[str, ...]:
        """Return the member names of this object, in order."""
        return tuple(_clean(key) for key in self._object())

    def text(self) -> str:
        """Return this string; halves of surrogate pairs become U+FFFD, as in Go."""
        if not isinstance(self.value, str):
            self.expected("a string")
        return _clean(self.value)

    def as_text(self) -> str:
        """Return this string, and of anything else its JSON on one line."""
        if isinstance(self.value, str):
            return _clean(self.value)
        return _clean(json.dumps(self.value, ensure_ascii=False, separators=(",", ":")))

    def word(self) -> str:
        """Return this string if it can be printed: names and types are shown to people."""
        text = self.text()
        if not text.isprintable():
            self.expected("printable text")
        return text

    def digest(self) -> str:
        """Return this string if it is a digest that can be verified here."""
        if not is_digest(self.text()):
            self.expected("sha256: and 64, or sha512: and 128, lower-case hexadecimal digits")
        return self.text()

    def whole(self, *, least: int = 0) -> int:
        """Return this whole number, at least ``least`` and within 64 bits."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.expected("a whole number")
        if not least <= self.value < 2**63:
            self.expected(f"a whole number from {least} to 2^63-1")
        return self.value

    def flag(self) -> bool:
        """Return this boolean."""
        if not isinstance(self.value, bool):
            self.expected("a boolean")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return this list of strings."""
        return tuple(item.text() for item in self.items())

    def text_map(self) -> FrozenMap:
        """Return this object whose members are all strings; a null member is empty text, as in Go."""
        pairs = {}
        for key, value in self._object().items():
            pairs[_clean(key)] = "" if value is None else self._at(key, value).text()
        return FrozenMap(pairs)

    def text_at(self, key: str) -> str:
        """Return a member that is a string, empty where it is absent."""
        child = self.child(key)
        return child.text() if child else ""

    def word_at(self, key: str) -> str:
        """Return a member that is printable text, empty where it is absent."""
        child = self.child(key)
        return child.word() if child else ""

    def texts_at(self, key: str) -> tuple[str, ...]:
        """Return a member that is a list of strings, empty where it is absent."""
        child = self.child(key)
        return child.texts() if child else ()

    def text_map_at(self, key: str) -> FrozenMap:
        """Return a member that maps text to text, empty where it is absent."""
        child = self.child(key)
        return child.text_map() if child else FrozenMap()

    def keys_at(self, key: str) -> tuple[str, ...]:
        """Return the member names of a member that is an object, empty where it is absent."""
        child = self.child(key)
        return child.keys() if child else ()

    def _object(self) -> dict[str, object]:
        if not isinstance(self.value, dict):
            self.expected("an object")
        return self.value

    def _at(self, key: str, value: object) -> Node:
        step = _clean(key)[:_SHOWN].replace("~", "~0").replace("/", "~1")
        step = step if step.isprintable() else ascii(step)
        return Node(self.document, value, f"{self.pointer}/{step}")


def parse(data: bytes, document: str, limit: int = DOCUMENT_LIMIT) -> Node:
    """Parse the bytes of a document, which must be a JSON object.

    Args:
        data: the document, UTF-8.
        document: what it is, for errors: ``index docker.io/library/alpine:3``.
        limit: bytes of the largest document read.

    Raises DocumentError: too large, too deep, not UTF-8, not JSON, or not an object.

    """
    root = Node(document, None)
    if len(data) > limit:
        root.refuse(f"{len(data)} bytes, more than the {limit} that are read")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
    except RecursionError:
        root.refuse(f"nested deeper than {_DEPTH_LIMIT} levels")
    except UnicodeDecodeError as error:
        root.refuse(f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        root.refuse(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}")
    except ValueError as error:  # NaN and Infinity, and numbers of more digits than int() takes
        root.refuse(f"not JSON that is read here: {error}")
    if not isinstance(value, dict):
        Node(document, value).expected("an object")
    if _is_deep(value):
        root.refuse(f"nested deeper than {_DEPTH_LIMIT} levels")
    return Node(document, value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _clean(text: str) -> str:
    return _LONE_SURROGATE.sub("\ufffd", text)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    kind = _KINDS[type(value)]
    if isinstance(value, (dict, list)):
        return kind
    if isinstance(value, str):
        shown = ascii(value[:_SHOWN])
        return f"{shown}…" if len(value) > _SHOWN else shown
    return f"{kind} {str(value)[:_SHOWN]}"
