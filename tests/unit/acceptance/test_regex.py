"""RE2's patterns: what Go's regexp says of each is known from its documentation and its source."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.acceptance.regex import PatternError, compile_pattern, quote
from pytest_multiarch.acceptance.regex.matching import Matcher
from pytest_multiarch.acceptance.regex.parsing import parse
from pytest_multiarch.errors import MultiArchError


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^hello$", "hello", True),
        ("^hello$", "hello\n", False),  # Python's $ would match before the newline
        ("(?m)^hello$", "a\nhello\nb", True),
        (r"\Ahello\z", "hello", True),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        ("[^a]", "\n", True),
        (r"\d", "٣", False),  # ASCII only
        (r"\w", "é", False),
        (r"\pL", "é", True),
        (r"\p{Lu}", "é", False),
        (r"\P{Lu}", "é", True),
        (r"\p{^Lu}", "É", False),
        (r"é\b", "é", False),  # no word character on either side
        (r"\Qa.b\E+", "a.bbb", True),
        (r"\Qa.b", "axb", False),
        ("[[:alpha:]]", "1", False),
        ("[[:^alpha:]]", "1", True),
        (r"\x{263A}", "☺", True),
        (r"\141", "a", True),
        ("(?i)straße", "STRAẞE", True),
        ("(?i)k", "\u212a", True),  # the Kelvin sign
        ("(?i:A)b", "aB", False),
        ("a{2,3}$", "aaaa", True),
        ("^a{2,3}$", "aaaa", False),
        ("a{,2}", "a{,2}", True),  # no count: as it stands
        ("x{0}y", "y", True),
        ("(?P<name>a)(?<other>b)", "ab", True),
        ("", "", True),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        ("(|a)+b", "b", True),
        ("(?U)a+", "a", True),
    ],
)
def test_means_what_go_says(pattern: str, text: str, *, found: bool) -> None:
    assert compile_pattern(pattern).found_in(text) is found


@pytest.mark.parametrize(
    ("pattern", "position"),
    [
        ("(?=a)", 0),
        (r"(a)\1", 3),
        ("a**", 2),
        ("a++", 2),
        ("*a", 0),
        ("a|*", 2),
        ("(a", 0),
        ("a)", 1),
        ("[a", 0),
        ("[b-a]", 1),
        ("a{1001}", 1),
        ("a{2,1}", 1),
        ("(a{100}){100}", 8),
        (r"\Z", 0),
        (r"\C", 0),
        ("a\\", 1),
        ("[[:nope:]]", 1),
        (r"\p{Nope}", 0),
        ("(?P<a>x)(?P<a>y)", 8),
        ("(?z)", 0),
        (r"\x{110000}", 0),
        ("(" * 5000, 201),
        ("a{" + "9" * 5000 + "}", 1),
    ],
)
def test_refuses_what_go_refuses(pattern: str, position: int) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert caught.value.position == position


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*c", "(.*)(.*)(.*)(.*)d", "a?" * 50 + "a" * 50 + "b"])
@pytest.mark.timeout(60)
def test_no_text_makes_a_pattern_take_for_ever(pattern: str) -> None:
    assert not compile_pattern(pattern).found_in("a" * 20_000 + "!")


@pytest.mark.timeout(60)
def test_ranges_in_every_case_are_read_by_the_characters_that_have_cases() -> None:
    wide = "".join(f"[\\x{{{code:x}}}-\\x{{10ffff}}]" for code in range(0x80, 0x280))  # a million characters each
    assert compile_pattern("(?i)^" + wide).found_in("\u00b5" * 512), "the micro sign is another case of the Greek mu"
    assert compile_pattern("(?i)[\u0430-\u044f]").found_in("\u0416")
    assert not compile_pattern("(?i)[\u0430-\u044f]").found_in("\u0401")


def test_refuses_what_would_be_too_large_with_its_repetitions_written_out() -> None:
    assert compile_pattern("^(" + "a" * 99 + "){1000}b").found_in("a" * 99_000 + "b")
    with pytest.raises(PatternError, match="100000"):
        compile_pattern("(" + "a" * 101 + "){1000}")


def test_says_that_a_pattern_takes_too_long_instead_of_going_on() -> None:
    # Each character comes to another set of places: which of the last thousand were an a.
    text = "".join("ab"[byte % 2] for byte in random.Random(1).randbytes(10_000))  # noqa: S311 - nothing is kept secret
    matcher = Matcher(parse("a[ab]{1000}x"), most_work=1_000_000)
    with pytest.raises(MultiArchError, match="matching a regular expression") as caught:
        matcher.found_in(text)
    assert "anchor" in caught.value.hint
    assert matcher.found_in("a" + text[:1000] + "x"), "the next text has all the steps again"


def test_forgets_steps_of_a_long_text_and_still_finds() -> None:
    text = "".join(map(chr, range(0x4E00, 0x9FFF))) * 4 + "end"
    assert compile_pattern("[^x]{3}end$").found_in(text)
    assert not compile_pattern("x[^y]end$").found_in(text)


_PIECES = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(?:ab)*", "a+", "b?", "a{1,2}", "^", "(?m)$", r"\A", r"\b"]
)


@given(st.lists(_PIECES, max_size=6).map("".join), st.text("ab\n", max_size=12))
def test_agrees_with_python_where_both_mean_the_same(pattern: str, text: str) -> None:
    python = re.sub(r"\(\?m\)\$", r"(?m:$)", pattern)
    assert compile_pattern(pattern.replace("(?m)$", "(?m:$)")).found_in(text) == bool(re.search(python, text))


@given(st.text())
def test_a_quoted_text_matches_itself(text: str) -> None:
    assert compile_pattern(f"^{quote(text)}$").found_in(text)
