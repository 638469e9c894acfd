"""Run other programs for the lab: argument lists only, a time limit on each, output in the error when it fails."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from lab.console import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run(
    args: Sequence[str | Path],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: bytes | None = None,
    hint: str = "",
) -> str:
    """Run a program to its end and return its standard output.

    ``timeout`` is in seconds; ``env`` is the whole environment. Raises `LabError` with the output's last lines when the
    program is missing, fails, or outlives its limit.
    """
    name = " ".join(str(arg) for arg in args[:4])
    try:
        done = subprocess.run(
            [str(arg) for arg in args],
            capture_output=True,
            check=False,
            cwd=cwd,
            env=None if env is None else dict(env),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise LabError(f"running {name}", f"{error.filename}: no such program", hint) from None
    except subprocess.TimeoutExpired as error:
        raise LabError(f"running {name}", f"no end within {timeout:.0f} s", hint or tail(error.stderr)) from None
    if done.returncode != 0:
        output = tail(done.stderr) or tail(done.stdout)
        raise LabError(f"running {name}", f"exit code {done.returncode}\n{output}", hint)
    return done.stdout.decode(errors="replace")


def tail(output: bytes | None, lines: int = 15) -> str:
    """Return the last lines of a program's output."""
    return "\n".join((output or b"").decode(errors="replace").strip().splitlines()[-lines:])
