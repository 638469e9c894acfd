"""What the managers call a platform's architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch import _platform_names as names
from pytest_multiarch.image.packages import (
    Package,
    apk_architecture,
    dpkg_architecture,
    package_fits,
    rpm_architecture,
)
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pytest_multiarch.image.packages.values import Manager


@pytest.mark.parametrize(
    ("platform", "dpkg", "apk", "rpm"),
    [
        ("linux/amd64", "amd64", "x86_64", "x86_64"),
        ("linux/amd64/v3", "amd64", "x86_64", "x86_64_v3"),
        ("linux/386", "i386", "x86", "i686"),
        ("linux/arm64", "arm64", "aarch64", "aarch64"),
        ("linux/arm64/v9", "arm64", "aarch64", "aarch64"),
        ("linux/arm/v5", "armel", "armel", "armv5tel"),
        ("linux/arm/v6", "armhf", "armhf", "armv6hl"),
        ("linux/arm/v7", "armhf", "armv7", "armv7hl"),
        ("linux/ppc64le", "ppc64el", "ppc64le", "ppc64le"),
        ("linux/s390x", "s390x", "s390x", "s390x"),
        ("linux/riscv64", "riscv64", "riscv64", "riscv64"),
        ("linux/mips64le", "mips64el", "mips64el", "mips64el"),
        ("linux/loong64", "loong64", "loongarch64", "loongarch64"),
    ],
)
def test_the_usual_name_comes_first(platform: str, dpkg: str, apk: str, rpm: str) -> None:
    one = Platform.parse(platform)
    assert (dpkg_architecture(one)[0], apk_architecture(one)[0], rpm_architecture(one)[0]) == (dpkg, apk, rpm)


@pytest.mark.parametrize("architecture", sorted(names.LINUX_PORTS))
def test_every_linux_port_has_names(architecture: str) -> None:
    one = Platform.parse(f"linux/{architecture}")
    assert dpkg_architecture(one)
    assert apk_architecture(one)
    assert rpm_architecture(one)


@pytest.mark.parametrize(
    ("manager", "architecture", "platform", "fits"),
    [
        ("dpkg", "amd64", "linux/amd64", True),
        ("dpkg", "amd64", "linux/arm64", False),
        ("dpkg", "all", "linux/arm64", True),
        ("dpkg", "i386", "linux/amd64", False),
        ("dpkg", "armel", "linux/arm/v6", True),  # Debian's arm/v5, which BuildKit takes for arm/v6
        ("dpkg", "armhf", "linux/arm/v6", True),  # Raspbian
        ("dpkg", "armel", "linux/arm/v7", False),
        ("apk", "armhf", "linux/arm/v7", True),
        ("apk", "armv7", "linux/arm/v6", False),
        ("apk", "noarch", "linux/s390x", True),
        ("rpm", "noarch", "linux/s390x", True),
        ("rpm", "x86_64", "linux/amd64/v3", True),
        ("rpm", "x86_64_v2", "linux/amd64", False),
        ("rpm", "", "linux/amd64", True),
        ("dpkg", "amd64", "linux/sparc64", True),
        ("dpkg", "amd64", "windows/amd64", True),
    ],
)
def test_a_package_fits_its_platform(manager: Manager, architecture: str, platform: str, fits: bool) -> None:
    assert package_fits(Package("x", "1", architecture, manager), Platform.parse(platform)) is fits
