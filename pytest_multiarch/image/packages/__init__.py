"""Which packages an image has, read from the databases that their managers leave in it; no manager runs.

Names, versions, architectures and the paths that they brought: what a platform's packages are compared and judged by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.image.packages.apk import read_apk
from pytest_multiarch.image.packages.architectures import (
    apk_architecture,
    dpkg_architecture,
    package_fits,
    rpm_architecture,
)
from pytest_multiarch.image.packages.distributions import read_distributions
from pytest_multiarch.image.packages.dpkg import read_dpkg
from pytest_multiarch.image.packages.owned import owned_paths
from pytest_multiarch.image.packages.rpm import read_rpm
from pytest_multiarch.image.packages.tree import FileTree
from pytest_multiarch.image.packages.values import Distribution, Package
from pytest_multiarch.image.packages.wheels import wheel_fits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Distribution",
    "FileTree",
    "Package",
    "apk_architecture",
    "dpkg_architecture",
    "owned_paths",
    "package_fits",
    "read_apk",
    "read_distributions",
    "read_dpkg",
    "read_packages",
    "read_rpm",
    "rpm_architecture",
    "wheel_fits",
]


def read_packages(files: FileTree) -> tuple[Package, ...]:
    """Return what dpkg, apk and rpm have installed in an image, in their databases' order; each package once.

    Python's own packages are ``read_distributions``. Raises DocumentError: a database is broken or of a kind that is
    not read; and what the tree raises for a file that it cannot read.
    """

    def found() -> Iterator[Package]:
        yield from read_dpkg(files)
        yield from read_apk(files)
        yield from read_rpm(files)

    return tuple(dict.fromkeys(found()))
