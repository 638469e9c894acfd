"""While builds go on, tests pass over those that would wait for one; these come in their turn as soon as theirs is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.plugin.lifetimes import may_leave_its_neighbours
from pytest_multiarch.plugin.order import native_first
from pytest_multiarch.plugin.selection import builds_something_else, platform_of, uses_image

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.plugin.grouping import Group

NAME = "multiarch-passing"


class Passing:
    """Arrange the tests that have not begun anew whenever a build ends: first those that wait for none.

    pytest's loop takes a test and the next one from the session's list, and runs the one with a view to what the other
    shares with it. So these two stay, and all behind them may change places. ``is_awaited`` says whether
    a platform's build goes on, with None that of any.
    """

    def __init__(
        self,
        session: pytest.Session,
        groups: Mapping[pytest.Item, Group],
        platforms: Sequence[Platform],
        is_awaited: Callable[[Platform | None], bool],
    ) -> None:
        self._items = session.items
        self._manager = session.config.pluginmanager
        self._groups = groups
        self._ranks: dict[Platform | None, int] = {
            platform: rank for rank, platform in enumerate(native_first(platforms))
        }
        self._is_awaited = is_awaited
        self._places = {item: place for place, item in enumerate(session.items)}
        self._awaited = _awaited(session.items, groups)
        self._platforms = frozenset(self._awaited.values())
        self._waiting: frozenset[Platform | None] | None = None
        self._begun = 0

    def begin(self) -> None:
        """Arrange all tests, and go on while any of them waits."""
        self._manager.register(self, NAME)
        self._arrange(0, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Arrange what comes after these two."""
        fixed = self._items[self._begun : self._begun + 2]
        self._begun += 1
        if fixed == [item, nextitem]:
            self._arrange(self._begun + 1, nextitem)
        else:
            self._manager.unregister(self)  # the last test, or somebody else's loop, which has an order of its own
        return (yield)

    def _arrange(self, start: int, before: pytest.Item | None) -> None:
        # Of platforms, not of groups: this is asked before every test, and there may be thousands of files.
        waiting = frozenset(filter(self._is_awaited, self._platforms))
        if waiting != self._waiting:
            self._waiting = waiting
            # What the test before shares with its neighbours is not set up a second time for having left them.
            staying = None if before is None or may_leave_its_neighbours(before) else self._groups[before]

            def place(item: pytest.Item) -> tuple[bool, int, int]:
                group = self._groups[item]
                # Of those that wait, what the machine's own platform is to, whose build is the first to end, comes first.
                is_waiting = group in self._awaited and self._awaited[group] in waiting
                rank = 1 + self._ranks.get(self._awaited[group], len(self._ranks)) if is_waiting else 0
                return group != staying, rank, self._places[item]

            self._items[start:] = sorted(self._items[start:], key=place)
        if not waiting:
            self._manager.unregister(self)


def _awaited(items: Iterable[pytest.Item], groups: Mapping[pytest.Item, Group]) -> dict[Group, Platform | None]:
    """Return what each group waits for that waits for the run's own build: a platform, or None for all of them."""
    found: dict[Group, Platform | None] = {}
    for item in items:
        group = groups[item]
        if group in found or builds_something_else(item):
            continue
        if group.needs_all:
            found[group] = None
        elif uses_image(item) and (platform := platform_of(item)) is not None:
            found[group] = platform
    return found
