"""What platforms are called in paths and values, so that two of them can be compared without their names."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages import apk_architecture, dpkg_architecture, rpm_architecture

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform

#: What is used beside the names of the package managers, the kernel and the image specification: Node's, the official
#: images', Microsoft's, Rust's.
_OTHERS: Final = {
    "386": ("i386", "i486", "i586", "i686", "x86", "ia32"),
    "amd64": ("x64", "x86-64", "x86_64"),
    "arm": (
        "arm",
        "armhf",
        "armel",
        "armv5",
        "armv6",
        "armv7",
        "armv6l",
        "armv7l",
        "armv7hf",
        "arm32v5",
        "arm32v6",
        "arm32v7",
    ),
    "arm64": ("aarch64", "arm64v8", "armv8", "arm64-v8a"),
    "loong64": ("loongarch64",),
    "mips64le": ("mips64el",),
    "ppc64le": ("powerpc64le", "ppc64el"),
    "riscv64": ("riscv64gc",),
}
#: Of longer names the end tells the C library and the ABI: x86_64-linux-gnu, arm-unknown-linux-gnueabihf.
_TRIPLET: Final = r"(?:-[a-z]+)?-linux-(?:gnu|musl)(?:eabi|eabihf|abi64|x32)?"


def without_names(text: str, platform: Platform) -> str:
    """Return a path or value with the platform's own names taken out of it, so that it compares equal to its siblings."""
    return _pattern(platform).sub(lambda match: "{triplet}" if match["triplet"] else "{architecture}", text)


@cache
def _pattern(platform: Platform) -> re.Pattern[str]:
    names = {
        platform.architecture,
        f"{platform.architecture}{platform.variant}",
        f"{platform.architecture}/{platform.variant}" if platform.variant else platform.architecture,
        platform.machine,
        *dpkg_architecture(platform),
        *apk_architecture(platform),
        *rpm_architecture(platform),
        *_OTHERS.get(platform.architecture, ()),
    }
    longest_first = "|".join(re.escape(name) for name in sorted(filter(None, names), key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{longest_first})(?P<triplet>{_TRIPLET})?(?![A-Za-z0-9])")
