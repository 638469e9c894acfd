"""Whole commands measured from start to exit, in turns: what a user waits for, imports and clean-up included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import BenchmarkError, Sample, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.measuring import Summary

LIMIT: Final = 900.0
#: Bytecode is kept, as on everybody's machine, and nobody's own options take part.
_UNUSUAL: Final = ("PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE")

PYTEST: Final = (sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", "-pno:hypothesispytest")


@dataclass(frozen=True, slots=True)
class Command:
    """Name a command, where it runs, and what it has in its environment besides this process's."""

    args: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)


def run(command: Command, limit: float = LIMIT) -> Sample:
    """Run a command once. Raises BenchmarkError: it failed, or took longer than the limit."""
    environ = {name: value for name, value in os.environ.items() if name not in _UNUSUAL}
    before, started = os.times(), time.perf_counter()
    try:
        done = subprocess.run(
            command.args,
            cwd=command.folder,
            env={**environ, **command.environ},
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{' '.join(command.args)} took more than {limit:g} seconds") from None
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode != 0:
        output = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        raise BenchmarkError(f"{' '.join(command.args)} ended with exit code {done.returncode}\n{output}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(wall, cpu, 0)


def commands_in_turns(
    commands: Mapping[str, Command | Callable[[], Sample]], turns: int, *, warm_up: bool = True
) -> dict[str, Summary]:
    """Measure commands, or what gives a sample, in turns, after one turn that is not counted; print each sample."""
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for turn in range(0 if warm_up else 1, turns + 1):
        for name, command in commands.items():
            sample = run(command) if isinstance(command, Command) else command()
            print(f"  turn {turn or 'to warm up'}: {name} {sample.wall:.2f} s", flush=True)
            if turn:
                samples[name].append(sample)
    return {name: summary(found) for name, found in samples.items()}


def compared(ours: Summary, theirs: Summary, most: float, what: str) -> tuple[dict[str, object], bool]:
    """Print the ratio of two medians and whether it stays below what it may be; return both sides as figures."""
    ratio = ours.wall / theirs.wall
    holds = ratio <= most
    print(
        f"{what}: ours {ours.wall:.2f} s, beside {theirs.wall:.2f} s, ratio {ratio:.2f}, at most {most:.2f}: "
        f"{'holds' if holds else 'MISSED'}"
    )
    return {"ours": ours, "beside": theirs, "ratio": ratio, "at_most": most}, holds


def pytest_options(names: Sequence[str]) -> tuple[str, ...]:
    """Return options of the plugin from their names and values, as ``platforms=linux/amd64``."""
    return tuple(f"--multiarch-{name}" for name in names)
