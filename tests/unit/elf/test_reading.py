"""ELF files of every kind, and the broken ones."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.elf import ElfType, FloatAbi, is_elf, read_elf, read_elf_header
from tests.unit.elf.build import (
    CORE,
    DYN,
    EXEC,
    PT_NOTE,
    REL,
    SHT_ARM_ATTRIBUTES,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_NOTE,
    Built,
    arm_attributes,
    go_build_info,
    property_note,
)

if TYPE_CHECKING:
    from pytest_multiarch.image.elf import ElfFile

ARM, X86_64, MIPS = 40, 62, 8
SONAME, RPATH, RUNPATH, FLAGS_1 = 14, 15, 29, 0x6FFFFFFB
PIE = (FLAGS_1, 0x08000000)
HARD = 0x05000400


def read(built: Built | bytes) -> ElfFile:
    found = read_elf(bytes(built), "usr/bin/x")
    assert found is not None
    return found


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fEL", b"MZ" + bytes(100)])
def test_what_is_not_elf_is_none(data: bytes) -> None:
    assert not is_elf(data)
    assert read_elf(data, "x") is None
    assert read_elf_header(data, "x") is None


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["little", "big"])
def test_both_classes_and_both_byte_orders_are_read(bits: int, order: str) -> None:
    built = Built(machine=MIPS, bits=bits, order=order, type=DYN, flags=0x20000004, interpreter="/lib/ld.so.1")
    elf = read(built.needs("libc.so.6", "libm.so.6").says(RPATH, "/opt/lib"))
    assert (elf.bits, elf.byte_order, elf.machine_name) == (bits, order, "MIPS")
    assert elf.needed == ("libc.so.6", "libm.so.6")
    assert (elf.interpreter, elf.rpath, elf.mips_architecture) == ("/lib/ld.so.1", "/opt/lib", "MIPS III")


def test_a_static_program_is_static() -> None:
    elf = read(Built())
    assert (elf.type, elf.is_static, elf.is_executable, elf.is_pie) == (ElfType.EXEC, True, True, False)


def test_a_static_position_independent_program_is_static() -> None:
    elf = read(Built(type=DYN, dynamic=[PIE]))
    assert (elf.is_static, elf.is_pie, elf.is_shared_library) == (True, True, False)


def test_a_library_is_a_library_also_where_it_can_be_run() -> None:
    elf = read(Built(type=DYN, interpreter="/lib64/ld-linux-x86-64.so.2").says(SONAME, "libc.so.6"))
    assert (elf.is_shared_library, elf.is_pie, elf.is_executable, elf.soname) == (True, False, False, "libc.so.6")


def test_a_position_independent_program_that_is_not_marked_is_told_by_its_interpreter() -> None:
    assert read(Built(type=DYN, interpreter="/lib/ld-musl-x86_64.so.1").needs("libc.so")).is_pie


def test_relocatable_files_and_core_dumps_are_neither() -> None:
    for kind, expected in ((REL, ElfType.REL), (CORE, ElfType.CORE), (0xFE01, ElfType.OTHER)):
        elf = read(Built(type=kind))
        assert (elf.type, elf.is_executable, elf.is_shared_library) == (expected, False, False)


def test_os_abi_and_unknown_numbers_are_shown() -> None:
    assert read(Built(os_abi=3)).os_abi_name == "GNU/Linux"
    assert read(Built(os_abi=77)).os_abi_name == "OS ABI 77"
    assert read(Built(machine=999)).machine_name == "machine 999"


def test_names_that_are_not_utf_8_are_shown() -> None:
    built = Built(type=DYN)
    built.dynamic.append((1, len(built.names)))
    built.names += b"lib\xff.so\0"
    assert read(built).needed == ("lib\\xff.so",)


def test_debug_information_alone_is_told_from_a_program() -> None:
    built = Built(type=DYN, interpreter="/lib/ld.so", sections=[(".text", SHT_NOBITS, 6, bytes(10))])
    data = bytearray(bytes(built.needs("libc.so.6")))
    # Its program headers are the program's, and so point to nothing here.
    data[64 + 56 + 8 : 64 + 56 + 16] = struct.pack("<Q", 1 << 40)
    elf = read(bytes(data))
    assert elf.debug_only
    assert (elf.needed, elf.interpreter) == ((), "")
    header = read_elf_header(bytes(data), "x")
    assert header is not None
    assert header.interpreter == ""


@pytest.mark.parametrize(("bits_set", "level"), [(1, 1), (2, 2), (3, 2), (7, 3), (15, 4), (0, 0)])
@pytest.mark.parametrize("bits", [32, 64])
def test_the_x86_64_level_that_notes_ask_for_is_read(bits_set: int, level: int, bits: int) -> None:
    built = Built(machine=X86_64 if bits == 64 else 3, bits=bits, notes=property_note(bits_set, bits=bits))
    assert read(built).isa_level == level
    header = read_elf_header(bytes(built), "x")
    assert header is not None
    assert header.isa_level == level


def test_the_level_is_found_among_other_notes() -> None:
    build_id = struct.pack("<III", 4, 6, 3) + b"GNU\0" + b"\1\2\3\4\5\6\0\0"
    assert read(Built(notes=build_id + property_note(4), notes_kind=PT_NOTE)).isa_level == 3


def test_a_relocatable_file_has_its_notes_in_sections() -> None:
    assert read(Built(type=REL, sections=[(".note.gnu.property", SHT_NOTE, 2, property_note(8))])).isa_level == 4


@pytest.mark.parametrize("kind", [0xC0010002, 0xC0008000])
def test_used_and_old_levels_ask_for_nothing(kind: int) -> None:
    assert read(Built(notes=property_note(4, kind=kind))).isa_level == 0


def arm(values: dict[int, int], flags: int = 0x05000000, **more: object) -> ElfFile:
    order = str(more.get("order", "little"))
    sections = [(".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, arm_attributes(values, order=order))]
    return read(Built(machine=ARM, bits=32, flags=flags, order=order, sections=sections))


@pytest.mark.parametrize("order", ["little", "big"])
def test_arm_attributes_are_read(order: str) -> None:
    elf = arm({6: 10, 7: ord("A"), 23: 3, 28: 1}, order=order)
    assert elf.arm_cpu is not None
    assert (elf.arm_cpu.name, elf.arm_cpu.version, elf.arm_cpu.profile) == ("v7", 7, "A")
    assert elf.float_abi is FloatAbi.HARD


@pytest.mark.parametrize(
    ("values", "flags", "expected"),
    [
        ({6: 4, 23: 3}, 0x05000000, FloatAbi.SOFT),  # left out means the base standard
        ({6: 4}, 0x05000000, FloatAbi.EITHER),  # no floating point at all
        ({6: 10, 23: 3, 28: 3}, 0x05000000, FloatAbi.EITHER),
        ({6: 10, 23: 3, 28: 2}, 0x05000000, FloatAbi.UNKNOWN),  # a toolchain's own
        ({6: 10, 23: 3, 28: 1}, 0x05000200, FloatAbi.SOFT),  # the loader goes by the flags
        ({6: 10, 23: 3, 28: 1}, 0x00000200, FloatAbi.HARD),  # which meant something else before EABI 5
    ],
)
def test_the_float_abi_is_the_flags_or_else_the_attributes(
    values: dict[int, int], flags: int, expected: FloatAbi
) -> None:
    assert arm(values, flags).float_abi is expected


def test_processors_later_than_are_known_are_later_than_all() -> None:
    elf = arm({6: 200})
    assert elf.arm_cpu is not None
    assert elf.arm_cpu.version == 10


def test_attributes_of_other_vendors_and_formats_say_nothing() -> None:
    other = arm_attributes({6: 10}, vendor=b"gnu")
    for data in (other, b"B" + other[1:], b""):
        sections = [(".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, data)]
        assert read(Built(machine=ARM, bits=32, sections=sections)).arm_cpu is None


def test_a_library_that_chooses_by_processor_is_told_by_its_indirect_functions_or_its_questions() -> None:
    attributes = (".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, arm_attributes({6: 14}))
    indirect = (".dynsym", SHT_DYNSYM, 2, bytes(16) + struct.pack("<IIIBBH", 1, 0, 0, 0x1A, 0, 1))
    direct = (".dynsym", SHT_DYNSYM, 2, bytes(16) + struct.pack("<IIIBBH", 1, 0, 0, 0x12, 0, 1))
    asks = (".rodata", 1, 2, b"/proc/self/auxv\0")

    def chooses(*sections: tuple[str, int, int, bytes], kind: int = DYN) -> bool:
        return read(Built(machine=ARM, bits=32, type=kind, sections=[attributes, *sections])).asks_machine

    assert chooses(indirect)
    assert chooses(direct, asks)
    assert not chooses(direct)
    assert not chooses(asks, kind=EXEC)


@pytest.mark.parametrize(("newest", "asks"), [(0, True), (7, True), (8, False), (9, False)])
def test_a_library_for_no_later_processor_than_is_promised_is_not_searched(newest: int, *, asks: bool) -> None:
    attributes = (".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, arm_attributes({6: 14}))  # v8-A
    question = (".rodata", 1, 2, b"/proc/self/auxv\0")
    data = bytes(Built(machine=ARM, bits=32, type=DYN, sections=[attributes, question]))
    elf = read_elf(data, "/lib/libx.so", newest)
    assert elf is not None
    assert elf.arm_cpu is not None
    assert (elf.arm_cpu.version, elf.asks_machine) == (8, asks)


def test_gos_settings_are_read() -> None:
    section = (".go.buildinfo", 1, 3, go_build_info(GOARCH="amd64", GOAMD64="v3", CGO_ENABLED="0"))
    elf = read(Built(sections=[section]))
    assert dict(elf.go) == {"GOARCH": "amd64", "GOAMD64": "v3"}
    assert elf.isa_level == 3


@pytest.mark.parametrize(("setting", "version"), [("5", 5), ("6,softfloat", 6), ("7", 7)])
def test_goarm_is_the_processor(setting: str, version: int) -> None:
    section = (".go.buildinfo", 1, 3, go_build_info(GOARCH="arm", GOARM=setting))
    elf = read(Built(machine=ARM, bits=32, flags=0x05000002, sections=[section]))
    assert elf.arm_cpu is not None
    assert elf.arm_cpu.version == version


def test_of_go_and_c_in_one_program_the_later_processor_counts() -> None:
    go = (".go.buildinfo", 1, 3, go_build_info(GOARCH="arm", GOARM="6"))
    c = (".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, arm_attributes({6: 10}))
    elf = read(Built(machine=ARM, bits=32, sections=[go, c]))
    assert elf.arm_cpu is not None
    assert elf.arm_cpu.version == 7


def test_build_information_of_older_go_says_nothing() -> None:
    old = b"\xff Go buildinf:" + bytes([8, 0]) + bytes(64)
    assert read(Built(sections=[(".go.buildinfo", 1, 3, old)])).go == {}


def changed(built: Built, place: int, value: bytes) -> bytes:
    data = bytes(built)
    return data[:place] + value + data[place + len(value) :]


FULL = Built(type=DYN, interpreter="/lib/ld.so", notes=property_note(2)).needs("libc.so.6")
INTERP_SIZE = 64 + 56 + 32
DYNAMIC_AT = 64 + 3 * 56 + 8


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF", "ELF header: 16 bytes at 0x0, but the file ends at 0x4"),
        (bytes(FULL)[:40], "ELF header: "),
        (changed(FULL, 4, b"\3"), "ELF header: class 3"),
        (changed(FULL, 5, b"\0"), "ELF header: data encoding 0"),
        (changed(FULL, 54, b"\x20\0"), "program headers: entries of 32 bytes, expected 56"),
        (changed(FULL, 56, b"\xfe\xff"), "program headers: 65534 entries, more than Linux takes"),
        (changed(FULL, 32, b"\xff" * 8), "program headers: .* but the file ends at"),
        (changed(FULL, 58, b"\x10\0"), "section headers: entries of 16 bytes, expected 64"),
        (changed(FULL, 40, b"\xff" * 8), "section headers: .* but the file ends at"),
        (bytes(FULL)[:-1], "section headers: .* but the file ends at"),
        (changed(FULL, 64 + 32, b"\xff" * 8), "segment for address 0x0: .* but the file ends at"),
        (changed(FULL, INTERP_SIZE, b"\1"), "interpreter: 1 bytes, where Linux takes 2 to 4096"),
        (changed(FULL, INTERP_SIZE, b"\5"), "interpreter: its path does not end with a zero"),
        (changed(FULL, DYNAMIC_AT, b"\xff" * 4), "dynamic section: .* but the file ends at"),
        (changed(FULL, DYNAMIC_AT + 24, b"\0\0\0\1"), "dynamic section: 16777216 bytes, more than are read"),
        (bytes(Built(type=DYN, dynamic=[(1, 99)])), "dynamic section: a name at 99, but the names are 1 bytes"),
        (bytes(Built(type=DYN, names=b"\0lib", dynamic=[(1, 1)])), "dynamic section: the name at 1 does not end"),
        (bytes(Built(type=DYN, dynamic=[(1, 0)] * 1025)), "dynamic section: 1025 needed libraries"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=f"read the ELF file usr/bin/x: {message}"):
        read(data)


@pytest.mark.parametrize(
    "attributes",
    [
        b"A\xff\0\0\0aeabi\0",  # longer than the section
        b"A\4\0\0\0",  # shorter than its own length
        b"A\x0c\0\0\0aeabiabc",  # a vendor that does not end
        b"A\x10\0\0\0aeabi\0\1\xff\0\0\0\6",  # attributes longer than their part
        b"A\x11\0\0\0aeabi\0\1\7\0\0\0\6\xff",  # a number that does not end
        b"A\x11\0\0\0aeabi\0\1\7\0\0\0\5x",  # a text that does not end
    ],
)
def test_broken_arm_attributes_are_refused(attributes: bytes) -> None:
    sections = [(".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, attributes)]
    with pytest.raises(DocumentError, match="arm attributes: "):
        read(Built(machine=ARM, bits=32, sections=sections))


def test_a_table_of_names_that_is_not_loaded_is_refused() -> None:
    built = Built(type=DYN, dynamic=[(1, 0)])
    data = bytes(built)
    strtab = data.index(struct.pack("<Q", 5))
    with pytest.raises(DocumentError, match="its table of names is nowhere in the file"):
        read(data[: strtab + 8] + b"\xff" * 8 + data[strtab + 16 :])


def test_a_file_without_sections_is_read() -> None:
    data = changed(Built(type=DYN).needs("libc.so.6"), 40, bytes(8))
    assert read(data).needed == ("libc.so.6",)
