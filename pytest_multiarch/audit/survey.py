"""The one walk over an image's files that finds its ELF files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.elf import ELF_MAGIC, HEADER_BYTES, expected, misfits, read_elf, read_elf_header
from pytest_multiarch.image.spool import OpenFiles

if TYPE_CHECKING:
    from pytest_multiarch.image.elf import ElfFile, Misfit
    from pytest_multiarch.image.entries import FileEntry
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.members import Member
    from pytest_multiarch.platforms import Platform

_Content: TypeAlias = tuple[int, int, int, int]

_SMALLEST: Final = 52  # the header of a 32-bit file
_READ_WHOLE: Final = 512 * 1024  # one read of it all is quicker than a dozen of the pieces that matter


@dataclass(frozen=True, slots=True)
class ElfEntry:
    """Hold an ELF file of an image: where it is, what it says of itself, and why its platform does not run it."""

    entry: FileEntry
    elf: ElfFile
    misfits: tuple[Misfit, ...]

    @property
    def is_foreign(self) -> bool:
        """Tell whether no processor of the platform runs the file."""
        return any(misfit.about == "machine" for misfit in self.misfits)

    @property
    def path(self) -> str:
        """Return the path."""
        return self.entry.path


def survey(files: ImageFiles, platform: Platform) -> tuple[ElfEntry, ...]:
    """Return all ELF files of an image, in the order of their paths.

    Of a file that is broken further back, what its header says counts; one without a readable header is no ELF file to
    any processor, and left out. Parsers' test data are such files. A file is read once, however many hard links it has: with
    a few kilobytes an image can have a million of them.
    """
    found = []
    read: dict[_Content, ElfFile | None] = {}
    promised = expected(platform)
    newest = promised.arm_version if promised is not None else 0
    with OpenFiles() as opened:
        for entry, member in files.files_beginning(ELF_MAGIC):
            if entry.size < _SMALLEST:
                continue
            content = _content(member)
            if content not in read:
                read[content] = _read(entry.path, member, newest, opened)
            elf = read[content]
            if elf is not None:
                found.append(ElfEntry(entry, elf, misfits(elf, platform)))
    return tuple(found)


def _content(member: Member) -> _Content:
    """Return what tells a member's content from others': a hard link of a later layer is another member with the same."""
    # A sparse file's map by its identity, for comparing it takes as long as it is: the links share that, too.
    return id(member.content), member.offset, member.size, id(member.extents)


def _read(path: str, member: Member, newest_arm: int, opened: OpenFiles) -> ElfFile | None:
    try:
        if member.size <= _READ_WHOLE:
            return read_elf(member.read(member.size, opened), path, newest_arm)
        with member.open() as stream:
            return read_elf(stream, path, newest_arm)
    except DocumentError:
        pass
    try:
        return read_elf_header(member.read(HEADER_BYTES, opened), path)
    except DocumentError:
        return None
