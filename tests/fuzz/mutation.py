"""Fuzzing where atheris cannot be had: hypothesis damages the seeds, and what it finds is made small."""

from __future__ import annotations

import faulthandler
import time
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.harness import Harness

_ONE_INPUT = 20  # seconds; what takes longer hangs


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Return a seed with some bytes changed, taken out or put in, or cut off; or bytes without any seed."""
    data = bytearray(draw(st.sampled_from(seeds) | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(data)))
        cut = draw(st.sampled_from((0, 0, 1, 1, 4, 16, 64)))
        data[place : place + cut] = draw(st.binary(min_size=0, max_size=max(cut, 8)))
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


def fuzz(harness: Harness, seconds: float, finding: Path, *, examples: int = 2000) -> int:
    """Try damaged seeds until the time is up, and return how many were found to be wrong: none, or one."""
    end = time.monotonic() + seconds
    count = rounds = 0
    last = b""

    def attempt(data: bytes) -> None:
        nonlocal count, last
        if time.monotonic() > end:
            return
        count, last = count + 1, data
        faulthandler.dump_traceback_later(_ONE_INPUT, exit=True)
        try:
            harness(data)
        finally:
            faulthandler.cancel_dump_traceback_later()

    while time.monotonic() < end:
        rounds += 1
        quietly = settings(database=None, deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck))
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


def _give(harness: Harness, data: bytes) -> type[BaseException] | None:
    """Let a harness read some bytes, and return what kind of error that was; one that hangs ends the process with its traceback."""
    faulthandler.dump_traceback_later(_ONE_INPUT, exit=True)
    try:
        harness(data)
    except Exception as error:
        return type(error)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return None


def _smaller(harness: Harness, data: bytes) -> bytes:
    """Return what is left of some bytes once no single one can be taken out without the same error going away.

    Hypothesis counts the choices that made an input, not its bytes: of two inputs as simple to it, one may be far longer.
    """
    wrong = _give(harness, data)
    part = len(data) if wrong else 0
    while part:
        before, place = data, 0
        while place < len(data):
            less = data[:place] + data[place + part :]
            if _give(harness, less) is wrong:
                data = less
            else:
                place += part
        part = part // 2 or int(data != before)
    return data
