"""Fuzzing where atheris cannot be had: hypothesis damages the seeds, and makes what it finds small."""

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
        except BaseException:
            finding.write_bytes(last)  # hypothesis ends with the smallest that it has found
            print(f"found: {finding}")
            raise
    print(f"{count} inputs, nothing found")
    return 0
