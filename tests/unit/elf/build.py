"""ELF files written by the specification, one part at a time, for what no linker at hand writes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
PT_GNU_PROPERTY = 0x6474E553
SHT_STRTAB, SHT_NOTE, SHT_NOBITS, SHT_DYNSYM, SHT_ARM_ATTRIBUTES = 3, 7, 8, 11, 0x70000003
REL, EXEC, DYN, CORE = 1, 2, 3, 4


@dataclass
class Built:
    """An ELF file in parts; ``bytes()`` is the file."""

    machine: int = 62
    bits: int = 64
    order: str = "little"
    type: int = EXEC
    flags: int = 0
    os_abi: int = 0
    interpreter: str = ""
    dynamic: list[tuple[int, int]] = field(default_factory=list)
    names: bytes = b"\0"
    notes: bytes = b""
    notes_kind: int = PT_GNU_PROPERTY
    sections: list[tuple[str, int, int, bytes]] = field(default_factory=list)

    @property
    def mark(self) -> str:
        return "<" if self.order == "little" else ">"

    def name(self, text: str) -> int:
        place = len(self.names)
        self.names += text.encode() + b"\0"
        return place

    def needs(self, *libraries: str) -> Built:
        self.dynamic += [(1, self.name(one)) for one in libraries]
        return self

    def says(self, tag: int, text: str) -> Built:
        self.dynamic.append((tag, self.name(text)))
        return self

    def __bytes__(self) -> bytes:
        wide = self.bits == 64
        word = "Q" if wide else "I"
        header_size, segment_size, section_size = (64, 56, 64) if wide else (52, 32, 40)
        contents: list[tuple[int, bytes]] = []
        if self.interpreter:
            contents.append((PT_INTERP, self.interpreter.encode() + b"\0"))
        if self.notes:
            contents.append((self.notes_kind, self.notes))
        if self.dynamic:
            contents.append((PT_DYNAMIC, b""))
        segments_at = header_size
        place = segments_at + segment_size * (len(contents) + 1)
        body = b""
        segments = []
        for kind, data in contents:
            if kind == PT_DYNAMIC:
                names_at = place + len(body)
                body += self.names
                table = [*self.dynamic, (5, names_at), (10, len(self.names)), (0, 0)]
                data = b"".join(struct.pack(f"{self.mark}{word}{word}", tag, value) for tag, value in table)
            segments.append((kind, place + len(body), len(data)))
            body += data
        section_table = b""
        section_names = b"\0"
        sections = [(0, 0, 0, 0, 0)]
        for name, kind, section_flags, data in [*self.sections, (".shstrtab", SHT_STRTAB, 0, b"")]:
            named = len(section_names)
            section_names += name.encode() + b"\0"
            data = section_names if name == ".shstrtab" else data
            sections.append((named, kind, section_flags, place + len(body), len(data)))
            body += b"" if kind == SHT_NOBITS else data
        sections_at = place + len(body)
        for named, kind, section_flags, offset, size in sections:
            layout = f"{self.mark}II{word}{word}{word}{word}II{word}{word}"
            section_table += struct.pack(layout, named, kind, section_flags, 0, offset, size, 0, 0, 1, 0)
        assert len(section_table) == section_size * len(sections)
        headers = b"".join(
            struct.pack(f"{self.mark}IIQQQQQQ", kind, 4, at, at, at, size, size, 1)
            if wide
            else struct.pack(f"{self.mark}IIIIIIII", kind, at, at, at, size, size, 4, 1)
            for kind, at, size in [(PT_LOAD, 0, place + len(body)), *segments]
        )
        ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if self.order == "little" else 2, 1, self.os_abi]) + bytes(8)
        counts = (header_size, segment_size, len(segments) + 1, section_size, len(sections), len(sections) - 1)
        head = struct.pack(
            f"{self.mark}HHI{word}{word}{word}IHHHHHH",
            self.type,
            self.machine,
            1,
            0,
            segments_at,
            sections_at,
            self.flags,
            *counts,
        )
        return ident + head + headers + body + section_table


def property_note(level_bits: int, *, kind: int = 0xC0008002, bits: int = 64) -> bytes:
    """Return a .note.gnu.property with one property of four bytes."""
    padding = b"\0" * (4 if bits == 64 else 0)
    # A property that is not asked about stands before it, as CET's does in reality.
    first = struct.pack("<III", 0xC0000002, 4, 3) + padding
    description = first + struct.pack("<III", kind, 4, level_bits) + padding
    return struct.pack("<III", 4, len(description), 5) + b"GNU\0" + description


def uleb(value: int) -> bytes:
    """Return a number as ULEB128."""
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def arm_attributes(values: dict[int, int], *, order: str = "little", vendor: bytes = b"aeabi") -> bytes:
    """Return an .ARM.attributes section: some texts, then numbers."""
    mark = "<" if order == "little" else ">"
    data = b"\x05CORTEX\0" + uleb(67) + b"2.09\0" + uleb(32) + uleb(1) + b"gnu\0"
    data += b"".join(uleb(tag) + uleb(value) for tag, value in values.items())
    part = b"\x01" + struct.pack(f"{mark}I", len(data) + 5) + data
    return b"A" + struct.pack(f"{mark}I", len(part) + len(vendor) + 5) + vendor + b"\0" + part


def go_build_info(**settings: str) -> bytes:
    """Return a .go.buildinfo section as Go 1.18 and later write it."""
    module = "path\tx\n" + "".join(f"build\t{key}={value}\n" for key, value in settings.items())
    raw = b"<" * 16 + module.encode() + b">" * 16
    version = b"go1.22.1"
    head = b"\xff Go buildinf:" + bytes([8, 2])
    return head.ljust(32, b"\0") + uleb(len(version)) + version + uleb(len(raw)) + raw
