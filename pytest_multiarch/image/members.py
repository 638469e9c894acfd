"""What a layer's archive says of one file, and reading that file's content from the unpacked layer."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.spool import read_fully

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer

    from pytest_multiarch.image.spool import OpenFiles, SpoolFile


BEGINNING: Final = 4
"""How many of a file's first bytes are kept: as many as the magic numbers of programs have."""


class FileKind(Enum):
    """Tell what a path is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "fifo"


@dataclass(slots=True)
class Member:
    """Hold what an archive says of a file, except its name: names that are hard links share one.

    Not frozen: a hard link's own header changes the attributes of the file that it links to, as ``chmod`` and ``chown``
    by either name do. Only the module that folds the layer changes it.

    ``size`` is of the content as it is read; ``extents`` are offset and length, again and again, of what a sparse file
    holds besides zeros, stored back to back from ``offset`` of ``content`` on.

    ``begins`` are the content's first bytes, `BEGINNING` or all of a shorter one: they lie beside the header that is read
    anyway, and spare opening thousands of files, or going through a sparse file's map for each of its hard links, only to
    see what kind they are.
    """

    kind: FileKind
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    mtime: float
    size: int
    target: str
    device: tuple[int, int] | None
    xattrs: Mapping[str, bytes] | None
    offset: int
    extents: tuple[int, ...] | None
    content: SpoolFile | None
    layer: str
    begins: bytes = b""

    def read(self, size: int, opened: OpenFiles | None = None) -> bytes:
        """Return the first ``size`` bytes of the content, fewer where it is shorter; for many members keep it ``opened``."""
        size = min(size, self.size)
        if self.content is None or not size:
            return b""
        if self.extents is None:
            if opened is not None:
                return _whole(opened.read_at(self.content, self.offset, size), size)
            return _whole(self.content.read_at(self.offset, size), size)
        with self.open() as stream:
            return stream.read(size)

    def begins_with(self, magic: bytes) -> bool:
        """Tell whether the content begins with some bytes, at most `BEGINNING` of them."""
        return self.begins.startswith(magic)

    def open(self) -> io.BufferedReader:
        """Return the content as a binary stream that can seek; the caller closes it."""
        return io.BufferedReader(_ContentStream(self), 64 * 1024)


class _ContentStream(io.RawIOBase):
    """Read a member's content, zeros where a sparse file has none."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._size = member.size
        self._position = 0
        self._offset = member.offset
        extents = (0, member.size) if member.extents is None else member.extents
        self._starts = extents[::2]
        self._lengths = extents[1::2]
        self._stored: list[int] = []
        stored = member.offset
        for length in self._lengths:
            self._stored.append(stored)
            stored += length
        self._handle = -1 if member.content is None else member.content.open()

    def close(self) -> None:
        if not self.closed and self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        view: Any = memoryview(buffer).cast("B")
        data = self._next(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _next(self, size: int) -> bytes:
        """Return at least one byte from here on, at most ``size``; none at the end."""
        size = min(size, self._size - self._position)
        if size <= 0 or self._handle < 0:
            return b""
        index = bisect_right(self._starts, self._position) - 1
        inside = self._position - self._starts[index] if index >= 0 else 0
        if index >= 0 and inside < self._lengths[index]:
            size = min(size, self._lengths[index] - inside)
            return _whole(read_fully(self._handle, self._stored[index] + inside, size), size)
        following = self._starts[index + 1] if index + 1 < len(self._starts) else self._size
        return bytes(min(size, following - self._position))


def _whole(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise LayerError("read an unpacked layer", f"{len(data)} bytes of {size} are left", "Is the disk full?")
    return data
