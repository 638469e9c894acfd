"""A failed case as text: as it stands in its file, how it was run, what was expected and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.acceptance.cases import Case
    from pytest_multiarch.acceptance.checks import Mismatch, Outcome
    from pytest_multiarch.platforms import Platform

_LINES: Final = 20
_WIDTH: Final = 200


def describe_failure(case: Case, platform: Platform | None, outcome: Outcome) -> str:
    """Return all that a reader needs; its first line is the headline. Nothing in it moves a terminal's cursor."""
    source = case.source.splitlines()
    width = len(str(case.place.line + len(source)))
    numbered = [f"{number:>{width}} | {_line(text)}" for number, text in enumerate(source, case.place.line)]
    return describe_outcome(platform, outcome, ["", f"{case.place.file}:{case.place.line}", *numbered])


def describe_outcome(platform: Platform | None, outcome: Outcome, before: Sequence[str] = ()) -> str:
    """Return what was not as expected: the headline, then these lines, then each mismatch and how it was run."""
    count = len(outcome.mismatches)
    first = outcome.mismatches[0]
    more = f" and {count - 1} more" if count > 1 else ""
    headline = f"{plain(first.what, 80)}: expected {plain(first.expected, 80)}{_shortly(first)}{more}"
    lines = [headline, *before, "", f"platform: {platform or 'all of the image'}"]
    if outcome.how:
        lines.append(f"run by:   {outcome.how}")
    for mismatch in outcome.mismatches:
        lines += ["", *_mismatch(mismatch)]
    if outcome.results:
        result = outcome.results[-1]
        how = f" ({plain(result.how)})" if result.how else ""
        lines += ["", f"exit code: {result.exit_code} after {result.duration:.2f} s{how}"]
        if result.stderr.strip():
            lines += ["stderr's end:", *_block(result.stderr, from_end=True)]
    return "\n".join(lines)


def harmless(text: str) -> str:
    """Return text on its lines, with what a terminal would obey made visible."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


def _shortly(mismatch: Mismatch) -> str:
    if mismatch.differs:
        return ", came another"
    return f", came {plain(mismatch.came, 60)}" if mismatch.came else ""


def _mismatch(mismatch: Mismatch) -> Iterator[str]:
    yield plain(mismatch.what)
    if mismatch.differs:
        yield from (f"  {_line(line)}" for line in mismatch.differs.splitlines())
        return
    yield f"  expected: {plain(mismatch.expected)}"
    came = mismatch.came.removesuffix("\n").split("\n")
    if len(came) == 1:
        yield f"  came:     {_line(came[0]) or '(empty)'}"
    else:
        yield "  came:"
        yield from (f"  {line}" for line in _block(mismatch.came))


def _block(text: str, *, from_end: bool = False) -> list[str]:
    lines = text.removesuffix("\n").split("\n")
    left_out = len(lines) - _LINES
    if left_out <= 0:
        return [f"  {_line(line)}" for line in lines]
    note = f"  … {left_out} lines left out …"
    if from_end:
        return [note, *(f"  {_line(line)}" for line in lines[-_LINES:])]
    half = _LINES // 2
    return [*(f"  {_line(line)}" for line in lines[:half]), note, *(f"  {_line(line)}" for line in lines[-half:])]


def _line(text: str) -> str:
    """Return one line without what a terminal would obey, blanks kept."""
    return harmless((text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…").replace("\t", "    "))
