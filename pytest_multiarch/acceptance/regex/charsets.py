"""Sets of characters as sorted ranges of code points: the classes that patterns name, their cases folded, their opposites."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Ranges: TypeAlias = "tuple[tuple[int, int], ...]"

LAST: Final = 0x10FFFF
ALL: Final[Ranges] = ((0, LAST),)
NOT_NEWLINE: Final[Ranges] = ((0, 9), (11, LAST))

_DIGIT: Final[Ranges] = ((48, 57),)
_UPPER: Final[Ranges] = ((65, 90),)
_LOWER: Final[Ranges] = ((97, 122),)
_WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))

PERL: Final[dict[str, Ranges]] = {"d": _DIGIT, "s": ((9, 10), (12, 13), (32, 32)), "w": _WORD}
POSIX: Final[dict[str, Ranges]] = {
    "alnum": (*_DIGIT, *_UPPER, *_LOWER),
    "alpha": (*_UPPER, *_LOWER),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGIT,
    "graph": ((33, 126),),
    "lower": _LOWER,
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": (*_DIGIT, (65, 70), (97, 102)),
}
_CATEGORIES: Final = frozenset(
    f"{group}{letter}"
    for group, letters in {
        "C": "cfos",
        "L": "lmotu",
        "M": "cen",
        "N": "dlo",
        "P": "cdefios",
        "S": "ckmo",
        "Z": "lps",
    }.items()
    for letter in ("", *letters)
)
# The Kelvin sign and the long s are other cases of k and s.
_BEYOND_ASCII: Final = {"k": "\u212a", "s": "\u017f"}
_TURKISH: Final = "\u0130\u0131"
_LAST_CASED: Final = 0x1E944


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return ranges in order, with those that touch made one."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def opposite(ranges: Ranges) -> Ranges:
    """Return all characters that are not in these ranges."""
    found: list[tuple[int, int]] = []
    begin = 0
    for low, high in joined(ranges):
        if low > begin:
            found.append((begin, low - 1))
        begin = high + 1
    if begin <= LAST:
        found.append((begin, LAST))
    return tuple(found)


@lru_cache(maxsize=64)
def folded(ranges: Ranges) -> Ranges:
    """Return these characters in every case that they have, as ``(?i)`` takes them."""
    if ranges in (ALL, NOT_NEWLINE):
        return ranges
    return joined([*ranges, *_cases(ranges)])


def holds(ranges: Ranges, code: int) -> bool:
    """Tell whether a character is in these ranges."""
    place = bisect_right(ranges, (code, LAST)) - 1
    return place >= 0 and ranges[place][1] >= code


@lru_cache(maxsize=64)
def category(name: str) -> Ranges | None:
    """Return the characters of a general category, such as ``L`` or ``Lu``; None where there is no such category.

    Scripts (``Greek``) are not among them: Python does not know which characters they have.
    """
    if name == "Any":
        return ALL
    if name not in _CATEGORIES:
        return None
    found: list[tuple[int, int]] = []
    begin = -1
    for code in range(LAST + 2):
        inside = code <= LAST and unicodedata.category(chr(code)).startswith(name)
        if inside and begin < 0:
            begin = code
        elif not inside and begin >= 0:
            found.append((begin, code - 1))
            begin = -1
    return tuple(found)


def _cases(ranges: Ranges) -> Iterator[tuple[int, int]]:
    for low, high in ranges:
        if high < 128:
            for code in range(low, high + 1):
                other = ord(chr(code).swapcase())
                yield (other, other)
                if (more := _BEYOND_ASCII.get(chr(code).lower())) is not None:
                    yield (ord(more), ord(more))
            continue
        # Only characters that have cases are looked at: a range may be all of Unicode, and a pattern many such ranges.
        codes, families = _cased()
        for place in range(bisect_left(codes, low), bisect_right(codes, high)):
            yield from ((other, other) for other in families[place])


def _folded(character: str) -> str:
    """Return what all cases of a character have in common (Unicode's simple folding); Turkish i folds to itself."""
    upper = character.upper()
    lower = (upper if len(upper) == 1 else character).lower()
    return character if len(lower) != 1 or character in _TURKISH else lower


@lru_cache(maxsize=1)
def _cased() -> tuple[list[int], list[list[int]]]:
    """Return the characters that have other cases, in order, and for each all of its cases."""
    families: dict[str, list[int]] = {}
    for code in range(_LAST_CASED):
        families.setdefault(_folded(chr(code)), []).append(code)
    found = sorted((code, family) for family in families.values() if len(family) > 1 for code in family)
    return [code for code, _ in found], [family for _, family in found]
