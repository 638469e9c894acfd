"""Fuzz one harness, or all of them one after another, for some seconds or some inputs."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzz.harness import Harness

# Known without importing anything: what is imported before atheris looks at it is not traced.
_MODULES = {
    "tests.fuzz.texts": ("platform", "reference", "dockerfile", "progress", "challenge"),
    "tests.fuzz.documents": ("index", "manifest", "config", "attestation"),
    "tests.fuzz.files": ("tar", "elf", "packages"),
    "tests.fuzz.suites": ("suite", "pattern"),
}
NAMES = tuple(name for names in _MODULES.values() for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, and return 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", choices=[*NAMES, "all"])
    parser.add_argument("--seconds", type=float, default=60, help="for each harness (default: 60)")
    parser.add_argument(
        "--runs", type=int, default=0, help="so many inputs for each, the same each time (default: while time lasts)"
    )
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what has led somewhere new")
    parser.add_argument("--findings", type=Path, default=Path(), help="the folder for what was found (default: here)")
    given = parser.parse_args(arguments)
    if given.name == "all":
        return _all(given)
    if find_spec("atheris") is None:
        from tests.fuzz.mutation import fuzz

        return fuzz(load(given.name), given.seconds, given.findings / given.name, runs=given.runs)
    # In a process of its own, which libFuzzer ends where it stands.
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        kept = given.corpus / given.name if given.corpus else Path(folder, "new")
        words = [given.name, f"{given.seconds:.0f}", given.runs, Path(folder, "seeds"), kept, given.findings]
        # What Python's sets hold first decides which code is reached first, and so what is tried next.
        environ = {**os.environ, "PYTHONHASHSEED": "0"} if given.runs else None
        command = [sys.executable, "-m", "tests.fuzz.coverage", *map(str, words)]
        return subprocess.run(command, check=False, env=environ, timeout=4 * given.seconds + 60).returncode


def load(name: str) -> Harness:
    """Import a harness."""
    module = next(module for module, names in _MODULES.items() if name in names)
    harness: Harness = importlib.import_module(module).HARNESSES[name]
    return harness


def _all(given: argparse.Namespace) -> int:
    """Run each in a process of its own: libFuzzer ends the one that it runs in, and so does what crashes."""
    failed = []
    options = [f"--seconds={given.seconds}", f"--runs={given.runs}", f"--findings={given.findings}"]
    options += [f"--corpus={given.corpus}"] if given.corpus else []
    for name in NAMES:
        print(f"fuzzing {name}: {given.runs or 'any'} inputs, {given.seconds:.0f} s at most", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", name, *options]
        done = subprocess.run(command, capture_output=True, check=False, timeout=4 * given.seconds + 120)
        said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        if done.returncode:
            failed.append(name)
            print("\n".join(said[-60:]), flush=True)
        elif said:
            print(f"  {said[-1]}", flush=True)
    print(f"findings in {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
