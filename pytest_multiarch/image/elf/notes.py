"""GNU property notes: the x86-64 level that a file must have.

GNU_PROPERTY_X86_ISA_1_NEEDED is what glibc's loader refuses a file by ("CPU ISA level is lower than required"). The
same name was used until binutils 2.35 for another number with other bits (0xc0008000), which no loader heeds.

Sources: "Linux Extensions to gABI", section 2.1.7; x86-64 psABI, "Program Property"; glibc's elf.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.elf.layout import PT_GNU_PROPERTY, PT_NOTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.elf.layout import Header, Section, Segment
    from pytest_multiarch.image.elf.window import Window

_NOTE_BYTES: Final = 64 * 1024
_PLACES: Final = 1024
_NT_GNU_PROPERTY_TYPE_0: Final = 5
_X86_ISA_1_NEEDED: Final = 0xC0008002


def isa_level(window: Window, header: Header, places: list[Segment] | list[Section]) -> int:
    """Return N of the x86-64-vN that the notes at these places ask for, 0 where they ask for none.

    Places outside of what was read are passed over, unless the file is complete. Of many or very long notes only the
    first are looked at: linkers put the properties before all others.

    Raises DocumentError: a place is not within the file.
    """
    level = 0
    rest = _NOTE_BYTES
    for place in places[:_PLACES]:
        size = min(place.size, rest)
        if not window.complete and not window.has(place.offset, size):
            continue
        rest -= size
        for properties in _property_notes(window.at(place.offset, size, "notes"), header.mark, header.bits // 8):
            for kind, value in _properties(properties, header.mark, header.bits // 8):
                if kind == _X86_ISA_1_NEEDED and len(value) == 4:
                    # One bit a level: the baseline, then v2, v3, v4.
                    level = max(level, int.from_bytes(value, header.byte_order).bit_length())
    return level


def note_segments(segments: list[Segment]) -> list[Segment]:
    """Return the segments that hold notes; one for the properties alone makes the others needless."""
    own = [one for one in segments if one.type == PT_GNU_PROPERTY]
    return own or [one for one in segments if one.type == PT_NOTE]


def _property_notes(data: bytes, mark: str, alignment: int) -> Iterator[bytes]:
    """Yield what the property notes hold. A note that does not fit ends the walk, as it does for glibc's loader."""
    head = struct.Struct(f"{mark}III")
    place = 0
    while place + head.size <= len(data):
        name_size, size, kind = head.unpack_from(data, place)
        is_property = kind == _NT_GNU_PROPERTY_TYPE_0 and data[place + 12 : place + 16] == b"GNU\0" and name_size == 4
        # Of all notes only these are aligned to 8 bytes in 64-bit files; the others' alignment is 4 everywhere.
        step = alignment if is_property else 4
        start = place + head.size + _rounded(name_size, 4)
        if start + size > len(data):
            return
        if is_property:
            yield data[start : start + size]
        place = start + _rounded(size, step)


def _properties(data: bytes, mark: str, alignment: int) -> Iterator[tuple[int, bytes]]:
    head = struct.Struct(f"{mark}II")
    place = 0
    while place + head.size <= len(data):
        kind, size = head.unpack_from(data, place)
        yield kind, data[place + head.size : place + head.size + size]
        place += head.size + _rounded(size, alignment)


def _rounded(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment
