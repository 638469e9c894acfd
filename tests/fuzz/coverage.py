"""Fuzzing with atheris: what leads to code that was not reached before is kept, and changed further."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

from tests.fuzz.__main__ import load

_ONE_INPUT = 20  # seconds; what takes longer hangs
_LONGEST = 16 * 1024  # bytes; the limits of larger input are the unit tests' business


def fuzz(name: str, seconds: str, runs: int, seeds: Path, kept: Path, findings: Path) -> None:
    """Fuzz a harness. Does not return: libFuzzer ends the process, with another exit code than 0 where it found something."""
    # Only what is ours: tracing Python's own library as well takes most of the time and finds its branches.
    with atheris.instrument_imports(include=["pytest_multiarch"]):
        harness = load(name)
    for folder in (seeds, kept, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(harness.seeds):
        (seeds / str(number)).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={_ONE_INPUT}",
        f"-max_len={max(_LONGEST, *(len(seed) for seed in harness.seeds))}",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        *([f"-runs={runs}", "-seed=1"] if runs else []),
        f"-artifact_prefix={findings}/{name}-",
    ]
    atheris.Setup([sys.argv[0], *options, str(kept), str(seeds)], harness)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(Path, sys.argv[4:]))
