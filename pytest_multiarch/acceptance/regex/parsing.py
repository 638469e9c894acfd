"""Read patterns by the rules of Go's ``regexp/syntax`` with its Perl flags: what it refuses is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_multiarch.acceptance.regex import charsets
from pytest_multiarch.acceptance.regex.nodes import Assertion, Characters, Choice, Repetition, Sequence

if TYPE_CHECKING:
    from pytest_multiarch.acceptance.regex.nodes import Node

_MOST_REPEATED: Final = 1000
_DEEPEST: Final = 200  # Go goes to 1000, which Python's own stack does not
_COUNT: Final = re.compile(r"\{([0-9]+)(,)?([0-9]*)\}")
_NAME: Final = re.compile(r"\(\?P?<([^>]*)>")
_CONTROLS: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ASSERTIONS: Final = {
    "A": Assertion.BEGIN_TEXT,
    "z": Assertion.END_TEXT,
    "b": Assertion.WORD_BOUNDARY,
    "B": Assertion.NO_WORD_BOUNDARY,
}


class PatternError(ValueError):
    """Say why a pattern is none, and at which of its characters."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason, position)
        self.reason = reason
        self.position = position

    def __str__(self) -> str:
        return f"{self.reason} (at character {self.position + 1})"


@dataclass(frozen=True, slots=True)
class _Flags:
    fold: bool = False
    lines: bool = False
    dot_all: bool = False


def parse(pattern: str) -> Node:
    """Return what a pattern means. Raises PatternError."""
    return _Parser(pattern).whole()


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._names: set[str] = set()

    def whole(self) -> Node:
        node = self._choice(_Flags(), 0)
        if self._at < len(self._text):
            raise PatternError("a ) without its (", self._at)
        return node

    def _choice(self, flags: _Flags, depth: int) -> Node:
        """Read up to the group's end or the pattern's; flags that are set inside hold until then."""
        if depth > _DEEPEST:
            raise PatternError(f"groups nested deeper than {_DEEPEST}", self._at)
        branches: list[list[Node]] = [[]]
        repeated = False
        while self._at < len(self._text) and self._text[self._at] != ")":
            nodes = branches[-1]
            begin = self._at
            character = self._text[begin]
            if character == "|":
                self._at += 1
                branches.append([])
            elif (count := self._repetition()) is not None:
                if repeated:
                    raise PatternError("a repetition is repeated", begin)
                if not nodes:
                    raise PatternError("there is nothing to repeat", begin)
                least, most, counted = count
                nodes[-1] = _repeated(nodes[-1], least, most, counted, begin)
                repeated = True
                continue
            elif character == "(":
                inner = self._group_flags(flags)
                if inner is not None:
                    flags = inner
                else:
                    nodes.append(self._group(flags, depth))
            elif self._text.startswith("\\Q", begin):
                literal, end, _ = self._text[begin + 2 :].partition("\\E")
                nodes += [self._characters(ord(one), flags) for one in literal]
                self._at = begin + 2 + len(literal) + len(end)
            else:
                nodes.append(self._single(flags))
            repeated = False
        sequences: list[Node] = [nodes[0] if len(nodes) == 1 else Sequence(tuple(nodes)) for nodes in branches]
        return sequences[0] if len(sequences) == 1 else Choice(tuple(sequences))

    def _repetition(self) -> tuple[int, int | None, bool] | None:
        """Read ``*``, ``+``, ``?`` or a count, and the ``?`` behind it that says "as few as can be"."""
        begin = self._at
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        found = simple.get(self._text[begin])
        counted = found is None
        if found is not None:
            self._at += 1
        elif (count := _COUNT.match(self._text, begin)) is not None:
            # Digits beyond what is allowed are not read as numbers: they may be thousands.
            if max(len(count[1].lstrip("0")), len(count[3].lstrip("0"))) > 4:
                raise PatternError(f"repeated more than {_MOST_REPEATED} times", begin)
            least = int(count[1])
            most = least if not count[2] else int(count[3]) if count[3] else None
            if max(least, most or 0) > _MOST_REPEATED:
                raise PatternError(f"repeated more than {_MOST_REPEATED} times", begin)
            if most is not None and most < least:
                raise PatternError("repeated at most fewer times than at least", begin)
            found = (least, most)
            self._at = count.end()
        else:
            return None
        if self._text.startswith("?", self._at):
            self._at += 1
        return (*found, counted)

    def _group_flags(self, flags: _Flags) -> _Flags | None:
        """Read ``(?flags)`` and return the flags from there on; None where a group begins."""
        found = re.compile(r"\(\?([imsU]*)(-[imsU]+)?\)").match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return _changed(flags, found[1], found[2] or "")

    def _group(self, flags: _Flags, depth: int) -> Node:
        begin = self._at
        if (named := _NAME.match(self._text, begin)) is not None:
            name = named[1]
            if not re.fullmatch(r"[A-Za-z0-9_]+", name) or name in self._names:
                raise PatternError(f"the group's name {name!r} is used twice, or is none", begin)
            self._names.add(name)
            self._at = named.end()
        elif (flagged := re.compile(r"\(\?([imsU]*)(-[imsU]+)?:").match(self._text, begin)) is not None:
            flags = _changed(flags, flagged[1], flagged[2] or "")
            self._at = flagged.end()
        elif self._text.startswith("(?", begin):
            raise PatternError(f"RE2 has no {self._text[begin : begin + 4]!r}: no look-around, no conditions", begin)
        else:
            self._at += 1
        node = self._choice(flags, depth + 1)
        if not self._text.startswith(")", self._at):
            raise PatternError("a ( without its )", begin)
        self._at += 1
        return node if isinstance(node, Characters | Assertion) else Sequence((node,))

    def _single(self, flags: _Flags) -> Node:
        character = self._text[self._at]
        if character == "[":
            return Characters(self._class(flags))
        if character == "\\":
            return self._escaped(flags)
        self._at += 1
        if character == ".":
            return Characters(charsets.ALL if flags.dot_all else charsets.NOT_NEWLINE)
        if character == "^":
            return Assertion.BEGIN_LINE if flags.lines else Assertion.BEGIN_TEXT
        if character == "$":
            return Assertion.END_LINE if flags.lines else Assertion.END_TEXT
        return self._characters(ord(character), flags)

    def _escaped(self, flags: _Flags) -> Node:
        letter = self._text[self._at + 1 : self._at + 2]
        if letter in _ASSERTIONS:
            self._at += 2
            return _ASSERTIONS[letter]
        ranges = self._named_class(flags)
        return Characters(ranges) if ranges is not None else self._characters(self._escaped_code(), flags)

    def _characters(self, code: int, flags: _Flags) -> Characters:
        ranges = ((code, code),)
        return Characters(charsets.folded(ranges) if flags.fold else ranges)

    def _named_class(self, flags: _Flags) -> charsets.Ranges | None:
        r"""Read ``\d``, ``\W``, ``\pL`` or ``\p{^Lu}``; None where there is something else."""
        begin = self._at
        letter = self._text[begin + 1 : begin + 2]
        if letter and letter in "dswDSW":
            self._at += 2
            return _ranges(charsets.PERL[letter.lower()], flags, negated=letter.isupper())
        if letter not in ("p", "P") or not letter:
            return None
        found = re.compile(r"\\[pP](?:\{(\^?)([^}]*)\}|([^{]))").match(self._text, begin)
        ranges = None if found is None else charsets.category(found[2] or found[3] or "")
        if found is None or ranges is None:
            name = self._text[begin : begin + 12]
            raise PatternError(f"no known class of characters begins as {name!r} does (scripts are not known)", begin)
        self._at = found.end()
        return _ranges(ranges, flags, negated=(letter == "P") != bool(found[1]))

    def _escaped_code(self) -> int:
        begin = self._at
        letter = self._text[begin + 1 : begin + 2]
        if not letter:
            raise PatternError("a backslash with nothing behind it", begin)
        if octal := re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})").match(self._text, begin):
            self._at = octal.end()
            return int(octal[1], 8)
        if letter == "x":
            hexadecimal = re.compile(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})").match(self._text, begin)
            code = -1 if hexadecimal is None else int(hexadecimal[1] or hexadecimal[2], 16)
            if hexadecimal is None or code > charsets.LAST:
                raise PatternError("no character has this number", begin)
            self._at = hexadecimal.end()
            return code
        self._at += 2
        if letter in _CONTROLS:
            return ord(_CONTROLS[letter])
        if letter.isascii() and not letter.isalnum():
            return ord(letter)
        raise PatternError(f"RE2 has no \\{letter}", begin)

    def _class(self, flags: _Flags) -> charsets.Ranges:
        begin = self._at
        self._at += 1
        negated = self._text.startswith("^", self._at)
        self._at += negated
        found: set[tuple[int, int]] = (
            set()
        )  # not a list: a pattern may name a class of hundreds of ranges as many times
        first = True
        while first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise PatternError("a [ without its ]", begin)
            first = False
            found.update(self._class_part(flags))
        self._at += 1
        ranges = charsets.joined(found)
        return charsets.opposite(ranges) if negated else ranges

    def _class_part(self, flags: _Flags) -> charsets.Ranges:
        if (posix := re.compile(r"\[:(\^?)([^:\]]*):\]").match(self._text, self._at)) is not None:
            if posix[2] not in charsets.POSIX:
                raise PatternError(f"there is no class [:{posix[2]}:]", self._at)
            self._at = posix.end()
            return _ranges(charsets.POSIX[posix[2]], flags, negated=bool(posix[1]))
        if self._text.startswith("\\", self._at) and (named := self._named_class(flags)) is not None:
            return named
        begin = self._at
        low = high = self._class_character(begin)
        if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._class_character(begin)
        if high < low:
            raise PatternError("a range that ends before it begins", begin)
        return _ranges(((low, high),), flags)

    def _class_character(self, begin: int) -> int:
        if self._at >= len(self._text):
            raise PatternError("a [ without its ]", begin)
        if self._text[self._at] == "\\":
            return self._escaped_code()
        self._at += 1
        return ord(self._text[self._at - 1])


def _changed(flags: _Flags, on: str, off: str) -> _Flags:
    """Return flags with these letters turned on and off; ``U`` changes only which match is found."""
    for letters, value in ((on, True), (off, False)):
        for letter in letters:
            if letter in "ims":
                flags = replace(flags, **{{"i": "fold", "m": "lines", "s": "dot_all"}[letter]: value})
    return flags


def _ranges(ranges: charsets.Ranges, flags: _Flags, *, negated: bool = False) -> charsets.Ranges:
    ranges = charsets.folded(ranges) if flags.fold else ranges
    return charsets.opposite(ranges) if negated else ranges


def _repeated(node: Node, least: int, most: int | None, counted: bool, position: int) -> Repetition:
    found = Repetition(node, least, most, counted)
    if counted and max(least, most or 0) >= 2 and not _is_small(found, _MOST_REPEATED):
        raise PatternError(
            f"repeated more than {_MOST_REPEATED} times, together with what is repeated inside", position
        )
    return found


def _is_small(node: Node, left: int) -> bool:
    """Tell whether counts within counts stay below a product (Go's ``repeatIsValid``)."""
    if isinstance(node, Repetition):
        if node.counted:
            times = node.least if node.most is None else node.most
            if node.most == 0:
                return True
            if times > left:
                return False
            left = left // times if times > 0 else left
        return _is_small(node.node, left)
    return not isinstance(node, Sequence | Choice) or all(_is_small(one, left) for one in node.nodes)
