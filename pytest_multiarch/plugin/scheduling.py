"""Which worker of pytest-xdist gets which tests, where pytest-xdist by itself would have platforms in several workers.

Of a published image each worker begins with the tests of one platform. By itself ``--dist load`` gives each some tests of every
platform. Each then starts a container of every platform and reads all their files, which takes longer than most tests. Here a
worker has a platform that it begins with, and helps with others once none of its own are left. Only for images that are there: of
one that is built, all workers begin with the platform that is ready first.

With ``--dist loadgroup`` the tests of a group stay in one worker also where pytest-xdist loses sight of the groups.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from xdist.scheduler import LoadGroupScheduling, LoadScheduling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

#: pytest-xdist runs a test when it knows which comes next, or that none does.
_AT_LEAST: Final = 2


def home_of(worker: str, platforms: Sequence[str]) -> str:
    """Return the platform that a worker, named as pytest-xdist does (``gw0``), begins with."""
    number = worker.removeprefix("gw")
    return platforms[int(number) % len(platforms) if number.isdigit() else 0]


def improved(
    chosen: object, config: pytest.Config, log: Any, homes: Sequence[str], groups: Mapping[str, str]
) -> object:
    """Return the scheduler to use for one of pytest-xdist's own; any other one is returned as it is.

    ``homes`` are the platforms that workers begin with, none where all begin with the same; ``groups`` are `GroupScheduling`'s.
    """
    if type(chosen) is LoadScheduling and homes:
        return PlatformScheduling(config, log, homes)
    if type(chosen) is LoadGroupScheduling:
        return GroupScheduling(config, log, groups)
    return chosen


class PlatformScheduling(LoadScheduling):  # type: ignore[misc]  # pytest-xdist has types, and no py.typed
    """Give tests to workers as ``--dist load`` does, each those of its own platform first.

    ``platforms`` are the names that stand in tests' ids. Relies on that pytest-xdist gives out all tests in ``_send_tests``, as 3.8
    does: it is not public.
    """

    def __init__(self, config: pytest.Config, log: Any, platforms: Sequence[str]) -> None:
        super().__init__(config, log)
        self._platforms = tuple(platforms)
        self._names: list[str] = []

    def _send_tests(self, node: Any, num: int) -> None:
        home = home_of(node.gateway.id, self._platforms)
        chosen = self._of(home, num)
        most = min(num, _AT_LEAST - len(self.node2pending[node]))
        if len(chosen) < most:
            if not chosen:
                chosen = max((self._of(other, num) for other in ("", *self._platforms) if other != home), key=len)
            chosen += [index for index in self.pending if index not in chosen][: max(0, most - len(chosen))]
        taken = set(chosen)
        self.pending[:] = [index for index in self.pending if index not in taken]
        if chosen:
            self.node2pending[node].extend(chosen)
            node.send_runtest_some(chosen)

    def _of(self, platform: str, most: int) -> list[int]:
        """Return the first tests of a platform that nobody has; with an empty name, of those that have none."""
        if not self._names:
            self._names = [self._platform_of(nodeid) for nodeid in self.collection or ()]
        return list(islice((index for index in self.pending if self._names[index] == platform), most))

    def _platform_of(self, nodeid: str) -> str:
        _, _, parameters = nodeid.partition("[")
        words = parameters.rpartition("]")[0].split("-")
        return next((platform for platform in self._platforms if platform in words), "")


class GroupScheduling(LoadGroupScheduling):  # type: ignore[misc]  # as above
    """Give tests to workers as ``--dist loadgroup`` does; ``groups``, by tests' ids, are those that are not in the ids.

    ``groups`` may be filled until the first worker has collected. Relies on that pytest-xdist asks ``_split_scope`` for a test's
    group, as 3.8 does: it is not public.
    """

    def __init__(self, config: pytest.Config, log: Any, groups: Mapping[str, str]) -> None:
        super().__init__(config, log)
        self._groups = groups

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid) or str(super()._split_scope(nodeid))
