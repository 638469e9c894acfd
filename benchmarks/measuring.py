"""Measuring alike, whatever is measured: each subject in a process of its own, one after another in turns, medians.

In turns, so that whatever else the machine does meets all subjects; a process each, so that peak memory is the subject's
own and nothing that one has warmed serves the next. The first turn warms the machine's caches and is not counted.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LIMIT: Final = 900.0
_PACKAGES: Final = ("isal", "requests", "zstandard", "pytest")
_ROOT: Final = Path(__file__).resolve().parent.parent


class BenchmarkError(Exception):
    """Say what could not be measured, and what to do."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Name a function of a module and its arguments, which have to be JSON as well as what it returns."""

    function: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one measurement: seconds on the clock and of all threads' CPU, peak resident bytes, and what was returned."""

    wall: float
    cpu: float
    peak: int
    value: Any = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold the medians of one subject's samples, the fastest and slowest, and the last returned value."""

    wall: float
    cpu: float
    peak: int
    fastest: float
    slowest: float
    turns: int
    value: Any = None


def in_turns(subjects: Mapping[str, Subject], turns: int) -> dict[str, Summary]:
    """Measure subjects in turns and return a summary each. Raises BenchmarkError: one of them failed."""
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    for turn in range(turns + 1):
        for name, subject in subjects.items():
            sample = in_child(subject)
            if turn:
                samples[name].append(sample)
    return {name: summary(found) for name, found in samples.items()}


def summary(samples: Sequence[Sample]) -> Summary:
    """Return the medians of samples."""
    walls = [sample.wall for sample in samples]
    return Summary(
        wall=median(walls),
        cpu=median(sample.cpu for sample in samples),
        peak=int(median(sample.peak for sample in samples)),
        fastest=min(walls),
        slowest=max(walls),
        turns=len(samples),
        value=samples[-1].value,
    )


def in_child(subject: Subject, limit: float = _LIMIT) -> Sample:
    """Measure a subject once, in a process of its own. Raises BenchmarkError: it failed, or took longer than the limit."""
    command = [sys.executable, "-m", "benchmarks.measuring", subject.function, json.dumps(subject.arguments)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])},
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{subject.function} took more than {limit:g} seconds") from None
    if done.returncode != 0:
        raise BenchmarkError(f"{subject.function} ended with exit code {done.returncode}\n{done.stderr.strip()}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def machine() -> dict[str, str]:
    """Describe the machine and what runs on it, as far as it makes figures differ."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    described = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(usable),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    return described | {package: _version(package) for package in _PACKAGES}


def write_json(path: Path, name: str, figures: Mapping[str, object]) -> None:
    """Write figures with the machine that they are from."""
    document = {"benchmark": name, "machine": machine(), **figures}
    path.write_text(json.dumps(document, indent=2, default=asdict) + "\n", encoding="utf-8")


def shown(name: str, found: Summary) -> str:
    """Return a summary on one line."""
    spread = f"{found.fastest:.2f} to {found.slowest:.2f}"
    return f"{name:34} {found.wall:6.2f} s ({spread}) {found.cpu:6.2f} s CPU {found.peak / 1e6:6.0f} MB peak"


def verdict(text: str, *, holds: bool) -> str:
    """Return what has to hold, and whether it does."""
    return f"{'holds ' if holds else 'MISSED'}  {text}"


def peak_memory() -> int:
    """Return the most bytes that this process has had resident.

    From Linux itself where it is to be had: ``ru_maxrss`` begins with what the parent had when it started this process.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _child(function: str, arguments: str) -> None:
    """Run one subject and print its sample. Importing it is not measured: pytest has its modules loaded anyway."""
    module, _, name = function.partition(":")
    subject = getattr(importlib.import_module(module), name)
    wall, cpu = time.perf_counter(), time.process_time()
    value = subject(*json.loads(arguments))
    sample = Sample(time.perf_counter() - wall, time.process_time() - cpu, peak_memory(), value)
    print(json.dumps(asdict(sample)))


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2])
