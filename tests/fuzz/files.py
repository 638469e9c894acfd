"""Harnesses of what reads an image's bytes: layers, ELF files, package databases."""

from __future__ import annotations

from pytest_multiarch.image.packages import read_distributions, read_packages
from tests.fuzz.harness import Harness
from tests.unit.elf.test_hostile import MADE, REAL, read_or_refused
from tests.unit.files.test_hostile_layers import PACKED, look
from tests.unit.packages.test_dpkg_and_apk import INSTALLED, STATUS
from tests.unit.packages.test_hostile import DATABASE, check
from tests.unit.packages.test_rpm import NDB, SQLITE
from tests.unit.packages.trees import Tree, bash, ndb

# Which database the rest is, in a first byte of its own: one harness tries all of them.
_PLACES = {
    b"d": "/var/lib/dpkg/status",
    b"a": "/lib/apk/db/installed",
    b"n": NDB,
    b"s": SQLITE,
    b"m": "/x.dist-info/METADATA",
    b"w": "/x.dist-info/WHEEL",
}


def _packages(data: bytes) -> None:
    place = _PLACES.get(data[:1], NDB)
    tree = Tree({"/x.dist-info/METADATA": "Name: x\nVersion: 1\n\n", place: data[1:]})
    check(read_packages(tree))
    for one in read_distributions(tree):
        assert f"{one.name}{one.version}".isprintable()


def _elf(data: bytes) -> None:
    read_or_refused(data)


HARNESSES = {
    "tar": Harness(look, tuple(PACKED.values())),
    "elf": Harness(_elf, (*MADE, min(REAL, key=len))),
    "packages": Harness(
        _packages,
        (
            b"d" + STATUS.encode(),
            b"a" + INSTALLED.encode(),
            b"n" + ndb([bash(epoch=1)]),
            b"s" + DATABASE,
            b"mName: x\nVersion: 1\n\n",
            b"wWheel-Version: 1.0\nTag: cp311-cp311-linux_armv7l\n",
        ),
    ),
}
