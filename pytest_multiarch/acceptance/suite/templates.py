"""Values that name the platform, and tests that expect another value on one: a test's YAML as it stands for one platform."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_multiarch.acceptance.documents import Entry, Listing, Mapping, Scalar
from pytest_multiarch.acceptance.places import Problem
from pytest_multiarch.errors import InvalidPlatform
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.acceptance.documents import Value

PLACEHOLDER: Final = re.compile(r"\{platform(?:\.(\w*))?\}")
VARIANTS: Final = "per_platform"
"""The key of a test under which stands what is otherwise on some platforms."""

_PARTS: Final = ("os", "arch", "architecture", "variant", "machine")


def for_platform(test: Mapping, platform: Platform) -> Mapping:
    """Return a test as it stands for a platform: with what is otherwise there, and its name for ``{platform}``."""
    own = test.get(VARIANTS)
    entries = [entry for entry in test.entries if entry.key != VARIANTS]
    for entry in own.entries if isinstance(own, Mapping) else ():
        if isinstance(entry.value, Mapping) and _is(entry.key, platform):
            instead = {one.key for one in entry.value.entries}
            entries = [one for one in entries if one.key not in instead] + list(entry.value.entries)
    filled = _filled(replace(test, entries=tuple(entries)), platform)
    assert isinstance(filled, Mapping)
    return filled


def platforms_named(test: Mapping, problems: list[Problem]) -> Iterator[Platform]:
    """Yield the platforms that ``per_platform`` names; add what is wrong with it, and placeholders that are not known."""
    problems += _unknown_placeholders(test)
    own = test.get(VARIANTS)
    if own is None:
        return
    if not isinstance(own, Mapping):
        problems.append(Problem(own.place, "per_platform has no platforms: write it as {linux/arm64: {…}}"))
        return
    for entry in own.entries:
        try:
            platform = Platform.parse(entry.key)
        except InvalidPlatform as error:
            problems.append(Problem(entry.place, f"{entry.key!r} is no platform: {error.found}, {error.hint}"))
            continue
        if not isinstance(entry.value, Mapping):
            problems.append(Problem(entry.value.place, f"there is to be a mapping: what is otherwise on {platform}"))
            continue
        fixed = [one for one in entry.value.entries if one.key in ("name", "platforms", VARIANTS)]
        problems += [Problem(one.place, f"{one.key} is the same on all platforms") for one in fixed]
        yield platform


def _is(text: str, platform: Platform) -> bool:
    try:
        return Platform.parse(text) == platform
    except InvalidPlatform:
        return False


def _filled(value: Value, platform: Platform) -> Value:
    if isinstance(value, Scalar):
        return replace(value, text=_text(value.text, platform)) if "{platform" in value.text else value
    if isinstance(value, Listing):
        return replace(value, items=tuple(_filled(item, platform) for item in value.items))
    entries = (
        Entry(_text(one.key, platform), one.place, one.value if one.key == "name" else _filled(one.value, platform))
        for one in value.entries
    )
    return replace(value, entries=tuple(entries))


def _text(text: str, platform: Platform) -> str:
    parts = {
        None: str(platform),
        "os": platform.os,
        "arch": platform.architecture,
        "architecture": platform.architecture,
        "variant": platform.variant,
        "machine": platform.machine,
    }
    return PLACEHOLDER.sub(lambda found: parts.get(found[1], found[0]), text)


def _unknown_placeholders(value: Value) -> Iterator[Problem]:
    if isinstance(value, Scalar):
        for found in PLACEHOLDER.finditer(value.text):
            if found[1] is not None and found[1] not in _PARTS:
                known = ", ".join(f"{{platform.{part}}}" for part in _PARTS)
                yield Problem(value.place, f"{found[0]} is not known: there is {{platform}}, {known}")
    elif isinstance(value, Listing):
        for item in value.items:
            yield from _unknown_placeholders(item)
    else:
        for entry in value.entries:
            yield from _unknown_placeholders(entry.value)
