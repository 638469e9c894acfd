"""Another version of Docker Engine beside the installed one: Debian 14's packages, unpacked into a folder.

Its programs are asked for by path, so nothing on the machine changes. runc stays the machine's: Debian 14's wants a newer libc.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from lab import files, sources
from lab.console import LabError, step
from lab.daemons import NEWER
from lab.paths import CACHE
from lab.process import run

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = "forky"
PACKAGES = ("docker.io", "containerd", "docker-buildx", "docker-cli")


def ensure() -> None:
    """Download and unpack the newer engine, unless it is there."""
    target = NEWER.binaries
    if target is None or target.exists():
        return
    with step("unpacking a newer Docker Engine"):
        work = CACHE / "newer"
        shutil.rmtree(work, ignore_errors=True)  # what a killed run left; also an empty archive folder, for `download`
        folder = work / "packages"
        folder.mkdir(parents=True)
        options = _configure(work)
        run(["apt-get", "-q", *options, "update"], timeout=300)
        run(["apt-get", "-q", *options, "download", *PACKAGES], timeout=600, cwd=folder)
        root = work / "root"
        for package in sorted(folder.glob("*.deb")):
            run(["dpkg-deb", "-x", package, root], timeout=300)
        if not (root / "usr/sbin/dockerd").is_file():
            raise LabError(f"unpacking {RELEASE}'s docker.io", f"it has no usr/sbin/dockerd in {root}", "Has it moved?")
        root.rename(target)
        shutil.rmtree(work)


def _configure(work: Path) -> list[str]:
    """Return options that give apt lists, caches and sources of its own, and an idea of a machine without packages."""
    found = sources.for_release(sources.of_this_machine(), RELEASE)
    source_file, status = work / "newer.sources", work / "state" / "status"
    files.write(source_file, sources.render(source for source in found if source.suites == (RELEASE,)))
    files.write(status, "")
    (work / "state" / "lists" / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    settings = {
        "Acquire::Retries": "3",
        "APT::Sandbox::User": "root",  # the lab's folders are root's
        "Dir::Cache": str(work / "cache"),
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": str(source_file),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": str(work / "state"),
        "Dir::State::status": str(status),
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
