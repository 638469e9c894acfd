"""The sample project tested on two platforms, from start to exit, beside the same by hand in a shell; and how soon it begins.

``python -m benchmarks flow``: by hand is `by_hand.sh`, with 10 and with 1 `docker run` for each platform; ours has as many
checks, in one process and with two workers of pytest-xdist, and compares the index. Then: the time to the first result of
the native platform beside building that platform alone, by hand; and the time to the first result of a second run with
``--multiarch-reuse``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.commands import PYTEST, Command, commands_in_turns, compared, pytest_options, run
from benchmarks.measuring import BenchmarkError, Sample, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.measuring import Summary

PLATFORMS: Final = "linux/amd64,linux/arm64"
MOST: Final = {10: 0.5, 1: 1.15}
"""Which part of the shell's time this plugin may take, by the number of runs for each platform."""
WAYS: Final = {"in one process": (), "with two workers": ("-n2",)}
FIRST_LATER: Final = 1.5
REUSED_FIRST: Final = 1.5

_HERE: Final = Path(__file__).resolve().parent
_TESTS: Final = """
import pytest

@pytest.mark.parametrize("number", range(RUNS))
def test_run(platform_container, target_platform, number):
    result = platform_container.exec(["python", "app.py"])
    assert f"Architecture: {target_platform.machine}" in result.stdout

def test_index(multiarch_image, multiarch_platforms):
    assert set(multiarch_image.platforms) == set(multiarch_platforms)
"""
#: Writes when the first test is done, on the clock that all processes share.
_FIRST: Final = """
import time
from pathlib import Path

def pytest_runtest_logreport(report):
    if report.when == "call" and not Path("first").exists():
        Path("first").write_text(str(time.monotonic()))
"""


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print, and return the figures and whether all that has to hold does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks flow", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured, after one turn to warm up")
    options = parser.parse_args(argv)
    if find_spec("xdist") is None:
        raise BenchmarkError("xdist is not there: pip install pytest-xdist")
    for image in ("registry:2", "moby/buildkit:buildx-stable-1"):
        subprocess.run(["docker", "pull", "--quiet", image], check=True, stdout=subprocess.DEVNULL, timeout=300)
    figures: dict[str, Any] = {}
    held = []
    with _project() as folder:
        for runs, most in MOST.items():
            print(f"{runs} runs for each platform")
            ours = {way: _ours(folder, runs, args=args) for way, args in WAYS.items()}
            found = commands_in_turns({**ours, "by hand": _by_hand(folder, PLATFORMS, runs)}, options.turns)
            for way in ours:
                what = f"{runs} runs for each platform, {way}"
                figures[what], holds = compared(found[way], found["by hand"], most, what)
                held.append(holds)
        for name, measure in (("first native result", _first), ("first result, nothing changed", _reused)):
            print(name)
            figures[name], holds = measure(folder, options.turns)
            held.append(holds)
    return figures, all(held)


@contextmanager
def _project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="flow-benchmark-") as name:
        folder = Path(name)
        for file in ("Dockerfile", "app.py"):
            shutil.copy(_HERE.parent / "example_project" / file, folder)
        (folder / ".dockerignore").write_text("*\n!app.py\n", encoding="utf-8")
        (folder / "conftest.py").write_text(_FIRST, encoding="utf-8")
        for runs in MOST:
            (folder / f"test_{runs}.py").write_text(_TESTS.replace("RUNS", str(runs)), encoding="utf-8")
        yield folder


def _ours(folder: Path, runs: int, *more: str, args: Sequence[str] = ()) -> Command:
    options = pytest_options([f"platforms={PLATFORMS}", *more])
    return Command((*PYTEST, *args, f"test_{runs}.py", *options), folder)


def _by_hand(folder: Path, platforms: str, runs: int) -> Command:
    return Command(("bash", str(_HERE / "by_hand.sh"), str(folder), platforms, str(runs)), folder)


def _first(folder: Path, turns: int) -> tuple[dict[str, Any], bool]:
    """Measure until the first result, beside the native platform's build alone."""
    found = commands_in_turns(
        {
            "ours, first result": lambda: _until_first(_ours(folder, 1)),
            "by hand, build": _by_hand(folder, PLATFORMS.split(",")[0], 0),
        },
        turns,
    )
    ours, theirs = found.values()
    later = ours.wall - theirs.wall
    print(verdict(f"{later:+.2f} s after the build alone by hand, at most {FIRST_LATER}", holds=later <= FIRST_LATER))
    return {"ours": ours, "beside": theirs, "later": later, "at_most": FIRST_LATER}, later <= FIRST_LATER


def _reused(folder: Path, turns: int) -> tuple[dict[str, Any], bool]:
    """Measure until the first result of a run that finds everything from the one before."""
    try:
        run(_ours(folder, 1, "reuse"))
        found = commands_in_turns({"ours, again": lambda: _until_first(_ours(folder, 1, "reuse"))}, turns)
    finally:
        run(Command((sys.executable, "-m", "pytest_multiarch", "prune"), folder))
    again: Summary = found["ours, again"]
    holds = again.wall <= REUSED_FIRST
    print(verdict(f"{again.wall:.2f} s to the first result, at most {REUSED_FIRST}", holds=holds))
    return {"ours": again, "at_most": REUSED_FIRST}, holds


def _until_first(command: Command) -> Sample:
    mark = command.folder / "first"
    mark.unlink(missing_ok=True)
    started = time.monotonic()
    whole = run(command)
    return Sample(float(mark.read_text(encoding="ascii")) - started, whole.cpu, 0)
