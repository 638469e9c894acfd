"""Fuzzing where atheris cannot be had: hypothesis damages the seeds, and what it finds is made small."""

from __future__ import annotations

import faulthandler
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fuzz.harness import Harness

_ONE_INPUT = 20  # seconds; what takes longer hangs
_SHORTENING = 60  # seconds


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return a seed with some bytes changed, taken out or put in, or cut off; or bytes without any seed."""
    data = bytearray(draw(st.sampled_from(seeds) | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from((0, 0, 1, 1, 4, 16, 64)))
        data[place : place + cut] = draw(st.binary(min_size=0, max_size=max(cut, 8)))
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


def fuzz(harness: Harness, seconds: float, finding: Path, *, runs: int = 0, examples: int = 2000) -> int:
    """Try damaged seeds until time is up or all runs are done, and return how many were found to be wrong: none, or one."""
    end = time.monotonic() + seconds
    count = rounds = 0
    last = b""

    def is_done() -> bool:
        return time.monotonic() > end or 0 < runs <= count

    def attempt(data: bytes) -> None:
        nonlocal count, last
        if is_done():
            return
        count, last = count + 1, data
        with _ended_where_it_hangs():
            harness(data)

    while not is_done():
        rounds += 1
        quietly = settings(
            database=None,
            deadline=None,
            max_examples=min(examples, runs or examples),
            suppress_health_check=list(HealthCheck),
        )
        try:
            seed(rounds)(quietly(given(damaged(harness.seeds))(attempt)))()
        except Exception:
            # Hypothesis ends with the smallest that it has found. It is kept before a smaller one is tried, which could hang.
            finding.write_bytes(last)
            finding.write_bytes(_smaller(harness, last))
            print(f"found: {finding}")
            raise
    print(f"{count} inputs, nothing found")
    return 0


@contextmanager
def _ended_where_it_hangs() -> Iterator[None]:
    """End the process, with its traceback, where what is done takes too long."""
    faulthandler.dump_traceback_later(_ONE_INPUT, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _error_of(harness: Harness, data: bytes) -> type[Exception] | None:
    """Return the kind of error that some bytes come to, None where there is none."""
    with _ended_where_it_hangs():
        try:
            harness(data)
        except Exception as error:
            return type(error)
    return None


def _smaller(harness: Harness, data: bytes) -> bytes:
    """Return what is left of some bytes once no single one can be taken out without the same error going away, or time is up.

    Hypothesis counts the choices that made an input, not its bytes: of two inputs as simple to it, one may be far longer.
    """
    wrong = _error_of(harness, data)
    part = len(data) if wrong else 0
    end = time.monotonic() + _SHORTENING
    while part and time.monotonic() < end:
        before, place = data, 0
        while place < len(data) and time.monotonic() < end:
            less = data[:place] + data[place + part :]
            if _error_of(harness, less) is wrong:
                data = less
            else:
                place += part
        part = part // 2 or int(data != before)
    return data
