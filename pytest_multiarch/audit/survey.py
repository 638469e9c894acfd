"""The one walk over an image's files that finds its ELF files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.elf import HEADER_BYTES, is_elf, read_elf, read_elf_header

if TYPE_CHECKING:
    from pytest_multiarch.image.elf import ElfFile
    from pytest_multiarch.image.entries import FileEntry
    from pytest_multiarch.image.filesystem import ImageFiles

_SMALLEST: Final = 52  # the header of a 32-bit file


@dataclass(frozen=True, slots=True)
class ElfEntry:
    """Hold an ELF file of an image: where it is, and what it says of itself."""

    entry: FileEntry
    elf: ElfFile

    @property
    def path(self) -> str:
        """Return the path."""
        return self.entry.path


def survey(files: ImageFiles) -> tuple[ElfEntry, ...]:
    """Return all ELF files of an image, in the order of their paths.

    Of a file that is broken further back, what its header says counts; one without a readable header is no ELF file to
    any processor, and left out. Parsers' test data are such files.
    """
    found = []
    for entry in files.walk():
        if not entry.is_file or entry.size < _SMALLEST or not is_elf(files.read_start(entry.path, 4)):
            continue
        elf = _read(files, entry.path)
        if elf is not None:
            found.append(ElfEntry(entry, elf))
    return tuple(found)


def _read(files: ImageFiles, path: str) -> ElfFile | None:
    try:
        with files.open(path) as stream:
            return read_elf(stream, path)
    except DocumentError:
        pass
    try:
        return read_elf_header(files.read_start(path, HEADER_BYTES), path)
    except DocumentError:
        return None
