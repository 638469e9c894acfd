"""The text databases of Debian and Alpine."""

from __future__ import annotations

import pytest

from pytest_multiarch.errors import DocumentError, MultiArchError
from pytest_multiarch.image.packages import Package, read_apk, read_dpkg, read_packages
from tests.unit.packages.trees import Tree

STATUS = """Package: libc6
Status: install ok installed
Architecture: arm64
Source: glibc
Version: 2.36-9+deb12u4
Description: GNU C Library: Shared libraries
 Contains the standard libraries.
 .
 More: of them.

Package: adduser
Status: install ok installed
Version: 3.134
Architecture: all

Package: vim
Status: deinstall ok config-files
Version: 9
Architecture: arm64

Package: libgone
Status: purge ok not-installed
"""

INSTALLED = """C:Q1abc=
P:musl
V:1.2.4-r2
A:aarch64
S:1
T:the musl c library
o:musl
F:lib
R:ld-musl-aarch64.so.1
a:0:0:755
Z:Q1def=

P:libcrypto3
V:3.1.4-r5
A:aarch64
o:openssl

P:tzdata
V:2024a-r0
A:noarch
"""


def dpkg(text: str | bytes) -> tuple[Package, ...]:
    return read_dpkg(Tree({"/var/lib/dpkg/status": text}))


def apk(text: str | bytes) -> tuple[Package, ...]:
    return read_apk(Tree({"/lib/apk/db/installed": text}))


def test_dpkgs_packages_are_read_without_those_that_are_gone() -> None:
    assert dpkg(STATUS) == (
        Package("libc6", "2.36-9+deb12u4", "arm64", "dpkg", "glibc"),
        Package("adduser", "3.134", "all", "dpkg"),
    )


def test_distroless_pieces_are_read() -> None:
    piece = "Package: base-files\nVersion: 12.4\nArchitecture: amd64\nSource: base (12.4)\n"
    tree = Tree(
        {
            "/var/lib/dpkg/status.d/base": piece,
            "/var/lib/dpkg/status.d/base.md5sums": "0123  etc/debian_version\n",
            "/var/lib/dpkg/status.d/tzdata": piece.replace("base-files", "tzdata"),
        }
    )
    assert [(one.name, one.source) for one in read_dpkg(tree)] == [("base-files", "base"), ("tzdata", "base")]


def test_apks_packages_are_read() -> None:
    assert apk(INSTALLED) == (
        Package("musl", "1.2.4-r2", "aarch64", "apk"),
        Package("libcrypto3", "3.1.4-r5", "aarch64", "apk", "openssl"),
        Package("tzdata", "2024a-r0", "noarch", "apk"),
    )


def test_a_database_that_two_paths_lead_to_counts_once() -> None:
    tree = Tree({"/lib/apk/db/installed": INSTALLED, "/usr/lib/apk/db/installed": INSTALLED})
    assert len(read_apk(tree)) == 3


def test_an_image_without_databases_has_no_packages() -> None:
    assert read_packages(Tree({"/bin/x": b""})) == ()


def test_all_managers_are_asked() -> None:
    tree = Tree({"/var/lib/dpkg/status": STATUS, "/lib/apk/db/installed": INSTALLED})
    assert {one.manager for one in read_packages(tree)} == {"dpkg", "apk"}


@pytest.mark.parametrize("text", ["", "\n\n", "\n \n"])
def test_empty_databases_are_empty(text: str) -> None:
    assert dpkg(text) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Package: a\nnonsense\n", "line 2: expected a field, its name and a colon"),
        ("Package: a\nno field: x\n", "line 2: expected a field"),
        (" continued\n", "line 1: a continuation of nothing"),
        ("\n\nStatus: install ok installed\n", "line 3: the Package is missing"),
        ("Package: a\n", "line 1: the Version is missing"),
        ("Package: a b\nVersion: 1\n", "line 1: the Package cannot be 'a b'"),
        ("Package: a\x1b[2J\nVersion: 1\n", r"line 1: the Package cannot be 'a\\x1b"),
        ("Package: a\nVersion: " + "1" * 600 + "\n", "line 1: the Version cannot be '1111"),
        ("Package: a\nVersion: 1\nArchitecture: any thing\n", "line 1: the Architecture cannot be"),
    ],
)
def test_a_broken_status_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=f"read the package database /var/lib/dpkg/status: {message}"):
        dpkg(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P:musl\nnonsense\n", "line 2: expected a field, its letter and a colon"),
        ("\nV:1\n", r"line 2: the name \(P:\) is missing"),
        ("P:musl\n", r"line 1: the version \(V:\) is missing"),
        ("P:musl\nV:1\nA:a b\n", r"line 1: the architecture \(A:\) cannot be 'a b'"),
    ],
)
def test_a_broken_installed_database_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=f"read the package database /lib/apk/db/installed: {message}"):
        apk(text)


def test_apks_binary_database_is_refused() -> None:
    with pytest.raises(DocumentError, match="the binary form of apk 3, which is not read"):
        read_apk(Tree({"/usr/lib/apk/db/installed.adb": b"ADB."}))


def test_a_database_that_is_too_large_is_not_read() -> None:
    with pytest.raises(MultiArchError, match="it has 67108865 bytes"):
        dpkg(bytes(64 * 1024 * 1024 + 1))
