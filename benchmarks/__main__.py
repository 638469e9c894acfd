"""The command `python -m benchmarks`: measure, print, and say whether what has to hold does."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import audit, memory
from benchmarks.measuring import BenchmarkError, machine, write_json
from lab.paths import MIRROR_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

_STAND_IN = f"{MIRROR_URL.partition('://')[2]}/library/python:3.11-slim"


def main(arguments: Sequence[str]) -> int:
    """Run one benchmark; 1 where something that has to hold does not."""
    options = _parser().parse_args(arguments)
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    try:
        if options.name == "audit":
            figures, holds = audit.measure(options.image, options.platforms.split(","), options.turns)
        else:
            figures, holds = memory.measure(int(options.gigabytes * 1e9))
    except BenchmarkError as error:
        print(f"{error}\nThe image comes from a registry on loopback: `python -m lab up` fills one.", file=sys.stderr)
        return 2
    if options.json is not None:
        write_json(options.json, options.name, figures)
    return 0 if holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    one = commands.add_parser("audit", help="the audit beside a bare fetch and gunzip, and file checks a second")
    one.add_argument("--image", default=_STAND_IN, help="by default the lab's stand-in, %(default)s")
    one.add_argument("--platforms", default="linux/amd64,linux/arm64")
    one.add_argument("--turns", type=int, default=7, help="how often each is measured, after one turn to warm up")
    two = commands.add_parser("memory", help="the memory of auditing a large image")
    two.add_argument("--gigabytes", type=float, default=2.0, help="how large it is, unpacked")
    for command in (one, two):
        command.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
