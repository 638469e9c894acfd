"""In which order tests run: file by file, in a file platform by platform, and what needs all of them after what needs one.

pytest puts tests together by the parameters of a session, whatever their files: that would be platform by platform. Here
a file's tests stay together, except where pytest's order keeps something of the user's from being set up again and again.
What would wait for a build is passed over while the build goes on: see `pytest_multiarch.plugin.passing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.plugin.grouping import Group

ORDER = "multiarch-order"
_INVOLVING = frozenset({"_multiarch_source", "target_platform"})


class Collected:
    """Remember in which order tests were collected, before anybody has had a say: pytest-randomly has its in a wrapper."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Remember the tests."""
        self.items = list(items)
        return (yield)


class Given:
    """Remember in which order tests are given to pytest's own order, which mixes the files. Registered after that."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Remember the tests."""
        self.items = list(items)


class Order:
    """Put the tests of a file together, and of those what needs the whole image last.

    Registered after conftests are loaded and before pytest's own order is: so it comes behind the latter, and before
    whatever a project or another plugin chooses.
    """

    def __init__(self) -> None:
        self.collected = Collected()
        self.given = Given()
        self._chosen: list[pytest.Item] = []
        self.groups: dict[pytest.Item, Group] = {}
        """The group of each test; empty where the plugin has no part in the order."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Look at the tests right before pytest's own order is made: what is registered later is asked earlier."""
        session.config.pluginmanager.register(self.given, f"{ORDER}-given")

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Choose the order of tests, where any of them uses an image or runs once per platform."""
        if not any(map(_is_involved, items)):
            return
        from pytest_multiarch.plugin.grouping import comes_late, file_of, groups_of

        if hasattr(config, "workerinput"):
            # Workers of pytest-xdist are handed tests in advance: by file, those of other files would wait behind a build.
            items.sort(key=comes_late)
            return
        self.groups = groups_of(items)
        by_file = {file_of(item): group.file for item, group in self.groups.items()}
        first: dict[str, int] = {}
        for item in self.given.items:
            file = file_of(item)  # one that has been taken out since has no group
            first.setdefault(by_file.get(file, file), len(first))

        def place(item: pytest.Item) -> tuple[int, bool]:
            group = self.groups[item]
            return first.get(group.file, len(first)), group.needs_all

        items.sort(key=place)
        self._chosen = list(items)

    def is_kept(self, items: Sequence[pytest.Item]) -> bool:
        """Say whether nobody else has chosen an order, before or after this one; whatever has been taken out meanwhile."""
        left = set(items)
        collected, given, chosen = (
            [item for item in some if item in left] for some in (self.collected.items, self.given.items, self._chosen)
        )
        return bool(self.groups) and collected == given and chosen == list(items)


def native_first(platforms: Sequence[Platform]) -> list[Platform]:
    """Return the platforms with the one that this machine would choose first: its image is there long before the others."""
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.platforms import Platform

    try:
        own = Platform.host().best(platforms)
    except UsageProblem:
        own = None  # a machine of no known kind
    return sorted(platforms, key=lambda platform: platform != own)


def _is_involved(item: pytest.Item) -> bool:
    """Say whether a test may use an image, or run once per platform."""
    return not _INVOLVING.isdisjoint(getattr(item, "fixturenames", ()))
