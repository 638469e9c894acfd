"""The dynamic section: which libraries a file needs, what it is called, where it looks for them.

Source: gABI, chapter 5, "Dynamic Section"; DF_1_PIE is from Solaris' linker and in glibc's elf.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.elf.layout import offset_of

if TYPE_CHECKING:
    from pytest_multiarch.image.elf.layout import Header, Segment
    from pytest_multiarch.image.elf.window import Window

LONGEST_NAME: Final = 4096
"""Bytes of the longest path: Linux's PATH_MAX, with the zero at its end."""

_DYNAMIC_BYTES: Final = 1024 * 1024
_MOST_LIBRARIES: Final = 1024

_DT_NULL: Final = 0
_DT_NEEDED: Final = 1
_DT_STRTAB: Final = 5
_DT_STRSZ: Final = 10
_DT_SONAME: Final = 14
_DT_RPATH: Final = 15
_DT_RUNPATH: Final = 29
_DT_FLAGS_1: Final = 0x6FFFFFFB
_DF_1_PIE: Final = 0x08000000
_NAMES: Final = frozenset({_DT_SONAME, _DT_RPATH, _DT_RUNPATH})

_ENTRIES: Final = {(64, "<"): "<QQ", (64, ">"): ">QQ", (32, "<"): "<II", (32, ">"): ">II"}


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What the dynamic section says."""

    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    marked_pie: bool = False


def read_dynamic(window: Window, header: Header, segments: list[Segment], where: Segment) -> Dynamic:
    """Read the dynamic section of a complete file.

    Raises DocumentError: it or a name in it is not within the file, or there are more than any linker writes.
    """
    form = struct.Struct(_ENTRIES[header.bits, header.mark])
    size = where.size - where.size % form.size
    if size > _DYNAMIC_BYTES:
        window.refuse("dynamic section", f"{where.size} bytes, more than are read")
    values: dict[int, int] = {}
    needed: list[int] = []
    for tag, value in form.iter_unpack(window.at(where.offset, size, "dynamic section")):
        if tag == _DT_NULL:
            break
        if tag == _DT_NEEDED:
            needed.append(value)
        else:
            values[tag] = value
    if len(needed) > _MOST_LIBRARIES:
        window.refuse("dynamic section", f"{len(needed)} needed libraries, more than are read")
    marked = bool(values.get(_DT_FLAGS_1, 0) & _DF_1_PIE)
    if not needed and not _NAMES & values.keys():
        return Dynamic(marked_pie=marked)
    names = _Names(window, segments, values)
    return Dynamic(
        needed=tuple(names.at(place) for place in needed),
        soname=names.at(values.get(_DT_SONAME)),
        rpath=names.at(values.get(_DT_RPATH)),
        runpath=names.at(values.get(_DT_RUNPATH)),
        marked_pie=marked,
    )


class _Names:
    """The table of names, which the dynamic section gives by its address."""

    __slots__ = ("_offset", "_size", "_window")

    def __init__(self, window: Window, segments: list[Segment], values: dict[int, int]) -> None:
        found = offset_of(segments, values.get(_DT_STRTAB, -1))
        if found is None:
            window.refuse("dynamic section", "its table of names is nowhere in the file")
        self._window = window
        self._offset, loaded = found
        self._size = min(loaded, values.get(_DT_STRSZ, 0))

    def at(self, place: int | None) -> str:
        if place is None:
            return ""
        size = min(self._size - place, LONGEST_NAME)
        if size <= 0:
            self._window.refuse("dynamic section", f"a name at {place}, but the names are {self._size} bytes")
        name, end, _ = self._window.at(self._offset + place, size, "dynamic section").partition(b"\0")
        if not end:
            self._window.refuse("dynamic section", f"the name at {place} does not end")
        return text(name)


def text(raw: bytes) -> str:
    r"""Return a name as text; bytes that are not UTF-8 are shown as ``\xNN``."""
    return raw.decode("utf-8", "backslashreplace")
