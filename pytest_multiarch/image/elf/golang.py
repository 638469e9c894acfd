"""What the Go toolchain writes into its programs of the processor that it built them for: GOARM, GOAMD64, ….

Go's own files have no build attributes and no property notes; a program for arm/v6 built without GOARM=6 is told from
a right one by this alone. Go looks at these settings when such a program starts and ends it on an older processor.

Source: Go's ``debug/buildinfo``, "The build info blob left by the linker", as written since Go 1.18.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.elf.values import ArmCpu
from pytest_multiarch.oci import FrozenMap

if TYPE_CHECKING:
    from pytest_multiarch.image.elf.layout import Section
    from pytest_multiarch.image.elf.window import Window

_SECTION_BYTES: Final = 4 * 1024 * 1024
_MAGIC: Final = b"\xff Go buildinf:"
_TEXTS_AT: Final = 32
_TEXTS_INSIDE: Final = 2
_SENTINEL: Final = 16

_SETTING: Final = re.compile(r"^build\t(GO[A-Z0-9]{2,14})=([\w.,-]{1,64})$", re.MULTILINE | re.ASCII)


def read_settings(window: Window, section: Section) -> FrozenMap:
    """Read the GO… settings; none where the section is not in the form of Go 1.18 and later, or is cut off."""
    data = window.at(section.offset, min(section.size, _SECTION_BYTES), "Go's build information")
    if not data.startswith(_MAGIC) or len(data) <= _TEXTS_AT or not data[15] & _TEXTS_INSIDE:
        return FrozenMap()
    _, place = _text(data, _TEXTS_AT)  # the version of Go
    module, _ = _text(data, place)
    settings = module[_SENTINEL:-_SENTINEL].decode("utf-8", "replace")
    return FrozenMap(dict(_SETTING.findall(settings)))


def _text(data: bytes, place: int) -> tuple[bytes, int]:
    """Return a text that its length, a varint, stands before, and the place after it."""
    size = 0
    for position in range(place, min(place + 5, len(data))):
        size |= (data[position] & 0x7F) << 7 * (position - place)
        if data[position] < 0x80:
            return data[position + 1 : position + 1 + size], position + 1 + size
    return b"", len(data)


def arm_cpu(settings: FrozenMap) -> ArmCpu | None:
    """Return the arm processor that GOARM names: ``5``, ``6``, ``7``, with or without ``,softfloat``."""
    version = settings.get("GOARM", "").partition(",")[0]
    return ArmCpu(f"v{version}, GOARM={version}", int(version)) if version in ("5", "6", "7") else None


def isa_level(settings: FrozenMap) -> int:
    """Return N of GOAMD64=vN; v1, which every file could say, counts as nothing asked for."""
    level = settings.get("GOAMD64", "")
    return int(level[1]) if level in ("v2", "v3", "v4") else 0
