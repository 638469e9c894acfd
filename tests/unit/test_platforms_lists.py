"""Lists of platforms, as an option, an ini value or a marker gives them."""

from __future__ import annotations

import pytest

from pytest_multiarch.errors import InvalidPlatform
from pytest_multiarch.platforms import parse_platforms


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("linux/amd64", ["linux/amd64"]),
        ("linux/amd64,linux/arm64", ["linux/amd64", "linux/arm64"]),
        ("linux/arm64,linux/amd64", ["linux/arm64", "linux/amd64"]),
        (" linux/arm64 , linux/amd64\n", ["linux/arm64", "linux/amd64"]),
        ("linux/arm64,,linux/amd64,", ["linux/arm64", "linux/amd64"]),
        (["linux/s390x", "linux/arm64,linux/amd64"], ["linux/s390x", "linux/arm64", "linux/amd64"]),
        (("arm64", "amd64"), ["linux/arm64", "linux/amd64"]),
        (["", "linux/arm"], ["linux/arm/v7"]),
        ("windows(10.0.17763)/amd64,windows/amd64", ["windows(10.0.17763)/amd64", "windows/amd64"]),
    ],
    ids=str,
)
def test_reads_several_platforms_in_the_order_given(given: str | list[str], expected: list[str]) -> None:
    assert [one.format_all() for one in parse_platforms(given)] == expected


def test_reads_platforms_from_an_iterator() -> None:
    assert len(parse_platforms(iter(["linux/amd64", "linux/arm64"]))) == 2


@pytest.mark.parametrize(
    ("given", "one", "other", "name"),
    [
        ("linux/arm64,linux/arm64/v8", "linux/arm64", "linux/arm64/v8", "linux/arm64"),
        ("linux/arm,linux/amd64,armhf", "linux/arm", "armhf", "linux/arm/v7"),
        (["amd64", "linux/x86_64"], "amd64", "linux/x86_64", "linux/amd64"),
        ("linux/amd64,linux/amd64", "linux/amd64", "linux/amd64", "linux/amd64"),
        ("linux(+b+a)/386,linux(+a+b)/386", "linux(+b+a)/386", "linux(+a+b)/386", "linux(+a+b)/386"),
    ],
    ids=str,
)
def test_refuses_the_same_platform_twice_and_names_both_spellings(
    given: str | list[str], one: str, other: str, name: str
) -> None:
    with pytest.raises(InvalidPlatform) as refusal:
        parse_platforms(given)

    assert refusal.value.found == f"{one!r} and {other!r} are the same platform, {name}"
    assert refusal.value.hint == "leave one of them out"


@pytest.mark.parametrize("given", ["", "  ", ",", " , ,", [], [""], ["", " , "]], ids=repr)
def test_refuses_a_list_without_a_platform(given: str | list[str]) -> None:
    with pytest.raises(InvalidPlatform, match="there is none") as refusal:
        parse_platforms(given)

    assert refusal.value.tried.startswith("reading the platforms ")
    assert "linux/amd64,linux/arm64" in refusal.value.hint


def test_names_the_one_that_is_wrong() -> None:
    with pytest.raises(InvalidPlatform) as refusal:
        parse_platforms("linux/amd64, linux/arn64 ,linux/s390x")

    assert str(refusal.value) == (
        "reading the platform 'linux/arn64': 'arn64' is not a known architecture\ndid you mean linux/arm64?"
    )
