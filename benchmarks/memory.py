"""The memory that the audit of a large image takes: 2 GB in layers that two platforms share, under 300 MB resident."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measuring import Subject, in_child, shown, summary, verdict
from benchmarks.synthetic import PLATFORMS, write_image

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BYTES: Final = 300 * 1000 * 1000


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print, and return the figures and whether the memory stays within its bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="how large it is, unpacked")
    return measure(int(parser.parse_args(argv).gigabytes * 1e9))


def measure(size: int) -> tuple[dict[str, Any], bool]:
    """Print the figures, and return them and whether the memory stays within its bound.

    Needs room for the image twice in the folder for temporary files: as it is packed, and unpacked.
    """
    with tempfile.TemporaryDirectory(prefix="pytest-multiarch-benchmark-") as folder:
        place = write_image(Path(folder) / "image", size)
        found = summary([in_child(Subject("benchmarks.subjects:audit_layout", (place, list(PLATFORMS))))])
    print(
        f"{found.value['layers']} layers for {len(PLATFORMS)} platforms, {found.value['unpacked'] / 1e6:,.0f} MB unpacked"
    )
    print(shown("audit", found))
    holds = found.peak < MOST_BYTES and found.value["unpacked"] >= size
    print(verdict(f"{size / 1e9:g} GB unpacked, less than {MOST_BYTES / 1e6:g} MB resident", holds=holds))
    return {"audit": asdict(found), "held": {"memory": holds}}, holds
