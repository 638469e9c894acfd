"""Base images as they come: this machine's own platform first, and nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pytest_multiarch.engine.bases import Bases
from pytest_multiarch.engine.coming_bases import ComingBases
from pytest_multiarch.errors import NotInRegistry
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.engine.bases import FoundBases

AMD64, ARM64, S390X = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/s390x"))
WAIT = 20


def found(*groups: Sequence[Platform]) -> Callable[[], FoundBases]:
    def give(platforms: Sequence[Platform]) -> list[Sequence[Platform]]:
        assert tuple(platforms) == (ARM64, AMD64, S390X)
        return list(groups)

    return lambda: cast("FoundBases", SimpleNamespace(groups=give))


def bases(group: Sequence[Platform]) -> Bases:
    return Bases({"group": " ".join(map(str, group))}, {}, {}, "")


def in_background(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def test_the_first_group_is_there_while_the_second_is_being_copied() -> None:
    coming, go_on = ComingBases([ARM64, AMD64, S390X]), threading.Event()

    def send(_: FoundBases, group: Sequence[Platform]) -> Bases:
        assert tuple(group) == (AMD64,) or go_on.wait(WAIT)
        return bases(group)

    copying = in_background(lambda: coming.copy(found((AMD64,), (ARM64, S390X)), send))
    assert coming.of(AMD64).contexts == {"group": "linux/amd64"}
    assert not coming._of[ARM64].done()
    go_on.set()
    assert coming.of(ARM64).contexts == coming.of(S390X).contexts == {"group": "linux/arm64 linux/s390x"}
    copying.join(WAIT)


def test_a_group_that_fails_fails_those_who_wait_for_it_alone() -> None:
    def send(_: FoundBases, group: Sequence[Platform]) -> Bases:
        if AMD64 in group:
            raise NotInRegistry("copying", "it is gone")
        return bases(group)

    coming = ComingBases([ARM64, AMD64, S390X])
    coming.copy(found((AMD64,), (ARM64, S390X)), send)
    with pytest.raises(NotInRegistry):
        coming.of(AMD64)
    assert coming.of(ARM64).contexts == {"group": "linux/arm64 linux/s390x"}


def test_what_cannot_be_read_fails_all() -> None:
    def find() -> FoundBases:
        raise NotInRegistry("reading", "it is gone")

    coming = ComingBases([ARM64, AMD64, S390X])
    coming.copy(find, lambda _, group: bases(group))
    for platform in (AMD64, ARM64, S390X):
        with pytest.raises(NotInRegistry):
            coming.of(platform)


def test_a_run_that_stops_before_anything_is_copied_ends_who_waits() -> None:
    coming, ended = ComingBases([AMD64]), threading.Event()

    def wait() -> None:
        with pytest.raises(CancelledError):
            coming.of(AMD64)
        ended.set()

    waiting = in_background(wait)
    coming.stop()
    waiting.join(WAIT)
    assert ended.is_set()
    coming.copy(lambda: pytest.fail("read all the same"), lambda *_: pytest.fail("sent all the same"))


def test_a_run_that_stops_just_as_the_copying_begins_leaves_nobody_waiting() -> None:
    coming = ComingBases([AMD64, ARM64])
    coming._of[ARM64].cancel()  # `stop`, which has come too late for the first
    coming.copy(lambda: pytest.fail("read all the same"), lambda *_: pytest.fail("sent all the same"))
    for platform in (AMD64, ARM64):
        with pytest.raises(CancelledError):
            coming.of(platform)


def test_what_is_being_copied_when_a_run_stops_comes_to_its_own_end() -> None:
    def send(_: FoundBases, group: Sequence[Platform]) -> Bases:
        coming.stop()
        return bases(group)

    coming = ComingBases([ARM64, AMD64, S390X])
    coming.copy(found((ARM64, AMD64, S390X)), send)
    assert coming.of(AMD64).contexts == {"group": "linux/arm64 linux/amd64 linux/s390x"}
