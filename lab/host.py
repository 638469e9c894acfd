"""Whether the lab can set up this machine, and what to do where it cannot."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.console import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Docker's and Go's names for what Debian has an engine for and the images half can make.
MACHINES = ("x86_64", "aarch64", "arm64", "amd64")
_ELSEWHERE = (
    "Install Docker Engine with buildx (https://docs.docker.com/engine/install/), start it, and run this again."
)


@dataclass(frozen=True, slots=True)
class Host:
    """What decides whether the lab can work here."""

    system: str
    machine: str
    is_root: bool
    has_apt: bool
    release: Mapping[str, str]

    @property
    def codename(self) -> str:
        """Return the distribution's codename, which apt's sources use."""
        return self.release.get("VERSION_CODENAME", "")


def this() -> Host:
    """Look at the machine that this runs on."""
    return Host(
        system=platform.system(),
        machine=platform.machine(),
        is_root=hasattr(os, "geteuid") and os.geteuid() == 0,
        has_apt=shutil.which("apt-get") is not None,
        release=read_os_release(Path("/etc/os-release")),
    )


def read_os_release(path: Path) -> dict[str, str]:
    """Return the fields of an ``os-release(5)`` file, none where it is missing."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def check(host: Host) -> None:
    """Raise `LabError` where the lab cannot install and start an engine; it says what would be needed."""
    tried = "looking for a Docker daemon, and for a way to set one up"
    name = host.release.get("PRETTY_NAME") or host.system
    family = {host.release.get("ID", ""), *host.release.get("ID_LIKE", "").split()}
    if host.system != "Linux":
        raise LabError(tried, f"none answers, and the lab sets up Linux only, not {name}", _ELSEWHERE)
    if not host.has_apt or "debian" not in family:
        raise LabError(tried, f"none answers, and the lab installs with Debian's apt, which {name} lacks", _ELSEWHERE)
    if host.machine not in MACHINES:
        raise LabError(tried, f"none answers, and the lab sets up amd64 and arm64, not {host.machine}", _ELSEWHERE)
    if _too_old(host.release):
        raise LabError(tried, f"none answers, and {name} is too old for Debian 13's engine", _ELSEWHERE)
    if not host.is_root:
        raise LabError(
            tried,
            "none answers, and setting one up (packages, dockerd, binfmt_misc) takes root",
            "Either start a Docker daemon that you may use, or let root do it once: sudo python3 -m lab up\n"
            "If one runs already, you may lack the right to use it: sudo usermod -aG docker $USER, and log in again.",
        )


def _too_old(release: Mapping[str, str]) -> bool:
    oldest = {"debian": 12, "ubuntu": 22}.get(release.get("ID", ""))
    major = release.get("VERSION_ID", "").split(".")[0]
    return oldest is not None and major.isdigit() and int(major) < oldest
