"""Tell whether a text has a match: an automaton that is made while it runs, one step a character, never back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.acceptance.regex.charsets import holds
from pytest_multiarch.acceptance.regex.nodes import Assertion, Characters, Choice, Repetition, Sequence
from pytest_multiarch.acceptance.regex.parsing import PatternError
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from pytest_multiarch.acceptance.regex.charsets import Ranges
    from pytest_multiarch.acceptance.regex.nodes import Node

_MOST_REMEMBERED: Final = 500_000
"""Places of all the states that are remembered; then all are forgotten, as RE2 does. Some 30 MB."""

_MOST_STEPS: Final = 50_000
"""Steps between states that are remembered; then all are forgotten."""

_LARGEST: Final = 100_000
"""Places of an automaton, with all repetitions written out. Go allows three million, where each costs less."""

_MOST_WORK: Final = 10_000_000
"""Places looked at for one text, about ten seconds' worth: only where each character comes to another set of many places."""

_TEXT_BORDER, _NEWLINE, _WORD, _OTHER = range(4)
_MATCH: Final = -1


@dataclass(frozen=True, slots=True)
class _Ways:
    """Go on at any of these places."""

    places: tuple[int, ...]


class _State:
    """Hold where in the pattern one can be, and what kind of character came last; steps from here are remembered."""

    __slots__ = ("before", "next", "places")

    def __init__(self, places: frozenset[int], before: int) -> None:
        self.places = places
        self.before = before
        self.next: dict[str, _State] = {}


_MATCHED: Final = _State(frozenset(), 0)


class Matcher:
    """Look for one pattern in texts. Raises PatternError: it is too large with its repetitions written out."""

    def __init__(self, node: Node, *, most_work: int = _MOST_WORK) -> None:
        self._literal = _literal(node)
        self._program: list[Ranges | Assertion | _Ways] = []
        self._ways: list[int] = []
        self._start = self._add(node, _MATCH)
        self._states: dict[tuple[frozenset[int], int], _State] = {}
        self._steps = 0
        self._remembered = 0
        self._most_work = most_work
        self._work = 0

    def found_in(self, text: str) -> bool:
        """Tell whether the pattern matches anywhere. Raises MultiArchError: that takes too long to tell."""
        if self._literal is not None:
            return self._literal in text
        self._work = 0
        state = self._state(frozenset(), _TEXT_BORDER)
        for character in text:
            following = state.next.get(character)
            if following is None:
                following = self._step(state, character)
            if following is _MATCHED:
                return True
            state = following
        return self._reached(state, _TEXT_BORDER) is None

    def _add(self, node: Node, after: int) -> int:
        """Write a node's part of the program, from its end to its beginning, and return where it begins."""
        if isinstance(node, Characters):
            return self._write(node.ranges, after)
        if isinstance(node, Assertion):
            return self._write(node, after)
        if isinstance(node, Choice):
            return self._write(_Ways(tuple(self._add(one, after) for one in node.nodes)), after)
        if isinstance(node, Repetition):
            return self._add_repetition(node, after)
        for one in reversed(node.nodes):
            after = self._add(one, after)
        return after

    def _add_repetition(self, node: Repetition, after: int) -> int:
        if node.most is None:
            loop = self._write(_Ways((after,)), after)
            self._program[loop] = _Ways((self._add(node.node, loop), after))
            after = loop
        else:
            for _ in range(node.most - node.least):
                after = self._write(_Ways((self._add(node.node, after), after)), after)
        for _ in range(node.least):
            after = self._add(node.node, after)
        return after

    def _write(self, what: Ranges | Assertion | _Ways, after: int) -> int:
        if len(self._program) == _LARGEST:
            raise PatternError(f"larger than {_LARGEST} characters with its repetitions written out", 0)
        self._program.append(what)
        self._ways.append(after)
        return len(self._program) - 1

    def _state(self, places: frozenset[int], before: int) -> _State:
        key = (places, before)
        if key not in self._states:
            self._states[key] = _State(places, before)
            self._remembered += len(places)
        return self._states[key]

    def _step(self, state: _State, character: str) -> _State:
        self._steps += 1
        if self._steps > _MOST_STEPS or self._remembered > _MOST_REMEMBERED:
            self._steps = self._remembered = 0
            self._states.clear()
            state.next.clear()
        kind, code = _kind(character), ord(character)
        reached = self._reached(state, kind)
        if reached is None:
            following = _MATCHED
        else:
            following = self._state(frozenset(after for ranges, after in reached if holds(ranges, code)), kind)
        state.next[character] = following
        return following

    def _reached(self, state: _State, after: int) -> list[tuple[Ranges, int]] | None:
        """Return what may be read next, with where it leads; None where the pattern has been matched."""
        found: list[tuple[Ranges, int]] = []
        seen: set[int] = set()
        waiting = [self._start, *state.places]
        while waiting:
            place = waiting.pop()
            if place == _MATCH:
                return None
            if place in seen:
                continue
            seen.add(place)
            what = self._program[place]
            if isinstance(what, Assertion):
                if _holds_between(what, state.before, after):
                    waiting.append(self._ways[place])
            elif isinstance(what, _Ways):
                waiting.extend(what.places)
            else:
                found.append((what, self._ways[place]))
        self._work += len(seen)
        if self._work > self._most_work:
            raise MultiArchError(
                "matching a regular expression",
                f"not done after {self._most_work} steps",
                "Fewer or smaller counted repetitions, or an anchor before them, take fewer steps.",
            )
        return found


def _literal(node: Node) -> str | None:
    """Return the text that a pattern without anything special is, None of any other: most patterns are such."""
    nodes = node.nodes if isinstance(node, Sequence) else (node,)
    found = []
    for one in nodes:
        if not isinstance(one, Characters) or len(one.ranges) != 1 or one.ranges[0][0] != one.ranges[0][1]:
            return None
        found.append(chr(one.ranges[0][0]))
    return "".join(found)


def _kind(character: str) -> int:
    if character == "\n":
        return _NEWLINE
    return _WORD if character.isascii() and (character.isalnum() or character == "_") else _OTHER


def _holds_between(assertion: Assertion, before: int, after: int) -> bool:
    if assertion is Assertion.BEGIN_TEXT:
        return before == _TEXT_BORDER
    if assertion is Assertion.END_TEXT:
        return after == _TEXT_BORDER
    if assertion is Assertion.BEGIN_LINE:
        return before in (_TEXT_BORDER, _NEWLINE)
    if assertion is Assertion.END_LINE:
        return after in (_TEXT_BORDER, _NEWLINE)
    return ((before == _WORD) != (after == _WORD)) == (assertion is Assertion.WORD_BOUNDARY)
