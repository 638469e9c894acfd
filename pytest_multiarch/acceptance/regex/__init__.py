"""Regular expressions as Go and RE2 read them, matched in time that grows with the text and never faster.

The files under test say RE2: other anchors and classes than Python's, no look-around, no back-references. Python's own
``re`` would take some of it for something else, and backtracks: a pattern such as ``(a+)+$`` on an image's output could
hold up a run for ever, where no time limit reaches it. google-re2 has no wheels for musl. So patterns are parsed here,
by the rules of Go's ``regexp/syntax``, and run as automata; of a match only whether there is one is known.
"""

from __future__ import annotations

from functools import lru_cache

from pytest_multiarch.acceptance.regex.matching import Matcher
from pytest_multiarch.acceptance.regex.parsing import PatternError, parse

__all__ = ["PatternError", "compile_pattern", "quote"]

_SPECIAL = frozenset("\\.+*?()|[]{}^$")


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Matcher:
    """Return what tells whether a text has a match. Raises PatternError: RE2 refuses the pattern, or it is too large."""
    return Matcher(parse(pattern))


def quote(text: str) -> str:
    """Return a pattern that matches exactly this text."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in text)
