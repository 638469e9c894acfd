"""The audit of a real image beside the floor: a bare fetch and gunzip of the same layers, each once."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measuring import Subject, in_child, in_turns, shown, verdict
from lab.paths import MIRROR_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measuring import Summary

MOST_TIMES: Final = 1.5
LEAST_CHECKS: Final = 2000

#: In a registry on loopback, which `python -m lab up` fills.
STAND_IN: Final = f"{MIRROR_URL.partition('://')[2]}/library/python:3.11-slim"

_SUBJECTS: Final = "benchmarks.subjects"
_FLOORS: Final = {
    "zlib": "fetch and gunzip, zlib",
    "isal.isal_zlib": "fetch and gunzip, ISA-L",
}
_CHECKED: Final = "the same, digests checked, ISA-L"
_AUDIT: Final = "audit"


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print, and return the figures and whether all that has to hold does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks audit", description=__doc__)
    parser.add_argument("--image", default=STAND_IN, help="by default the lab's stand-in, %(default)s")
    parser.add_argument("--platforms", default="linux/amd64,linux/arm64")
    parser.add_argument("--turns", type=int, default=7, help="how often each is measured, after one turn to warm up")
    options = parser.parse_args(argv)
    return measure(options.image, options.platforms.split(","), options.turns)


def measure(reference: str, platforms: Sequence[str], turns: int) -> tuple[dict[str, Any], bool]:
    """Print the figures, and return them and whether all that has to hold does."""
    what = (reference, list(platforms))
    subjects = {text: Subject(f"{_SUBJECTS}:floor", (*what, library, False)) for library, text in _FLOORS.items()}
    subjects[_CHECKED] = Subject(f"{_SUBJECTS}:floor", (*what, "isal.isal_zlib", True))
    subjects[_AUDIT] = Subject(f"{_SUBJECTS}:audit", what)
    found = in_turns(subjects, turns)
    rates = in_child(Subject(f"{_SUBJECTS}:checks", (reference, platforms[0]))).value
    return _tell(found, rates)


def _tell(found: dict[str, Summary], rates: dict[str, float]) -> tuple[dict[str, Any], bool]:
    audit = found[_AUDIT]
    floor = found[_FLOORS["zlib"]].value
    print(
        f"{floor['layers']} layers, {floor['packed'] / 1e6:.1f} MB, unpacked {floor['unpacked'] / 1e6:.1f} MB; "
        f"{audit.value['findings']} findings; medians of {audit.turns} turns (fastest to slowest)"
    )
    for name, one in found.items():
        print(shown(name, one))
    ratios = {name: audit.wall / one.wall for name, one in found.items() if name != _AUDIT}
    cpu = {name: audit.cpu / one.cpu for name, one in found.items() if name != _AUDIT}
    for name, ratio in ratios.items():
        print(f"audit / {name}: {ratio:.2f} on the clock, {cpu[name]:.2f} of CPU")
    print("file checks a second: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items()))
    # The floor is what anybody would write first. That the audit unpacks faster pays for its digests and its reading; beside
    # its own decompressor alone, the hashing of all bytes twice is more than half of the floor again.
    held = {
        f"at most {MOST_TIMES} times a fetch and gunzip with Python's zlib": ratios[_FLOORS["zlib"]] <= MOST_TIMES,
        "each layer fetched once": audit.value["layer_fetches"] == audit.value["layers"],
        f"more than {LEAST_CHECKS:,} file checks a second": min(rates.values()) > LEAST_CHECKS,
    }
    for text, holds in held.items():
        print(verdict(text, holds=holds))
    figures = {
        "subjects": {name: asdict(one) for name, one in found.items()},
        "ratios": ratios,
        "cpu_ratios": cpu,
        "checks_per_second": rates,
        "held": held,
    }
    return figures, all(held.values())
