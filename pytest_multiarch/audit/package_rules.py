"""Rules about packages: they have to be for the platform's architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.rule import PlatformRule
from pytest_multiarch.image.packages import (
    apk_architecture,
    dpkg_architecture,
    package_fits,
    rpm_architecture,
    wheel_fits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.views import PlatformView
    from pytest_multiarch.image.packages import Package


class ForeignPackageRule(PlatformRule):
    """Find packages of dpkg, apk or rpm that are for another architecture than the platform's.

    Packages for all architectures (`all`, `noarch`) fit everywhere. An image that has a second architecture on purpose
    (i386 programs in linux/amd64) allows them by name: `MA301 *:i386 because …`.

    Why: the package's programs do not run there, and its libraries do not load. dpkg refuses such a package unless it is
    told not to, so somebody told it not to, or the whole root comes from another platform.

    Seen in: cloudposse/atmos#2931 (the whole userland was amd64's in every tag), upbound/up#346 (a package for arm64 with
    amd64's contents).

    Mend: install the package of the target's architecture (`TARGETARCH`, `dpkg --print-architecture`), and keep the last
    stage off `--platform=$BUILDPLATFORM`.
    """

    code = "MA301"
    name = "foreign-package"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each package of a foreign architecture."""
        for package in view.packages:
            if not package_fits(package, view.platform):
                yield self.finding(
                    platform=view.platform,
                    path=package.database,
                    item=f"{package.name}:{package.architecture}",
                    expected=f"{package.manager}'s {' or '.join(_architectures(package, view))}",
                    found=f"{package.name} {package.version} for {package.architecture}",
                    brought=view.brought(package.database),
                )


class ForeignWheelRule(PlatformRule):
    """Find Python packages that were installed from a wheel for another platform.

    The tags in the package's `WHEEL` file say what it was built for: `cp311-cp311-manylinux_2_17_x86_64` is not for
    linux/arm64. Whether it is for musl or glibc is not judged here.

    Why: its extension modules do not load: `ImportError`, on that platform only. Pure Python around them imports well, so
    that it shows in the middle of a run.

    Seen in: hermes-agent#74554 (an x86-64 `_pydantic_core.so` in the arm64 image).

    Mend: install Python packages in a stage that runs on the target platform, or tell pip the target
    (`pip install --platform … --only-binary=:all: --target …`).
    """

    code = "MA302"
    name = "foreign-wheel"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each Python package none of whose tags is for the platform."""
        for distribution in view.distributions:
            if not wheel_fits(distribution.tags, view.platform):
                path = f"{distribution.path}/WHEEL"
                yield self.finding(
                    platform=view.platform,
                    path=path,
                    item=distribution.name,
                    expected=f"a wheel for {view.platform}",
                    found=f"{distribution.name} {distribution.version} for {', '.join(distribution.tags)}",
                    brought=view.brought(path),
                )


def _architectures(package: Package, view: PlatformView) -> tuple[str, ...]:
    look_up = {"dpkg": dpkg_architecture, "apk": apk_architecture, "rpm": rpm_architecture}[package.manager]
    return look_up(view.platform)
