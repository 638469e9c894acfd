"""Build the agent for each machine that daemons run on: ``python -m agent``, or ``--check`` that what is built is committed.

The compiler comes from PyPI in one version (the dependency group ``agent``), so that the same source gives the same bytes
on every machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE: Final = Path(__file__).with_name("agent.c")
BUILT: Final = Path(__file__).resolve().parents[1] / "pytest_multiarch" / "engine" / "agent"
TARGETS: Final = {"amd64": "x86_64-linux-none", "arm64": "aarch64-linux-none"}
_FLAGS: Final = (
    *("-std=c11", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-s"),
    # Nothing of a run-time library's: no libc is linked that would have it.
    *(
        "-fno-builtin",
        "-fno-stack-protector",
        "-fno-sanitize=all",
        "-fno-unwind-tables",
        "-fno-asynchronous-unwind-tables",
    ),
    "-Wl,--build-id=none",
)


def build(architecture: str) -> bytes:
    """Return the agent for an architecture. Raises CalledProcessError where the compiler refuses the source."""
    with tempfile.TemporaryDirectory(prefix="agent-") as folder:
        out = Path(folder) / "agent"
        compiler = (sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[architecture])
        # By its name alone: the compiler may write a path into what it makes.
        subprocess.run((*compiler, *_FLAGS, "-o", str(out), SOURCE.name), cwd=SOURCE.parent, check=True, timeout=300)
        return out.read_bytes()


def main(argv: Sequence[str]) -> int:
    """Build, or compare: 1 where something committed is not what its source gives."""
    parser = argparse.ArgumentParser(prog="python -m agent", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file would change")
    check = parser.parse_args(argv).check
    stale = False
    for architecture in TARGETS:
        program, file = build(architecture), BUILT / f"agent.{architecture}"
        is_same = file.is_file() and file.read_bytes() == program
        print(f"{file.name}: {len(program)} bytes, {'as it is committed' if is_same else 'changed'}")
        if not check:
            file.write_bytes(program)
        elif not is_same:
            stale = True
    if stale:
        print("what is committed is not what agent/agent.c gives: run python -m agent", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
