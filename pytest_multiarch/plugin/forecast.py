"""What the collected tests will ask for, as far as it can be seen before the first of them runs. Looks at items only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.plugin.ahead import WARM
from pytest_multiarch.plugin.selection import builds_something_else, platform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_multiarch.platforms import Platform


@dataclass(frozen=True, slots=True)
class Forecast:
    """Say what is to be started before it is asked for.

    ``image`` is whether the image that the options name or build is used, ``whole`` whether it is as a whole, ``more`` whether
    something is built that only a test can say. Of the ``platforms`` that are used, ``warm`` use their warm container,
    ``run`` fresh ones.
    """

    image: bool
    whole: bool
    more: bool
    platforms: tuple[Platform, ...]
    warm: tuple[Platform, ...]
    run: tuple[Platform, ...]


def forecast(items: Sequence[pytest.Item], share: int | None = 1) -> Forecast:
    """Return what these tests will ask for, in the order in which they will.

    ``share`` is for a process that gets only some of them: of how many it is to expect one, None where nobody knows. What it
    may not get counts among ``run``: the image is there for whoever does.
    """
    image = whole = more = False
    used: dict[Platform, None] = {}
    warm: Counter[Platform] = Counter()
    run: dict[Platform, None] = {}
    for item in items:
        names = getattr(item, "fixturenames", ())
        more = more or "multiarch_builder" in names or "multiarch_image_factory" in names
        if "_multiarch_source" not in names:
            continue
        if builds_something_else(item):
            more = True
            continue
        image = True
        platform = platform_of(item)
        # What neither has a platform nor says that it takes the whole image may take any of it.
        whole = whole or platform is None or "multiarch_image" in names
        if platform is not None:
            used[platform] = None
            if "platform_container" in names or getattr(getattr(item, "function", None), "wants", None) == WARM:
                warm[platform] += 1
            if "fresh_container" in names or "_multiarch_runs" in names:
                run[platform] = None
    sure = tuple(platform for platform, count in warm.items() if share is not None and count >= share)
    unsure = [platform for platform in warm if platform not in sure]
    return Forecast(image, whole, more, tuple(used), sure, tuple(dict.fromkeys([*unsure, *run])))
