"""Which tests run for which platforms, and what the collected tests will need. Looks at items only, never at Docker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import InvalidPlatform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.platforms import Platform

_PLATFORM_FIXTURES = frozenset({"multiarch_platforms", "target_platform"})
_READING_FIXTURES = frozenset({"multiarch_image", "multiarch_image_factory", "platform_image"})
_BUILDING_FIXTURES = frozenset({"multiarch_registry", "multiarch_builder"})
_ENGINE_FIXTURES = _BUILDING_FIXTURES | {"platform_container", "fresh_container"}
_DEFAULT_BUILD = "_multiarch_default_build"


@dataclass(frozen=True, slots=True)
class Needs:
    """Say what the collected tests ask for."""

    platforms: bool
    image: bool
    engine: bool
    registry_or_builder: bool
    default_build: bool
    """Whether what is built is what the options say: no conftest has put another `multiarch_build` in its place."""

    @property
    def anything(self) -> bool:
        """Say whether any test uses the plugin beyond the list of platforms."""
        return self.image or self.engine


def needs(items: Sequence[pytest.Item]) -> Needs:
    """Return what these tests ask for, from the names of their fixtures."""
    names: set[str] = set()
    for item in items:
        names.update(getattr(item, "fixturenames", ()))
    image = bool(names & _READING_FIXTURES)
    engine = bool(names & _ENGINE_FIXTURES)
    return Needs(
        platforms=image or engine or bool(names & _PLATFORM_FIXTURES),
        image=image,
        engine=engine,
        registry_or_builder=bool(names & _BUILDING_FIXTURES),
        # The closure holds this name only where nothing overrides `multiarch_build`, or what does asks for it.
        default_build=_DEFAULT_BUILD in names,
    )


def is_parametrized_by_user(metafunc: pytest.Metafunc) -> bool:
    """Say whether the test names its own platforms with `pytest.mark.parametrize`."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        if "target_platform" in (names.replace(",", " ").split() if isinstance(names, str) else names):
            return True
    return False


def split_by_marker(items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the items that stay and those that `@pytest.mark.platforms` excludes.

    Raises `pytest.UsageError` where a marker names no platform.
    """
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        marks = list(item.iter_markers("platforms"))
        platform = _platform_of(item)
        excluded = platform is not None and any(platform not in _named(item, mark) for mark in marks)
        (dropped if excluded else kept).append(item)
    return kept, dropped


def _platform_of(item: pytest.Item) -> Platform | None:
    callspec = getattr(item, "callspec", None)
    platform: Platform | None = callspec.params.get("target_platform") if callspec is not None else None
    return platform


def _named(item: pytest.Item, mark: pytest.Mark) -> tuple[Platform, ...]:
    from pytest_multiarch.platforms import Platform

    if not mark.args or mark.kwargs:
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.platforms takes platform names, such as @pytest.mark.platforms('linux/arm64')"
        )
    try:
        return tuple(Platform.parse(str(text)) for text in mark.args)
    except InvalidPlatform as error:
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.platforms: {error}") from None
