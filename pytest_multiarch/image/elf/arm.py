"""32-bit arm: the build attributes, and whether a file looks at the processor before it uses what only some have.

Source: "Addenda to, and Errata in, the ABI for the Arm Architecture" (ARM IHI 0045), "Build Attributes".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.elf.layout import SHT_DYNSYM
from pytest_multiarch.image.elf.values import ArmCpu, FloatAbi

if TYPE_CHECKING:
    from pytest_multiarch.image.elf.layout import Header, Section
    from pytest_multiarch.image.elf.window import Window

_ATTRIBUTE_BYTES: Final = 64 * 1024
_SYMBOL_BYTES: Final = 16 * 1024 * 1024
_SEARCHED_BYTES: Final = 64 * 1024 * 1024
_PLACE: Final = "arm attributes"

_TAG_FILE: Final = 1
_TAG_CPU_ARCH: Final = 6
_TAG_CPU_ARCH_PROFILE: Final = 7
_TAG_ABI_FP_NUMBER_MODEL: Final = 23
_TAG_ABI_VFP_ARGS: Final = 28
_TAG_COMPATIBILITY: Final = 32
_TEXT_TAGS: Final = frozenset({4, 5})

#: Tag_CPU_arch: the name and the version that counts; microcontrollers' own have their profile in the name.
_CPUS: Final = (
    ("pre-v4", 3),
    ("v4", 4),
    ("v4T", 4),
    ("v5T", 5),
    ("v5TE", 5),
    ("v5TEJ", 5),
    ("v6", 6),
    ("v6KZ", 6),
    ("v6T2", 6),
    ("v6K", 6),
    ("v7", 7),
    ("v6-M", 6),
    ("v6S-M", 6),
    ("v7E-M", 7),
    ("v8-A", 8),
    ("v8-R", 8),
    ("v8-M.baseline", 8),
    ("v8-M.mainline", 8),
    ("v8.1-A", 8),
    ("v8.2-A", 8),
    ("v8.3-A", 8),
    ("v8.1-M.mainline", 8),
    ("v9-A", 9),
)

_VFP_ARGS: Final = {0: FloatAbi.SOFT, 1: FloatAbi.HARD, 3: FloatAbi.EITHER}
_STT_GNU_IFUNC: Final = 10
_INDIRECT: Final = frozenset(binding << 4 | _STT_GNU_IFUNC for binding in range(16))

#: How a program learns what the processor has: the kernel's vector, by function or file, or the kernel's description.
_QUESTIONS: Final = (b"getauxval\0", b"elf_aux_info\0", b"/proc/self/auxv\0", b"/proc/cpuinfo\0")


@dataclass(frozen=True, slots=True)
class ArmAttributes:
    """What the build attributes of a whole file say."""

    cpu: ArmCpu | None = None
    float_abi: FloatAbi = FloatAbi.UNKNOWN


def read_attributes(window: Window, header: Header, section: Section) -> ArmAttributes:
    """Read the section of build attributes; those of single functions do not count.

    Raises DocumentError: it is not within the file, or not in the form of the specification.
    """
    if section.size > _ATTRIBUTE_BYTES:
        window.refuse(_PLACE, f"{section.size} bytes, more than are read")
    data = window.at(section.offset, section.size, _PLACE)
    if not data.startswith(b"A"):
        return ArmAttributes()  # another version of the format; 'A' is the only one there is
    length = struct.Struct(f"{header.mark}I")
    found: dict[int, int] = {}
    place = 1
    while place + length.size <= len(data):
        end = place + length.unpack_from(data, place)[0]
        vendor, zero, _ = data[place + length.size : end].partition(b"\0")
        if not place + length.size < end <= len(data) or not zero:
            window.refuse(_PLACE, f"the part at {place} does not fit")
        if vendor == b"aeabi":
            _read_part(window, data[place + length.size + 6 : end], length, found)
        place = end
    return _interpreted(found) if found else ArmAttributes()


def _read_part(window: Window, data: bytes, length: struct.Struct, found: dict[int, int]) -> None:
    place = 0
    while place + 1 + length.size <= len(data):
        kind = data[place]
        end = place + length.unpack_from(data, place + 1)[0]
        if not place + 1 + length.size <= end <= len(data):
            window.refuse(_PLACE, f"the attributes at {place} do not fit")
        if kind == _TAG_FILE:
            _read_values(window, data[place + 1 + length.size : end], found)
        place = end


def _read_values(window: Window, data: bytes, found: dict[int, int]) -> None:
    place = 0
    while place < len(data):
        tag, place = _number(window, data, place)
        if tag == _TAG_COMPATIBILITY:
            _, place = _number(window, data, place)
        if tag in _TEXT_TAGS or (tag >= _TAG_COMPATIBILITY and (tag % 2 or tag == _TAG_COMPATIBILITY)):
            place = data.find(b"\0", place) + 1
            if not place:
                window.refuse(_PLACE, f"the text of attribute {tag} does not end")
        else:
            found[tag], place = _number(window, data, place)


def _number(window: Window, data: bytes, place: int) -> tuple[int, int]:
    """Return a ULEB128 number and the place after it."""
    if place < len(data) and data[place] < 0x80:
        return data[place], place + 1  # nearly all are that short
    value = 0
    for position in range(place, min(place + 5, len(data))):
        value |= (data[position] & 0x7F) << 7 * (position - place)
        if data[position] < 0x80:
            return value, position + 1
    window.refuse(_PLACE, f"the number at {place} does not end")


def _interpreted(found: dict[int, int]) -> ArmAttributes:
    number = found.get(_TAG_CPU_ARCH, 0)
    # A number that is not known here is later than all that are.
    name, version = _CPUS[number] if number < len(_CPUS) else (f"later than v9 ({number})", 10)
    profile = chr(found.get(_TAG_CPU_ARCH_PROFILE, 0) & 0x7F)
    profile = "M" if "-M" in name else profile if profile in "ARMS" else ""
    if _TAG_ABI_VFP_ARGS in found:
        convention = _VFP_ARGS.get(found[_TAG_ABI_VFP_ARGS], FloatAbi.UNKNOWN)
    else:
        # Left out is the base standard; but code that has no floating-point values at all hands over none.
        convention = FloatAbi.SOFT if found.get(_TAG_ABI_FP_NUMBER_MODEL) else FloatAbi.EITHER
    return ArmAttributes(ArmCpu(name, version, profile), convention)


def asks_machine(window: Window, header: Header, sections: list[Section]) -> bool:
    """Tell whether a library looks at the processor before it uses what only some have.

    The attributes of a library are those of its latest part. Debian's libgcrypt says v8 on armhf, which is v7, and its
    libatomic says v7 on armel, which is v5: both choose among several implementations as they are loaded. They do it
    by indirect functions, to which the loader hands the processor's abilities, or ask the kernel for them.
    """
    symbols = next((one for one in sections if one.type == SHT_DYNSYM), None)
    if symbols is not None and symbols.size <= _SYMBOL_BYTES:
        table = window.at(symbols.offset, symbols.size - symbols.size % 16, "dynamic symbols")
        # st_info, at 12 of the 16 bytes, is the same in both byte orders.
        if header.bits == 32 and not _INDIRECT.isdisjoint(table[12::16]):
            return True
    return window.contains(*_QUESTIONS, limit=_SEARCHED_BYTES)
