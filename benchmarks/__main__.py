"""The command `python -m benchmarks NAME`: measure, print, and say by the exit code whether what has to hold does."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.measuring import BenchmarkError, machine, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAMES: Final = {
    "audit": "the audit beside a bare fetch and gunzip, and file checks a second",
    "checks": "checks on an image that is ready, beside testinfra, and on two workers",
    "flow": "the sample project from start to exit, beside a shell; the first result",
    "memory": "the memory of auditing a large image",
    "platforms": "2, 4 and 6 platforms read and audited",
    "run": "run and exec beside the docker client and the bare API",
    "startup": "what the plugin costs where it is not used",
    "structure": "container-structure-test files, beside the real binary",
}


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark: 1 where something that has to hold does not, 2 where it could not be measured."""
    left, file = _without_json(arguments)
    if not left or left[0] not in NAMES:
        print("usage: python -m benchmarks NAME [--json FILE] [OPTION …], or NAME --help")
        print("\n".join(f"  {name:10} {text}" for name, text in NAMES.items()))
        return 2
    name = left[0]
    measure = cast("Callable[[Sequence[str]], tuple[dict[str, Any], bool]]", import_module(f"benchmarks.{name}").main)
    print(", ".join(f"{what} {value}" for what, value in machine().items()), flush=True)
    try:
        figures, holds = measure(left[1:])
    except BenchmarkError as error:
        print(f"{error}\nImages and a daemon are there after: python -m lab up --all-platforms", file=sys.stderr)
        return 2
    if file is not None:
        write_json(file, name, figures)
    return 0 if holds else 1


def _without_json(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Return the arguments without ``--json FILE``, which all benchmarks have, and the file."""
    left: list[str] = []
    file = None
    words = iter(arguments)
    for word in words:
        if word == "--json":
            file = Path(next(words, "figures.json"))
        elif word.startswith("--json="):
            file = Path(word.partition("=")[2])
        else:
            left.append(word)
    return left, file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
