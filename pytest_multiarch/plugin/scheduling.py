"""Which worker of pytest-xdist gets which tests of a published image: each begins with those of one platform.

By itself ``--dist load`` gives each worker some tests of every platform. Each then starts a container of every platform and
reads all their files, which takes longer than most tests. Here a worker has a platform that it begins with, and helps with others
once none of its own are left. Only for images that are there: of one that is built, all workers begin with the platform that is
ready first.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from xdist.scheduler import LoadScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

#: pytest-xdist runs a test when it knows which comes next, or that none does.
_AT_LEAST: Final = 2


def home_of(worker: str, platforms: Sequence[str]) -> str:
    """Return the platform that a worker, named as pytest-xdist does (``gw0``), begins with."""
    number = worker.removeprefix("gw")
    return platforms[int(number) % len(platforms) if number.isdigit() else 0]


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
