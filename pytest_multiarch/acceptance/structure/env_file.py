"""Read a file of variables as container-structure-test does, which leaves it to joho/godotenv 1.5.1.

Docker's own ``--env-file`` is read otherwise: it knows no quotes and no references, and takes a lone name from the caller.
"""

from __future__ import annotations

import re
from typing import Final

# Go's spaces, of which a name's and a value's ends lose all but the line's end.
_BLANKS: Final = "\t\v\f\r \x85\xa0"
_BETWEEN: Final = re.compile(r"(?:[^\S\x1c-\x1f]|#[^\n]*)*")
_NAME: Final = re.compile(rf"(?:export[{_BLANKS}]+)?([^=:\n]*)([=:]?)[{_BLANKS}]*")
_QUOTED: Final = re.compile(r"""(?P<quote>["']).*?(?<!\\)(?P=quote)""", re.DOTALL)
# A comment begins at the last # that a blank is before.
_PLAIN: Final = re.compile(r"(?:([^\r\n]*)[\t\v\f \x85\xa0]#)?[^\r\n]*")
_ESCAPED: Final = re.compile(r"\\([^$])", re.DOTALL)
_REFERENCE: Final = re.compile(r"(\\?)\$\(?\{?([A-Z0-9_]*)\}?")
_ESCAPES: Final = {"n": "\n", "r": "\r"}


def read_env_file(text: str) -> dict[str, str]:
    """Return the variables of a file by name; a value that has no name is under the empty one.

    Raises ValueError: a line is refused, and with it the file.
    """
    text = text.replace("\r\n", "\n")
    found: dict[str, str] = {}
    at = 0
    while (between := _BETWEEN.match(text, at)) and between.end() < len(text):
        name, at = _name(text, between.end())
        found[name], at = _value(text, at, found)
    return found


def _name(text: str, at: int) -> tuple[str, int]:
    """Return a name and where its value begins."""
    said = _NAME.match(text, at)
    assert said is not None
    # The bytes are looked at one by one, each as if it were a character.
    unfit = [one for one in said[1].encode().decode("latin-1") if not (one.isalnum() or one in "._" or one in _BLANKS)]
    if unfit:
        raise ValueError(f"{_line(text, at)}: {unfit[0]!r} in a name")
    if said[2]:
        return said[1].rstrip(), said.end()
    if said.end(1) < len(text) or not said[1]:
        raise ValueError(f"{_line(text, at)}: a name without a value")
    return "", said.start(1)  # at the file's end, a lone name is taken for a value


def _value(text: str, at: int, known: dict[str, str]) -> tuple[str, int]:
    """Return a value and where it ends; ``known`` are the variables that it may refer to."""
    if text[at : at + 1] not in ('"', "'"):
        plain = _PLAIN.match(text, at)
        assert plain is not None
        value = plain[0] if plain[1] is None else plain[1]
        return _expanded(value.strip(_BLANKS), known), plain.end()
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        raise ValueError(f"{_line(text, at)}: a quote that does not end")
    value = quoted[0][:-1].strip(quoted["quote"])
    if quoted["quote"] == '"':
        value = _expanded(_ESCAPED.sub(lambda one: _ESCAPES.get(one[1], one[1]), value), known)
    return value, quoted.end()


def _expanded(value: str, known: dict[str, str]) -> str:
    def instead(one: re.Match[str]) -> str:
        if one[1]:
            return one[0][1:]
        return known.get(one[2], "") if one[2] else one[0]

    return _REFERENCE.sub(instead, value)


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}"
