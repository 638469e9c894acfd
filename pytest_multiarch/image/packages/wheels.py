"""Which wheels a platform's Python can have installed: the last part of a wheel's tags names the machine.

Sources: PEP 425 (tags), 513, 571, 599, 600 (manylinux), 656 (musllinux); the machine is sysconfig's, from ``uname -m``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.architectures import dpkg_architecture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.platforms import Platform

#: What the tags call the machine of a platform.
_MACHINES: Final = {
    "386": ("i686", "i586", "i486", "i386"),
    "amd64": ("x86_64",),
    "arm64": ("aarch64",),
    "loong64": ("loongarch64",),
    "mips": ("mips",),
    "mipsle": ("mips",),
    "mips64": ("mips64",),
    "mips64le": ("mips64",),
    "ppc64": ("ppc64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}
_WINDOWS: Final = {"386": "win32", "amd64": "win_amd64", "arm64": "win_arm64"}

#: manylinux and musllinux have one 32-bit arm, which is v7 and hard-float (PEP 599).
_PORTABLE_ARM: Final = {"v7": ("armv7l",), "v8": ("armv7l", "armv8l")}

_PORTABLE: Final = re.compile(r"(?:manylinux(?:1|2010|2014|_[0-9]+_[0-9]+)|musllinux_[0-9]+_[0-9]+)_(.+)")
_KERNELS_ARM: Final = re.compile(r"armv[5-8][a-z]*")


def wheel_fits(tags: Iterable[str], platform: Platform) -> bool:
    """Tell whether one of a wheel's tags is for the platform; whoever has no tags says nothing, and fits.

    Of 32-bit arm a wheel that was built in place has the kernel's word for the machine: armv7l or armv8l, too, where
    the image is arm/v5 or arm/v6. Such a tag fits every variant, and only the files inside can tell. manylinux and
    musllinux are promises. Whether the image has glibc or musl is not looked at.
    """
    given = list(tags)
    return not given or any(
        _machine_fits(name, platform) for tag in given for name in tag.rpartition("-")[2].split(".")
    )


def _machine_fits(name: str, platform: Platform) -> bool:
    if name == "any":
        return True
    if platform.os == "windows":
        return name == _WINDOWS.get(platform.architecture)
    if platform.os not in ("", "linux"):
        return False
    portable = _PORTABLE.fullmatch(name)
    if portable is not None:
        if platform.architecture == "arm":
            return portable[1] in _PORTABLE_ARM.get(platform.variant, ())
        return portable[1] in _MACHINES.get(platform.architecture, ())
    machine = name.removeprefix("linux_")
    if machine == name:
        return False
    if machine in dpkg_architecture(platform):
        return True  # so Debian tags what it builds: dh-python sets the machine to the architecture's name
    if platform.architecture == "arm":
        return _KERNELS_ARM.fullmatch(machine) is not None
    return machine in _MACHINES.get(platform.architecture, ())
