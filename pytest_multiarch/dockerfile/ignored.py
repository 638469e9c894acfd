"""Which files of a build context reach the builder: ``.dockerignore`` by the rules of the library that BuildKit reads it with.

moby/patternmatcher and its ignorefile: docker-py's own reading of the file lower-cases, does not look below a folder that is left
out for what an exception takes in again, and has other characters for classes. What is not counted here though it is sent would
let a changed context pass for the same.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Go's unicode.IsSpace; Python's own strip() takes \x1c to \x1f as well.
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_ESCAPED: Final = frozenset(".+()|{}$")
# Classes that Go's regexp and Python's do not read alike, such as [[:alpha:]].
_UNCLEAR_CLASS: Final = re.compile(r"\[[^\]]*(?:\[|--|&&|~~)")


class UnclearPattern(ValueError):
    """Report a pattern that is refused by the builder, or that may mean something else to it than to Python."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    is_exception: bool
    regex: re.Pattern[str]

    @property
    def beginning(self) -> str:
        """Return the pattern without the ``/*`` or ``/**`` at its end."""
        return self.text.removesuffix("/**").removesuffix("/*")


def read_patterns(data: bytes) -> list[str]:
    """Return the patterns of a ``.dockerignore`` file, as moby/patternmatcher's ``ignorefile.ReadAll`` does."""
    found = []
    for line in data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n"):
        text = line.removesuffix("\r")
        if text.startswith("#"):  # not where spaces stand before it
            continue
        text = text.strip(_SPACE)
        inverted = text.startswith("!")
        text = text[inverted:].strip(_SPACE)
        if text:
            text = _clean(text)
            text = text[1:] if len(text) > 1 and text.startswith("/") else text
        if text or inverted:
            found.append(f"{'!' if inverted else ''}{text}")
    return found


def left_in(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Return the paths below a folder that the patterns leave in, sorted; links are not followed.

    Raises `UnclearPattern`.
    """
    compiled = [_compiled(text) for text in patterns]
    exceptions = [one for one in compiled if one.is_exception]
    # As in tonistiigi/fsutil: below a folder that is left out nothing is looked at if no exception can begin there.
    are_prefixes = not any(set(one.beginning) & set("*[]?^\\") for one in exceptions)
    found: list[str] = []

    def walk(below: str, parent: Sequence[bool]) -> None:
        with os.scandir(folder / below) as opened:
            entries = list(opened)
        for entry in entries:
            path = f"{below}/{entry.name}" if below else entry.name
            is_out, matched = _match(compiled, path, parent)
            if not is_out:
                found.append(path)
            elif are_prefixes and not any(f"{one.beginning}/".startswith(f"{path}/") for one in exceptions):
                continue
            if entry.is_dir(follow_symlinks=False):
                walk(path, matched)

    walk("", [False] * len(compiled))
    return sorted(found)


def _match(patterns: Sequence[_Pattern], path: str, parent: Sequence[bool]) -> tuple[bool, list[bool]]:
    """Tell whether a path is left out, and which patterns count as matched for what is below (``MatchesUsingParentResults``)."""
    is_out = False
    matched = [False] * len(patterns)
    for place, pattern in enumerate(patterns):
        if not parent[place]:
            if pattern.is_exception != is_out:
                continue  # it would change nothing
            if pattern.regex.fullmatch(path) is None:
                continue
        matched[place] = True
        is_out = not pattern.is_exception
    return is_out, matched


def _compiled(text: str) -> _Pattern:
    is_exception = text.startswith("!")
    text = text.removeprefix("!")
    if not text:
        raise UnclearPattern("! with nothing behind it")
    # Whatever begins with ** and has no other sign is compared as the end of a path, so **file.txt takes myfile.txt.
    if text.startswith("**") and not set(text[2:]) & set("*?\\[]"):
        ending = text[2:]
        both = (
            f"(?:.*{re.escape(ending)}|{re.escape(ending[1:])})" if ending.startswith("/") else f".*{re.escape(ending)}"
        )
        return _Pattern(text, is_exception, re.compile(both, re.DOTALL))
    if not set(text) & set("*?\\[]"):
        return _Pattern(text, is_exception, re.compile(re.escape(text)))
    if text.endswith("**") and not set(text[:-2]) & set("*?\\[]"):
        return _Pattern(text, is_exception, re.compile(f"{re.escape(text[:-2])}.*", re.DOTALL))
    if _UNCLEAR_CLASS.search(text):
        raise UnclearPattern(text)
    try:
        return _Pattern(text, is_exception, re.compile(_regex(text)))
    except re.error as error:
        raise UnclearPattern(text) from error


def _regex(text: str) -> str:
    found = ""
    place = 0
    while place < len(text):
        character = text[place]
        if text.startswith("**", place):
            place += 2
            place += text.startswith("/", place)
            found += "(?:.*/)?" if place < len(text) else ".*"
            continue
        place += 1
        if character == "*":
            found += "[^/]*"
        elif character == "?":
            found += "[^/]"
        elif character in _ESCAPED:
            found += f"\\{character}"
        elif character == "\\":
            escaped = text[place : place + 1]
            if not escaped or escaped.isalnum():
                raise UnclearPattern(text)
            found += re.escape(escaped)
            place += 1
        elif character in "[]^-":
            found += character
        else:
            found += re.escape(character)
    return found


def _clean(path: str) -> str:
    """Return a path as Go's ``filepath.Clean`` does: it makes one slash of two at the beginning."""
    return re.sub(r"^//+", "/", posixpath.normpath(path))
