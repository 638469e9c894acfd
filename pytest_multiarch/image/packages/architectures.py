"""What dpkg, apk and rpm call the architecture of a platform.

Sources: dpkg's ``data/cputable`` and ``data/tupletable``; apk-tools' ``src/apk_arch.h``; rpm's ``rpmrc.in``; and for
32-bit arm docker-library's official images, whose arm/v5 is Debian's armel (official-images#3115, #20212), arm/v6 Alpine's
armhf, and arm/v7 Alpine's armv7 (docker-alpine#484) or Debian's armhf. Raspbian's armhf is v6 (docker-alpine#298), and
BuildKit takes Debian's arm/v5 for an arm/v6 that Debian does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_multiarch.image.packages.values import Package
    from pytest_multiarch.platforms import Platform

_DPKG: Final = {
    "386": ("i386",),
    "amd64": ("amd64",),
    "arm/v5": ("armel",),
    "arm/v6": ("armhf", "armel"),
    "arm/v7": ("armhf",),
    "arm/v8": ("armhf",),
    "arm64": ("arm64",),
    "loong64": ("loong64",),
    "mips": ("mips",),
    "mipsle": ("mipsel",),
    "mips64": ("mips64",),
    "mips64le": ("mips64el",),
    "ppc64": ("ppc64",),
    "ppc64le": ("ppc64el",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}
_APK: Final = {
    "386": ("x86",),
    "amd64": ("x86_64",),
    "arm/v5": ("armel",),
    "arm/v6": ("armhf",),
    "arm/v7": ("armv7", "armhf"),
    "arm/v8": ("armv7", "armhf"),
    "arm64": ("aarch64",),
    "loong64": ("loongarch64",),
    "mips": ("mips",),
    "mipsle": ("mipsel",),
    "mips64": ("mips64",),
    "mips64le": ("mips64el",),
    "ppc64": ("ppc64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}
_ARM_V5_RPM: Final = ("armv5tel", "armv5tl", "armv5tejl")
_ARM_V6_RPM: Final = ("armv6hl", "armv6l", *_ARM_V5_RPM)
_ARM_V7_RPM: Final = ("armv7hl", "armv7hnl", "armv6hl")
_RPM: Final = {
    "386": ("i686", "i586", "i486", "i386"),
    "amd64": ("x86_64",),
    # SUSE and AlmaLinux build for levels of x86-64 as well.
    "amd64/v2": ("x86_64_v2", "x86_64"),
    "amd64/v3": ("x86_64_v3", "x86_64_v2", "x86_64"),
    "amd64/v4": ("x86_64_v4", "x86_64_v3", "x86_64_v2", "x86_64"),
    "arm/v5": _ARM_V5_RPM,
    "arm/v6": _ARM_V6_RPM,
    "arm/v7": _ARM_V7_RPM,
    "arm/v8": ("armv8hl", *_ARM_V7_RPM),
    "arm64": ("aarch64",),
    "loong64": ("loongarch64",),
    "mips": ("mips",),
    "mipsle": ("mipsel",),
    "mips64": ("mips64",),
    "mips64le": ("mips64el",),
    "ppc64": ("ppc64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}
_ANY: Final = frozenset({"", "all", "any", "noarch", "(none)"})


def dpkg_architecture(platform: Platform) -> tuple[str, ...]:
    """Return the architectures of dpkg that are the platform's, the usual one first; none for other systems."""
    return _looked_up(_DPKG, platform)


def apk_architecture(platform: Platform) -> tuple[str, ...]:
    """Return the architectures of apk that are the platform's, the usual one first; none for other systems."""
    return _looked_up(_APK, platform)


def rpm_architecture(platform: Platform) -> tuple[str, ...]:
    """Return the architectures of rpm that are the platform's, the usual one first; none for other systems."""
    return _looked_up(_RPM, platform)


def package_fits(package: Package, platform: Platform) -> bool:
    """Tell whether a package is for the platform: of its architecture, or of none (``all``, ``noarch``).

    Where nothing is known of the platform's architectures, everything fits.
    """
    table = {"dpkg": _DPKG, "apk": _APK, "rpm": _RPM}[package.manager]
    wanted = _looked_up(table, platform)
    return package.architecture in _ANY or not wanted or package.architecture in wanted


def _looked_up(table: dict[str, tuple[str, ...]], platform: Platform) -> tuple[str, ...]:
    if platform.os not in ("", "linux"):
        return ()
    exact = table.get(f"{platform.architecture}/{platform.variant}")
    # Distributions do not tell most variants apart: arm64/v9 is arm64.
    return exact if exact is not None else table.get(platform.architecture, ())
