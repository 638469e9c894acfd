"""python -m pytest_multiarch: what is done without a test run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run a command and return the exit code: 0 where all is well, 1 where something is left, 2 for no such command."""
    if list(argv) != ["prune"]:
        print(
            "usage: python -m pytest_multiarch prune\n\n  prune  remove what runs have kept (--multiarch-reuse) or left"
        )
        return 2
    from pytest_multiarch.engine.kept import prune

    problems = prune()
    print("\n".join(problems or ["nothing is left"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
