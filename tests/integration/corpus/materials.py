"""The files that the corpus' Dockerfiles copy: scripts, data, and the few ELF files that no compiler at hand makes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.unit.elf.build import DYN, SHT_ARM_ATTRIBUTES, Built, arm_attributes, property_note

if TYPE_CHECKING:
    from pathlib import Path

_HARD, _SOFT = 0x05000400, 0x05000200
_V6, _V7 = 6, 10  # values of Tag_CPU_arch
_X86_LEVEL_3 = 0b100

#: TARGETARCH: how an ELF file for it begins, its loaders of musl and glibc, and its own and its neighbour's apk name.
_MACHINES = {
    "amd64": (Built(62), "x86_64", "/lib64/ld-linux-x86-64.so.2", "x86_64", "aarch64"),
    "arm64": (Built(183), "aarch64", "/lib/ld-linux-aarch64.so.1", "aarch64", "x86_64"),
    "arm": (Built(40, bits=32, flags=_HARD), "armhf", "/lib/ld-linux-armhf.so.3", "armv7", "x86"),
    "386": (Built(3, bits=32), "i386", "/lib/ld-linux.so.2", "x86", "armv7"),
    "ppc64le": (Built(21, flags=2), "powerpc64le", "/lib64/ld64.so.2", "ppc64le", "s390x"),
    "s390x": (Built(22, order="big"), "s390x", "/lib/ld64.so.1", "s390x", "ppc64le"),
}


def write_materials(folder: Path) -> None:
    """Write all files into a build context."""
    for name, data in _files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)


def _files() -> dict[str, bytes]:
    found = {
        "data.txt": b"data\n",
        "start": b"#!/bin/sh\nexec /usr/bin/tool\n",
        "start-crlf": b"#!/bin/sh\r\nexec /usr/bin/tool\r\n",
        "small": random.Random(1).randbytes(1000),  # noqa: S311 - no secret, only incompressible
        "large": random.Random(2).randbytes(3_000_000),  # noqa: S311
        "soft-float": _arm(_V7, _SOFT),
        "hard-float": _arm(_V7, _HARD),
        "arm-v6": _arm(_V6, _HARD),
        "x86-64-v3": bytes(Built(62, notes=property_note(_X86_LEVEL_3))),
    }
    for architecture, (built, musl, loader, own, neighbour) in _MACHINES.items():
        found[f"musl/{architecture}"] = _program(built, f"/lib/ld-musl-{musl}.so.1", f"libc.musl-{musl}.so.1")
        found[f"glibc/{architecture}"] = _program(built, loader, "libc.so.6")
        found[f"apk/own/{architecture}"] = _apk(own)
        found[f"apk/foreign/{architecture}"] = _apk(neighbour)
    return found


def _program(built: Built, interpreter: str, library: str) -> bytes:
    """Return a program with a loader and a library; musl's, since Debian's own compiler makes glibc's only."""
    program = Built(built.machine, built.bits, built.order, flags=built.flags, interpreter=interpreter)
    return bytes(program.needs(library))


def _arm(version: int, flags: int) -> bytes:
    attributes = (".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, arm_attributes({6: version, 28: int(flags == _HARD)}))
    # A library: a program that loads none agrees with itself, whatever its float ABI is.
    return bytes(Built(40, bits=32, type=DYN, flags=flags, sections=[attributes]).needs("libc.so.6"))


def _apk(architecture: str) -> bytes:
    """Return apk's installed database with one package without files, as apk 2 writes it."""
    return (
        f"C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:sample\nV:1.0-r0\nA:{architecture}\nS:1\nI:1\nT:data\nL:MIT\n\n".encode()
    )
