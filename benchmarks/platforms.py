"""An image of 2, 4 and 6 platforms read and audited: the time may grow with the bytes that are new, and no faster.

``python -m benchmarks platforms``: the image comes from a registry on loopback, which ``python -m lab up --all-platforms`` fills.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from benchmarks.audit import STAND_IN
from benchmarks.measuring import Subject, in_child, in_turns, shown, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/s390x", "linux/ppc64le")
COUNTS: Final = (2, 4, 6)
MOST_TIMES: Final = 1.1
"""How much faster than the bytes it may seem to grow: what is measured is not exact."""


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print, and return the figures and whether the time grows no faster than the bytes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks platforms", description=__doc__)
    parser.add_argument("--image", default=STAND_IN, help="by default the lab's stand-in, %(default)s")
    parser.add_argument("--turns", type=int, default=5, help="how often each is measured, after one turn to warm up")
    options = parser.parse_args(argv)
    subjects = {
        f"{count} platforms": Subject("benchmarks.subjects:audit", (options.image, list(PLATFORMS[:count])))
        for count in COUNTS
    }
    found = in_turns(subjects, options.turns)
    bytes_of = {
        name: in_child(Subject("benchmarks.subjects:floor", (*subject.arguments, "zlib", False))).value
        for name, subject in subjects.items()
    }
    first = next(iter(subjects))
    held = {}
    for name, one in found.items():
        longer = one.wall / found[first].wall
        fetched, unpacked = (bytes_of[name][kind] / bytes_of[first][kind] for kind in ("packed", "unpacked"))
        print(
            f"{shown(name, one)}: {longer:.2f} times as long for {unpacked:.2f} times the bytes, {fetched:.2f} times as fetched"
        )
        # What is unpacked is what is read; it is the stricter of the two where later platforms have smaller files.
        held[name] = longer <= MOST_TIMES * unpacked
    holds = all(held.values())
    print(verdict(f"no faster than the bytes, by {MOST_TIMES} at most", holds=holds))
    return {"platforms": found, "bytes": bytes_of, "held": held}, holds
