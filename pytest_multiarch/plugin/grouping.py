"""What runs together: the tests of a file, and of these the ones of a platform. Looks at items only."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_multiarch.plugin.lifetimes import is_shared_with_other_files, may_leave_its_neighbours
from pytest_multiarch.plugin.selection import given_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

_WHOLE = "multiarch_image"


class Group(NamedTuple):
    """Say what a test runs together with: its file, its platform, and that it comes after those of one platform.

    All files that share something have the file ``""``. Not a dataclass: see `pytest_multiarch.plugin.selection.Needs`.
    """

    file: str
    platform: object
    needs_all: bool


def groups_of(items: Sequence[pytest.Item]) -> dict[pytest.Item, Group]:
    """Return the group of each test."""
    shared = {file_of(item) for item in items if is_shared_with_other_files(item)}
    return {
        item: Group("" if file_of(item) in shared else file_of(item), given_platform(item), comes_late(item))
        for item in items
    }


def comes_late(item: pytest.Item) -> bool:
    """Say whether a test waits for all platforms, and may do so behind others."""
    return _WHOLE in getattr(item, "fixturenames", ()) and may_leave_its_neighbours(item)


def file_of(item: pytest.Item) -> str:
    """Return the file that a test stands in, as its id names it."""
    return item.nodeid.partition("::")[0]
