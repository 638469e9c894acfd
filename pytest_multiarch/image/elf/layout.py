"""The tables of an ELF file: its header, its program headers, its sections.

Source: gABI, chapter 4, "ELF Header", "Sections"; chapter 5, "Program Header". Linux's own limits are taken where the
specification has none (``fs/binfmt_elf.c``, ``load_elf_phdrs``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pytest_multiarch.image.elf.values import ElfType

if TYPE_CHECKING:
    from pytest_multiarch.image.elf.values import ByteOrder
    from pytest_multiarch.image.elf.window import Window

PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
PT_INTERP: Final = 3
PT_NOTE: Final = 4
PT_GNU_PROPERTY: Final = 0x6474E553

SHT_PROGBITS: Final = 1
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHT_DYNSYM: Final = 11
SHT_ARM_ATTRIBUTES: Final = 0x70000003
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4

_SEGMENT_BYTES: Final = 64 * 1024  # more than that Linux refuses to run
_SECTION_BYTES: Final = 8 * 1024 * 1024
_NAME_BYTES: Final = 1024 * 1024
_PN_XNUM: Final = 0xFFFF

_ORDERS: Final = {1: "<", 2: ">"}
_HEADERS: Final = {
    (bits, mark): struct.Struct(f"{mark}HHI{'QQQ' if bits == 64 else 'III'}IHHHHHH")
    for bits in (32, 64)
    for mark in "<>"
}
_SEGMENTS: Final = {
    (bits, mark): struct.Struct(f"{mark}{'IIQQQQQQ' if bits == 64 else 'IIIIIIII'}")
    for bits in (32, 64)
    for mark in "<>"
}
_SECTIONS: Final = {
    (bits, mark): struct.Struct(f"{mark}{'IIQQQQIIQQ' if bits == 64 else 'IIIIIIIIII'}")
    for bits in (32, 64)
    for mark in "<>"
}


@dataclass(frozen=True, slots=True)
class Header:
    """The ELF header; ``mark`` is the byte order as ``struct`` writes it."""

    bits: Literal[32, 64]
    mark: str
    os_abi: int
    abi_version: int
    type: ElfType
    machine: int
    flags: int
    segments_at: int
    segment_count: int
    segment_size: int
    sections_at: int
    section_count: int
    section_size: int
    names_index: int

    @property
    def byte_order(self) -> ByteOrder:
        """Return the byte order in words."""
        return "little" if self.mark == "<" else "big"


class Segment(NamedTuple):
    """One program header; a tuple, as there are ten thousands of them in an image."""

    type: int
    offset: int
    address: int
    size: int


class Section(NamedTuple):
    """One section header; ``name`` is where the name starts in the table of names."""

    name: int
    type: int
    flags: int
    offset: int
    size: int


def read_header(window: Window) -> Header:
    """Read the ELF header. Raises DocumentError: it is cut off, or of a class or byte order that does not exist."""
    ident = window.at(0, 16, "ELF header")
    if ident[4] not in (1, 2):
        window.refuse("ELF header", f"class {ident[4]}, expected 1 (32 bits) or 2 (64 bits)")
    if ident[5] not in _ORDERS:
        window.refuse("ELF header", f"data encoding {ident[5]}, expected 1 (little-endian) or 2 (big-endian)")
    bits: Literal[32, 64] = 32 if ident[4] == 1 else 64
    mark = _ORDERS[ident[5]]
    form = _HEADERS[bits, mark]
    (kind, machine, _, _, segments, sections, flags, _, segment_size, segment_count, section_size, count, names) = (
        form.unpack(window.at(16, form.size, "ELF header"))
    )
    return Header(
        bits=bits,
        mark=mark,
        os_abi=ident[7],
        abi_version=ident[8],
        type=ElfType(kind) if kind <= ElfType.CORE.value else ElfType.OTHER,
        machine=machine,
        flags=flags,
        segments_at=segments,
        segment_count=segment_count,
        segment_size=segment_size,
        sections_at=sections,
        section_count=count,
        section_size=section_size,
        names_index=names,
    )


def read_segments(window: Window, header: Header) -> list[Segment]:
    """Read the program headers; none of a core dump, which may have any number and is not run.

    Raises DocumentError: they are not within the file, or Linux would refuse them.
    """
    if header.type is ElfType.CORE or header.segment_count in (0, _PN_XNUM):
        return []
    form = _SEGMENTS[header.bits, header.mark]
    if header.segment_size != form.size:
        window.refuse("program headers", f"entries of {header.segment_size} bytes, expected {form.size}")
    size = form.size * header.segment_count
    if size > _SEGMENT_BYTES:
        window.refuse("program headers", f"{header.segment_count} entries, more than Linux takes")
    if not window.complete and not window.has(header.segments_at, size):
        return []
    table = form.iter_unpack(window.at(header.segments_at, size, "program headers"))
    if header.bits == 64:
        return [Segment(kind, offset, address, size) for kind, _, offset, address, _, size, _, _ in table]
    return [Segment(kind, offset, address, size) for kind, offset, address, _, size, _, _, _ in table]


def read_sections(window: Window, header: Header) -> list[Section]:
    """Read the section headers; none of a core dump, and none where the file has none, which runs all the same.

    Raises DocumentError: they are not within the file, or larger than any linker writes.
    """
    if header.type is ElfType.CORE or not header.sections_at:
        return []
    form = _SECTIONS[header.bits, header.mark]
    if header.section_size != form.size:
        if not header.section_count:
            return []
        window.refuse("section headers", f"entries of {header.section_size} bytes, expected {form.size}")
    count = header.section_count
    if not count:  # 0xff00 or more: the number is the size of the first, empty section
        count = form.unpack(window.at(header.sections_at, form.size, "section headers"))[5]
    if count * form.size > _SECTION_BYTES:
        window.refuse("section headers", f"{count} entries, more than are read")
    table = form.iter_unpack(window.at(header.sections_at, count * form.size, "section headers"))
    return [Section(name, kind, flags, offset, size) for name, kind, flags, _, offset, size, _, _, _, _ in table]


def named(window: Window, header: Header, sections: list[Section], name: str) -> Section | None:
    """Return the section of that name, None where there is none or the names cannot be had."""
    if not header.names_index < len(sections):
        return None
    table = sections[header.names_index]
    if table.type == SHT_NOBITS or not window.has(table.offset, table.size):
        return None
    names = window.at(table.offset, min(table.size, _NAME_BYTES), "section names")
    wanted = name.encode() + b"\0"
    return next((one for one in sections if names.startswith(wanted, one.name)), None)


def offset_of(segments: list[Segment], address: int) -> tuple[int, int] | None:
    """Return where in the file an address is loaded from, and how many bytes follow there; None if it is not."""
    for one in segments:
        if one.type == PT_LOAD and one.address <= address < one.address + one.size:
            return one.offset + address - one.address, one.address + one.size - address
    return None
