"""Reading an ELF file: as a whole, or from its first bytes where thousands are looked through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.elf import arm, golang, layout
from pytest_multiarch.image.elf.dynamic import LONGEST_NAME, Dynamic, read_dynamic, text
from pytest_multiarch.image.elf.flags import float_abi
from pytest_multiarch.image.elf.notes import isa_level, note_segments
from pytest_multiarch.image.elf.values import ElfFile, ElfType, FloatAbi
from pytest_multiarch.image.elf.window import Window
from pytest_multiarch.image.machines import EM_386, EM_ARM, EM_X86_64

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_multiarch.image.elf.layout import Header, Section, Segment

HEADER_BYTES: Final = 64 * 1024
"""How much of a file ``read_elf_header`` wants; the headers and mostly the interpreter are in the first 4 KiB."""

ELF_MAGIC: Final = b"\x7fELF"
"""What an ELF file begins with."""


def is_elf(beginning: bytes) -> bool:
    """Tell whether a file that begins like this calls itself ELF."""
    return beginning.startswith(ELF_MAGIC)


def read_elf(source: bytes | BinaryIO, name: str, newest_arm: int = 0) -> ElfFile | None:
    """Read a whole file, or None if it does not call itself ELF.

    Args:
        source: its bytes, or a stream that can be sought in. Of a stream only the pieces that matter are read.
        name: its path, for errors.
        newest_arm: a file for 32-bit arm of this version at most is not searched for whether it asks which it runs on, which
            means reading all of it.

    Raises DocumentError: it is cut off, or something in it points outside of it or contradicts itself.

    """
    window = Window(source, name)
    if window.size < len(ELF_MAGIC) or not is_elf(window.at(0, len(ELF_MAGIC), "beginning")):
        return None
    header = layout.read_header(window)
    segments = layout.read_segments(window, header)
    sections = layout.read_sections(window, header)
    # In a file with debug information only, the program headers are those of the program that it was taken from.
    if any(
        one.type == layout.SHT_NOBITS
        and one.flags & (layout.SHF_ALLOC | layout.SHF_EXECINSTR) == layout.SHF_ALLOC | layout.SHF_EXECINSTR
        for one in sections
    ):
        return replace(_described(window, header, []), debug_only=True)
    _check_loaded(window, segments)
    where = _first(segments, layout.PT_DYNAMIC)
    dynamic = None if where is None else read_dynamic(window, header, segments, where)
    elf = _described(window, header, segments, sections, dynamic)
    elf = _with_go(window, header, sections, elf)
    return _with_attributes(window, header, sections, elf, newest_arm) if header.machine == EM_ARM else elf


def read_elf_header(beginning: bytes, name: str) -> ElfFile | None:
    """Read a file's first bytes, ``HEADER_BYTES`` or fewer, or None if it does not call itself ELF.

    What lies further back is left empty, not refused. Raises DocumentError: what is there of the headers is not right.
    """
    if not is_elf(beginning):
        return None
    window = Window(beginning, name, complete=False)
    header = layout.read_header(window)
    return _described(window, header, layout.read_segments(window, header))


def _described(
    window: Window,
    header: Header,
    segments: list[Segment],
    sections: list[Section] | None = None,
    dynamic: Dynamic | None = None,
) -> ElfFile:
    """Return what the headers and the small things that they point to say."""
    dynamic = dynamic or Dynamic()
    level = 0
    if header.machine in (EM_X86_64, EM_386):
        notes = [one for one in sections or () if one.type == layout.SHT_NOTE]
        # Only what is linked already has program headers.
        places = notes if header.type is ElfType.REL else note_segments(segments)
        level = isa_level(window, header, places)
    return ElfFile(
        name=window.name,
        bits=header.bits,
        byte_order=header.byte_order,
        machine=header.machine,
        type=header.type,
        flags=header.flags,
        os_abi=header.os_abi,
        abi_version=header.abi_version,
        complete=window.complete,
        interpreter=_interpreter(window, segments),
        has_dynamic=_first(segments, layout.PT_DYNAMIC) is not None,
        float_abi=float_abi(header.machine, header.flags),
        isa_level=level,
        needed=dynamic.needed,
        soname=dynamic.soname,
        rpath=dynamic.rpath,
        runpath=dynamic.runpath,
        marked_pie=dynamic.marked_pie,
    )


def _interpreter(window: Window, segments: list[Segment]) -> str:
    """Return the path of the program that Linux starts to load this one, empty where there is none."""
    where = _first(segments, layout.PT_INTERP)
    if where is None or (not window.complete and not window.has(where.offset, where.size)):
        return ""
    # load_elf_binary in Linux' fs/binfmt_elf.c: the first one counts, and only so long, and with a zero at its end.
    right = 2 <= where.size <= LONGEST_NAME
    path = window.at(where.offset, where.size, "interpreter") if right else b""
    if path.endswith(b"\0"):
        return text(path.partition(b"\0")[0])
    if window.complete:
        found = "its path does not end with a zero" if right else f"{where.size} bytes, where Linux takes 2 to 4096"
        window.refuse("interpreter", found)
    return ""  # it may be debug information, whose program headers are another file's


def _check_loaded(window: Window, segments: list[Segment]) -> None:
    for one in segments:
        if one.type == layout.PT_LOAD:
            window.check(one.offset, one.size, f"segment for address {one.address:#x}")


def _with_go(window: Window, header: Header, sections: list[Section], elf: ElfFile) -> ElfFile:
    section = layout.named(window, header, sections, ".go.buildinfo")
    if section is None or section.type == layout.SHT_NOBITS:
        return elf
    settings = golang.read_settings(window, section)
    level = golang.isa_level(settings) if header.machine == EM_X86_64 else 0
    cpu = golang.arm_cpu(settings) if header.machine == EM_ARM else None
    return replace(elf, go=settings, isa_level=max(elf.isa_level, level), arm_cpu=cpu)


def _with_attributes(window: Window, header: Header, sections: list[Section], elf: ElfFile, newest: int) -> ElfFile:
    section = next((one for one in sections if one.type == layout.SHT_ARM_ATTRIBUTES), None)
    if section is None:
        return elf
    attributes = arm.read_attributes(window, header, section)
    # Go's programs with C in them have both.
    cpus = [one for one in (elf.arm_cpu, attributes.cpu) if one is not None]
    cpu = max(cpus, key=lambda one: one.version, default=None)
    is_newer = cpu is not None and cpu.version > newest
    return replace(
        elf,
        arm_cpu=cpu,
        # The loader goes by the flags; the attributes are the linker's, and all that older and relocatable files have.
        float_abi=attributes.float_abi if elf.float_abi is FloatAbi.UNKNOWN else elf.float_abi,
        asks_machine=is_newer and elf.is_shared_library and arm.asks_machine(window, header, sections),
    )


def _first(segments: list[Segment], kind: int) -> Segment | None:
    return next((one for one in segments if one.type == kind), None)
