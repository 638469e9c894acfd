"""The smallest image that runs: one program of this machine's kind, which ends with exit code 0, and bytes beside it."""

from __future__ import annotations

import platform
import secrets
import struct
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.platforms import Platform
from tests.unit.files.common import add_image, file, tar
from tests.unit.images import add_index

if TYPE_CHECKING:
    from tests.unit.fake_registry import FakeRegistry

# exit(0), by the kernel's system call tables; and what ELF calls the machine.
_EXIT = {
    "x86_64": (62, bytes.fromhex("31ff b83c000000 0f05")),
    "aarch64": (183, bytes.fromhex("000080d2 a80b80d2 010000d4")),
}
_BASE = 0x400000


def program() -> bytes:
    """Return the program: an ELF header, one segment, and the call (elf(5))."""
    if platform.machine() not in _EXIT:
        pytest.skip(f"no program for {platform.machine()} is written down here")
    machine, code = _EXIT[platform.machine()]
    start = 64 + 56
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, machine, 1, _BASE + start, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    size = start + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000) + code


def add_tiny(registry: FakeRegistry, name: str) -> None:
    """Put the image into a registry as `NAME:1`: two layers, the second of 300 kB that no compression makes smaller.

    It is another one each time: containerd keeps layers for a while after their image has gone, and what the daemon has, it
    asks no registry for.
    """
    layers = [tar(file("app", program(), mode=0o755)), tar(file("noise", secrets.token_bytes(300_000)))]
    entry = add_image(registry, name, str(Platform.host()), layers=layers)
    add_index(registry, name, "1", entries=[entry])
