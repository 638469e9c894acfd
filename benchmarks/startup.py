"""What the plugin costs where it is installed and not used: pytest on an empty project, beside pytest without it.

Both are run by turns, so that whatever else the machine does falls on both. Processor time is shown beside the time on the
clock: on a machine that is busy it says more.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
_SIDES = {"with": [], "without": ["-p", "no:multiarch"]}
_MOST_SECONDS, _MOST_SHARE = 0.010, 1.03


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print both sides with difference and ratio, and return the figures and whether the aim is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks startup", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40, help="runs of each side (default: 40)")
    asked = parser.parse_args(argv)
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in _SIDES}
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        # Compiled modules, as an installed package has them, wherever the interpreter may not write.
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/pycache"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        project = Path(folder, "project")
        project.mkdir()
        for number in range(asked.repeats + 1):
            for side, options in _SIDES.items():
                seconds = _run([*_PYTEST, *options], project, environ)
                if number:  # the first of each compiles
                    taken[side].append(seconds)
    figures = {
        kind: {side: statistics.median(run[index] for run in runs) for side, runs in taken.items()}
        for index, kind in enumerate(("clock", "processor"))
    }
    print(f"pytest on an empty project, median of {asked.repeats} runs each")
    for kind, sides in figures.items():
        more, share = sides["with"] - sides["without"], sides["with"] / sides["without"]
        print(
            f"  {kind:9}  with {sides['with'] * 1000:.1f} ms, without {sides['without'] * 1000:.1f} ms: "
            f"{more * 1000:+.1f} ms, {share:.3f} times"
        )
    sides = figures["processor"]
    met = sides["with"] - sides["without"] <= _MOST_SECONDS and sides["with"] / sides["without"] <= _MOST_SHARE
    print(f"  aim: at most {_MOST_SECONDS * 1000:.0f} ms and {_MOST_SHARE} times: {'met' if met else 'missed'}")
    return {"repeats": asked.repeats, **figures}, met


def _run(command: Sequence[str], folder: Path, environ: dict[str, str]) -> tuple[float, float]:
    """Run pytest and return its seconds on the clock and of the processor."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 5:  # pytest.ExitCode.NO_TESTS_COLLECTED
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
