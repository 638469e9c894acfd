"""Install what the lab runs from Debian's packages.

Debian 12's own engine (20.10) has neither the containerd image store nor buildx, so the engine comes from Debian 13 there, as
a second apt source pinned so low that nothing else moves. Newer Debian and Ubuntu have what is needed.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import files, sources
from lab.console import LabError, step
from lab.paths import CACHE
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence

RELEASE = "trixie"
SOURCE_FILE = Path("/etc/apt/sources.list.d/pytest-multiarch-lab.sources")
PIN_FILE = Path("/etc/apt/preferences.d/pytest-multiarch-lab")
POLICY_FILE = Path("/usr/sbin/policy-rc.d")

_ORIGIN = "Written by the lab of pytest-multiarch (python3 -m lab up); `python3 -m lab down` removes it."
_PIN = f"""\
# {_ORIGIN}
# Nothing comes from Debian 13, its updates and its security archive among it, unless it is asked for by name, as the lab
# does for its Docker engine.
Package: *
Pin: release n={RELEASE}*
Pin-Priority: 50
"""
_POLICY = f"""\
#!/bin/sh
# {_ORIGIN}
# The lab starts its daemons itself: no package starts a service while the lab installs.
exit 101
"""


@dataclass(frozen=True, slots=True)
class Need:
    """A package, and the files any of which shows that the machine has what it brings, from whomever."""

    package: str
    brings: tuple[str, ...]
    from_newer: bool = False  # on Debian 12
    oldest: int = 0  # major version


_PLUGIN_FOLDERS = ("/usr/libexec/docker", "/usr/lib/docker", "/usr/local/libexec/docker", "/usr/local/lib/docker")
NEEDS = (
    Need("docker.io", ("dockerd",), from_newer=True, oldest=23),
    Need("containerd", ("containerd",), from_newer=True),
    Need("docker-buildx", tuple(f"{folder}/cli-plugins/docker-buildx" for folder in _PLUGIN_FOLDERS), from_newer=True),
    Need("docker-cli", ("docker",), from_newer=True),
    Need("runc", ("runc",)),
    Need("iptables", ("iptables",)),
    Need("iproute2", ("ip",)),
    # Debian 12's QEMU (7.2) is from before kernels that spread programs wider in memory, where it may crash.
    Need("qemu-user-static", ("/usr/lib/binfmt.d/qemu-riscv64.conf",), from_newer=True),
    Need("docker-registry", ("docker-registry",)),
    # What unpacks gzip twice as fast for engines that find it when they start: Docker's own packages recommend it.
    Need("pigz", ("unpigz",)),
)


def missing(needs: Sequence[Need] = NEEDS) -> tuple[Need, ...]:
    """Return the packages that are to be installed, those that an interrupted installation left half-way among them."""
    installed = _installed([need.package for need in needs])
    found = []
    for need in needs:
        state, version = installed.get(need.package, ("absent", ""))
        if state == "installed":
            wanted = 0 < _major(version) < need.oldest
        else:
            wanted = state != "absent" or not any(_there(name) for name in need.brings)
        if wanted:
            found.append(need)
    return tuple(found)


def install(needs: Sequence[Need], *, codename: str) -> None:
    """Install packages; on Debian 12, the engine's from Debian 13. Raises `LabError` with apt's words."""
    newer = codename == "bookworm" and any(need.from_newer for need in needs)
    if newer:
        files.write(PIN_FILE, _PIN)  # before the source: between the two, apt must not see the source alone
        found = sources.for_release(sources.of_this_machine(), RELEASE)
        files.write(SOURCE_FILE, f"# {_ORIGIN}\n{sources.render(found)}")
    names = [f"{need.package}/{RELEASE}" if newer and need.from_newer else need.package for need in needs]
    with step(f"installing {', '.join(need.package for need in needs)}"):
        install_named(names, newer=newer)


def install_named(names: Sequence[str], *, newer: bool = False) -> None:
    """Install packages by name, without starting a service and without removing a package."""
    broken = _mend()
    given = {name.partition("/")[0] for name in names}
    if newer:
        only = ["-o", f"Dir::Etc::sourcelist={SOURCE_FILE}", "-o", "Dir::Etc::sourceparts=-"]
        _apt_get("update", *only, "-o", "APT::Get::List-Cleanup=0")
    # An archive folder of our own: other apt-get processes, and hooks that clean up, leave its packages alone.
    archives = CACHE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    arguments = [
        "install", "--yes", "--no-install-recommends", "--no-remove",
        "-o", f"Dir::Cache::archives={archives}",
        "-o", "APT::Keep-Downloaded-Packages=true",
        "-o", "Dpkg::Options::=--force-confdef",
        "-o", "Dpkg::Options::=--force-confold",
        *(["--reinstall"] if broken else []),
        *names, *(package for package in broken if package not in given),
    ]  # fmt: skip
    forbid_services()
    try:
        try:
            _apt_get(*arguments)
        except LabError:
            # No package lists yet, or lists that name versions the archive has replaced since.
            _apt_get("update")
            _apt_get(*arguments)
    finally:
        allow_services()


def remove_sources() -> None:
    """Remove the files that `install` wrote for apt. What it installed stays."""
    for path in (SOURCE_FILE, PIN_FILE):
        path.unlink(missing_ok=True)
    allow_services()


def forbid_services() -> None:
    """Keep packages from starting services; a machine that has a policy keeps its own."""
    if not POLICY_FILE.exists():
        files.write(POLICY_FILE, _POLICY, mode=0o755)


def allow_services() -> None:
    """Take back `forbid_services`, also after an earlier run that was killed."""
    if POLICY_FILE.exists() and POLICY_FILE.read_text() == _POLICY:
        POLICY_FILE.unlink()


def _mend() -> list[str]:
    """Finish what a process killed inside dpkg left, which apt refuses to go on with; return what is to be reinstalled."""
    failure: LabError | None = None
    try:
        run(["dpkg", "--configure", "-a", "--force-confold"], timeout=300, env=_environment())
    except LabError as error:
        failure = error
    # What was killed while dpkg unpacked it can only be installed again; apt takes it for installed unless told so.
    listing = run(["dpkg-query", "--show", "--showformat", "${db:Status-Eflag} ${Package}\n"], timeout=60)
    rows = (line.partition(" ") for line in listing.splitlines())
    broken = [package for flag, _, package in rows if flag == "reinstreq"]
    if failure is not None and not broken:
        raise failure
    return broken


def _apt_get(*arguments: str) -> None:
    run(
        ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", *arguments],
        timeout=900,
        env=_environment(),
        hint="Where apt itself cannot go on (`apt-get check`), mend it first; then run the same lab command again.",
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "NEEDRESTART_MODE": "l"}


def _installed(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return dpkg's state word and version of each package that it has heard of."""
    listing = run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status} ${Version}\n"], timeout=60)
    rows = (line.split(" ", 2) for line in listing.splitlines())
    known = {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}
    return {
        name: ("absent" if known[name][0] in {"not-installed", "config-files"} else known[name][0], known[name][1])
        for name in names
        if name in known
    }


def _major(version: str) -> int:
    digits = version.rpartition(":")[2].split(".")[0]
    return int(digits) if digits.isdigit() else 0


def _there(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).exists()
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin") is not None
