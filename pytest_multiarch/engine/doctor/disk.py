"""Space where a run writes: the folder for temporary files, and the daemon's data where that is on this machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.engine.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.doctor.check import Status

_GIB = 1024**3
_SCARCE, _TOO_LITTLE = 5 * _GIB, _GIB // 2
"""A base image for two platforms with its layers unpacked is about half a GiB; a build that compiles takes several."""


def check_temporary_space() -> Check:
    """Say how much is free where layers are kept while they are read."""
    return _check("temporary-space", Path(tempfile.gettempdir()), "Free some, or name another folder with TMPDIR.")


def check_daemon_space(engine: Engine, info: Mapping[str, Any]) -> Check | None:
    """Say how much is free where the daemon keeps images; None where that cannot be seen from here."""
    root = Path(str(info.get("DockerRootDir") or ""))
    if engine.is_elsewhere or not root.is_absolute() or "Docker Desktop" in str(info.get("OperatingSystem", "")):
        return None
    try:
        return _check("daemon-space", root, "Free some, for example with: docker system prune")
    except OSError:
        return None  # closed to this user, or another mount of it than the daemon's


def _check(name: str, folder: Path, hint: str) -> Check:
    free = shutil.disk_usage(folder).free
    status: Status = "failure" if free < _TOO_LITTLE else "warning" if free < _SCARCE else "ok"
    summary = f"{free / _GIB:.1f} GiB free in {folder}"
    return Check(name, status, summary, "" if status == "ok" else hint, {"folder": str(folder), "free": free})
