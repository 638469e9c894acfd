"""The files of an OCI layout, in a folder or inside a tar archive, read in place: nothing is unpacked."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final, Protocol

from pytest_multiarch.errors import DocumentError, LayerError, RegistryError, UsageProblem
from pytest_multiarch.image.checked import CheckedBlob
from pytest_multiarch.image.limits import EntryBudget
from pytest_multiarch.image.members import FileKind
from pytest_multiarch.image.spool import SpoolFile, read_fully
from pytest_multiarch.image.tar import TarReader
from pytest_multiarch.oci import DigestChecker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.oci import Descriptor

DAMAGED: Final = "The layout is damaged, or was not written to its end"
"""What to think where a file of a layout is not what its digest says."""

_CHUNK: Final = 256 * 1024
_MOST_FILES: Final = 1_000_000


class Part:
    """Hold a piece of an open file, whole or inside an archive. A context manager that closes it."""

    __slots__ = ("_handle", "offset", "size")

    def __init__(self, handle: int, offset: int, size: int) -> None:
        self._handle = handle
        self.offset = offset
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset`` on, fewer at the end only."""
        return read_fully(self._handle, self.offset + offset, max(0, min(size, self.size - offset)))

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class LayoutFiles(Protocol):
    """Open a layout's files by their names: ``index.json``, ``blobs/sha256/…``."""

    def open(self, name: str) -> Part | None:
        """Return a file, None where there is none. Raises RegistryError: it cannot be read."""
        ...


class FolderFiles:
    """Read a layout that is a folder. Links are followed: build tools make layouts of links (bazel's rules_oci)."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what

    def open(self, name: str) -> Part | None:
        """Return a file, None where there is none. Raises RegistryError: it cannot be read."""
        try:
            handle = os.open(self._path / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a fifo must not hang
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RegistryError(f"read {name} of {self._what}", str(error.strerror)) from error
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise RegistryError(f"read {name} of {self._what}", "it is no regular file")
        return Part(handle, 0, status.st_size)


class ArchiveFiles:
    """Read a layout inside a tar archive. Only its regular files count; their names are compared, never made paths of.

    Of a name that is there twice the last counts, as in extracting.

    Raises UsageProblem: the archive cannot be read. Raises DocumentError: it is no tar archive, or a broken one.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._places: dict[str, tuple[int, int]] = {}
        try:
            self._read()
        except OSError as error:
            raise UsageProblem(f"open {what}", str(error.strerror)) from error

    def open(self, name: str) -> Part | None:
        """Return a file, None where there is none. Raises RegistryError: the archive is gone."""
        if name not in self._places:
            return None
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RegistryError(f"read {name} of {self._what}", str(error.strerror)) from error
        return Part(handle, *self._places[name])

    def _read(self) -> None:
        with self._path.open("rb") as file:
            if file.read(2) in (b"\x1f\x8b", b"\x28\xb5"):
                raise DocumentError(f"open {self._what}", "the archive itself is compressed", "Decompress it first")
        archive = SpoolFile(self._path, self._path.stat().st_size)
        try:
            for name, member, links_to in TarReader(archive, self._what, "", EntryBudget(self._what, _MOST_FILES)):
                plain_name = name.removeprefix("./")
                self._places.pop(plain_name, None)
                if member.kind is FileKind.FILE and not links_to and member.extents is None:
                    self._places[plain_name] = (member.offset, member.size)
        except LayerError as error:
            raise DocumentError(error.tried, error.found, "Was it written to its end?") from None


class FileBlob(CheckedBlob):
    """Read a blob from a file. See `CheckedBlob`."""

    def __init__(self, tried: str, descriptor: Descriptor, part: Part) -> None:
        super().__init__(DigestChecker(tried.removeprefix("read "), descriptor.digest, descriptor.size, DAMAGED))
        self._part = part

    def _received(self) -> Iterator[bytes]:
        position = 0
        while chunk := self._part.read_at(position, _CHUNK):
            position += len(chunk)
            yield chunk

    def _release(self) -> None:
        self._part.close()
