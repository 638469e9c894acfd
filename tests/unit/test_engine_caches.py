"""Caches of builds: one place per platform, local paths from the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_multiarch.engine.caches import cache_arguments, parse_cache
from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.platforms import Platform

ROOT = Path("/project")
TO, FROM = "--multiarch-cache-to", "--multiarch-cache-from"


def test_each_platform_has_its_own() -> None:
    given = ["type=local,src=/c/{platform}"], ["type=registry,ref=r.example/c:{platform}", "type=inline"]
    assert cache_arguments(*given, Platform.parse("linux/arm/v7")) == [
        *("--cache-from", "type=local,src=/c/linux-arm-v7"),
        *("--cache-to", "type=registry,ref=r.example/c:linux-arm-v7"),
        *("--cache-to", "type=inline"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=local,dest=cache/{platform},mode=max", "type=local,dest=/project/cache/{platform},mode=max"),
        ("type=local,dest=/abs/{platform}", "type=local,dest=/abs/{platform}"),
        ('type=local,"dest=a,b/{platform}"', 'type=local,"dest=/project/a,b/{platform}"'),
        ("type=registry,ref=host/cache:{platform}", "type=registry,ref=host/cache:{platform}"),
        ("type=inline", "type=inline"),
    ],
)
def test_local_paths_begin_at_the_project(text: str, expected: str) -> None:
    assert parse_cache(text, TO, ROOT, 2) == expected


def test_platforms_do_not_write_over_one_another() -> None:
    with pytest.raises(UsageProblem, match="the run's 2 platforms would write their caches over one another") as caught:
        parse_cache("type=local,dest=cache", TO, ROOT, 2)
    assert "{platform}" in caught.value.hint
    assert parse_cache("type=local,dest=cache", TO, ROOT, 1) == "type=local,dest=/project/cache"
    assert parse_cache("type=local,src=cache", FROM, ROOT, 2) == "type=local,src=/project/cache"


def test_what_is_no_list_of_fields_is_refused() -> None:
    with pytest.raises(UsageProblem, match=f"of {TO}"):
        parse_cache('type=local,"dest=x', TO, ROOT, 1)
