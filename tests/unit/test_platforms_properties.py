"""What holds for every platform and every text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_multiarch import _platform_names as names
from pytest_multiarch.errors import InvalidPlatform
from pytest_multiarch.platforms import Platform, parse_platforms

# The same examples in every run: a failure in somebody's CI is one that everybody can repeat.
quietly = settings(derandomize=True, database=None, deadline=None)

systems = st.sampled_from(sorted(names.OPERATING_SYSTEMS | names.WEBASSEMBLY_SYSTEMS | {"macos", "MacOS", "Linux"}))
architectures = st.sampled_from(sorted(names.ARCHITECTURES | set(names.ALIASES)))
variants = st.sampled_from(["", "v5", "v6", "7", "v8", "v8.5", "v9.1", "9", "v1", "v3", "power9", "rva23u64"])
platforms = st.builds(
    Platform.from_fields,
    systems | st.text(),
    architectures | st.text(),
    variants | st.text(),
    st.sampled_from(["", "10.0.17763", "10.0.20348.1"]) | st.text(),
    st.lists(st.text()),
)
known_platforms = st.builds(Platform.from_fields, systems, architectures)
#: Texts that are nearly platforms get further than any text does.
nearly = st.lists(systems | architectures | variants | st.sampled_from([*"/()+%.,* ", "%2B", "%zz"])).map("".join)


def read_or_refused(text: str) -> Platform | InvalidPlatform:
    try:
        return Platform.parse(text)
    except InvalidPlatform as refusal:
        return refusal


@quietly
@given(st.text() | nearly | st.from_regex(r"\w+(\([\w.%]*(\+[\w.%]+)*\))?(/[\w.]+){0,2}", fullmatch=True))
def test_reads_any_text_as_a_platform_that_it_can_write_or_refuses_it(text: str) -> None:
    read = read_or_refused(text)

    if isinstance(read, InvalidPlatform):
        assert read.tried == f"reading the platform {text!r}"
        assert read.found
        assert read.hint
    else:
        assert Platform.parse(read.format_all()) == read
        assert str(Platform.parse(str(read))) == str(read)


@quietly
@given(st.text() | nearly)
def test_suggests_nothing_that_it_would_refuse(text: str) -> None:
    read = read_or_refused(text)

    if isinstance(read, InvalidPlatform) and (name := re.fullmatch(r"did you mean (\S+)\?", read.hint)):
        assert str(Platform.parse(name[1])).startswith(name[1])


@quietly
@given(st.text() | st.lists(st.text() | nearly))
def test_reads_any_list_as_different_platforms_or_refuses_it(given_texts: str | list[str]) -> None:
    try:
        read = parse_platforms(given_texts)
    except InvalidPlatform:
        return
    assert read
    assert len(set(read)) == len(read)


@quietly
@given(known_platforms)
def test_reads_back_what_it_wrote(one: Platform) -> None:
    assert Platform.parse(str(one)) == one


@quietly
@given(platforms)
def test_stays_as_it_is_when_normalised_again(one: Platform) -> None:
    again = Platform.from_fields(one.os, one.architecture, one.variant, one.os_version, one.os_features)

    assert again == one


@quietly
@given(platforms)
def test_takes_itself_before_all_that_it_falls_back_to(one: Platform) -> None:
    assert one.fallbacks()[0] == one
    assert len(set(one.fallbacks())) == len(one.fallbacks())


@quietly
@given(known_platforms, st.lists(known_platforms | platforms))
def test_takes_the_best_only_from_what_it_accepts(host: Platform, offered: list[Platform]) -> None:
    accepted = [one for one in offered if host.accepts(one)]
    best = host.best(offered)

    assert (best in accepted) if accepted else (best is None)
    assert all(host.accepts(one) for one in offered if host.accepts(one, strict=True))


@pytest.mark.parametrize("architecture", sorted(names.VARIANTS))
def test_reads_every_variant_that_it_knows(architecture: str) -> None:
    for variant in names.VARIANTS[architecture]:
        one = Platform.parse(f"linux/{architecture}/{variant}")
        assert Platform.parse(str(one)) == one
