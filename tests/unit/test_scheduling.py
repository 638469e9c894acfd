"""Which of pytest-xdist's workers gets which tests of a published image, by the ids alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from pytest_multiarch.plugin.scheduling import PlatformScheduling

pytest.importorskip("xdist")

PLATFORMS = ("linux/amd64", "linux/arm64")


class Node:
    """A worker: what it has been given, and what of it is not done."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduling(
    tests: list[str], nodes: int, platforms: tuple[str, ...] = PLATFORMS
) -> tuple[PlatformScheduling, list[Node]]:
    from pytest_multiarch.plugin.scheduling import PlatformScheduling

    options = {"maxschedchunk": None, "tx": ["popen"] * nodes, "numprocesses": nodes}
    config: Any = SimpleNamespace(
        getoption=options.get,
        getvalue=options.get,
        option=SimpleNamespace(**options),
        hook=SimpleNamespace(),
        rootpath=".",
    )
    made = PlatformScheduling(cast("pytest.Config", config), None, platforms)
    workers = [Node(number) for number in range(nodes)]
    for worker in workers:
        made.add_node(cast("Any", worker))
        made.add_node_collection(cast("Any", worker), tests)
    made.schedule()
    return made, workers


def finish(made: PlatformScheduling, workers: list[Node], pace: list[int]) -> None:
    """Let workers run their tests, each ``pace`` of them in a turn, as pytest-xdist has them run: with the next one known."""
    while made.has_pending:
        before = sum(map(len, made.node2pending.values())) + len(made.pending)
        for worker, most in zip(workers, pace, strict=True):
            for _ in range(most):
                waiting = made.node2pending[cast("Any", worker)]
                if len(waiting) >= 2 or (waiting and worker.shutting_down):
                    made.mark_test_complete(cast("Any", worker), waiting[0])
        assert sum(map(len, made.node2pending.values())) + len(made.pending) < before, "nobody has anything to do"


def ids_of(count: int, *names: str) -> list[str]:
    return [f"test_a.py::test_it[{name}-{number}]" for name in names for number in range(count)]


def test_each_worker_gets_those_of_its_own_platform() -> None:
    tests = ids_of(30, *PLATFORMS)
    made, workers = scheduling(tests, 2)
    finish(made, workers, [1, 1])
    assert sorted(index for worker in workers for index in worker.given) == list(range(60))
    for worker, platform in zip(workers, PLATFORMS, strict=True):
        own = [index for index in worker.given if platform in tests[index]]
        assert len(own) >= 28  # the last ones go to whoever is free
        assert own == sorted(own)


def test_who_has_no_more_of_its_own_helps_the_others() -> None:
    tests = ids_of(40, *PLATFORMS)
    made, workers = scheduling(tests, 2)
    finish(made, workers, [9, 1])
    fast, slow = workers
    assert sorted(fast.given + slow.given) == list(range(80))
    assert [index for index in fast.given if index >= 40], "the slow one was left alone"
    assert all(index >= 40 for index in slow.given)


def test_tests_without_a_platform_and_more_workers_than_platforms_are_all_served() -> None:
    tests = [
        "test_b.py::test_plain",
        *ids_of(7, *PLATFORMS),
        "test_b.py::test_other[linux-amd64]",
        "test_b.py::test_last",
    ]
    for count in (1, 2, 3, 8, 30):
        made, workers = scheduling(tests, count)
        finish(made, workers, [2, 1] * (count // 2) + [3] * (count % 2))
        assert sorted(index for worker in workers for index in worker.given) == list(range(len(tests)))


def test_fewer_tests_than_workers_are_served() -> None:
    made, workers = scheduling(ids_of(1, *PLATFORMS), 4)
    finish(made, workers, [1] * 4)
    assert sorted(index for worker in workers for index in worker.given) == [0, 1]


def test_what_a_worker_leaves_that_dies_goes_to_the_others() -> None:
    tests = ids_of(20, *PLATFORMS)
    made, workers = scheduling(tests, 2)
    left = list(made.node2pending[cast("Any", workers[0])])
    assert made.remove_node(cast("Any", workers[0])) == tests[left[0]]
    finish(made, workers[1:], [1])
    done_by_the_first = set(workers[0].given) - set(left)
    assert set(workers[1].given) == set(range(40)) - done_by_the_first - {left[0]}


@pytest.mark.parametrize(
    ("worker", "platform"),
    [
        ("gw0", "linux/amd64"),
        ("gw1", "linux/arm64"),
        ("gw2", "linux/amd64"),
        ("gw13", "linux/arm64"),
        ("main", "linux/amd64"),
    ],
)
def test_a_worker_has_a_platform_to_begin_with_by_its_number(worker: str, platform: str) -> None:
    from pytest_multiarch.plugin.scheduling import home_of

    assert home_of(worker, PLATFORMS) == platform


def test_only_xdists_own_schedulers_are_replaced() -> None:
    from xdist.scheduler import LoadGroupScheduling, LoadScheduling, LoadScopeScheduling

    from pytest_multiarch.plugin.scheduling import GroupScheduling, PlatformScheduling, improved

    own = type("Own", (LoadGroupScheduling,), {})
    config = scheduling([], 1)[0].config

    def kind(chosen: type[Any], homes: tuple[str, ...]) -> type[object]:
        return type(improved(chosen(config), config, None, homes, {}))

    assert kind(LoadScheduling, PLATFORMS) is PlatformScheduling
    assert kind(LoadScheduling, ()) is LoadScheduling
    assert kind(LoadGroupScheduling, ()) is GroupScheduling
    assert kind(LoadScopeScheduling, PLATFORMS) is LoadScopeScheduling
    assert kind(own, ()) is own
