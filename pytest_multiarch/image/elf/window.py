"""The bytes of one file, asked for by place: what lies outside of the file is refused before anything is read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, NoReturn

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_CHUNK: Final = 1024 * 1024


class Window:
    """Hand out pieces of a file: all of its bytes, a seekable stream, or only its first bytes (``complete`` is False)."""

    __slots__ = ("_data", "_stream", "complete", "name", "size")

    def __init__(self, source: bytes | BinaryIO, name: str, *, complete: bool = True) -> None:
        self.name = name
        self.complete = complete
        self._data = source if isinstance(source, bytes) else b""
        self._stream = None if isinstance(source, bytes) else source
        self.size = len(source) if isinstance(source, bytes) else source.seek(0, io.SEEK_END)

    def refuse(self, place: str, found: str, hint: str = "") -> NoReturn:
        """Raise the error that names this file and a place in it."""
        raise DocumentError(f"read the ELF file {plain(self.name)}", f"{place}: {found}", hint)

    def has(self, offset: int, size: int) -> bool:
        """Tell whether a piece lies within the bytes that are here."""
        return offset >= 0 and size >= 0 and offset + size <= self.size

    def check(self, offset: int, size: int, place: str) -> None:
        """Raise DocumentError where a piece is not all within the file."""
        if not self.has(offset, size):
            self.refuse(place, f"{size} bytes at {offset:#x}, but the file ends at {self.size:#x}", _CUT)

    def at(self, offset: int, size: int, place: str) -> bytes:
        """Return a piece. Raises DocumentError: it is not all within the file."""
        self.check(offset, size, place)
        if self._stream is None:
            return self._data[offset : offset + size]
        self._stream.seek(offset)
        piece = self._stream.read(size)
        if len(piece) != size:
            self.refuse(place, f"{size} bytes at {offset:#x}, but the file became shorter while it was read")
        return piece

    def contains(self, *words: bytes, limit: int) -> bool:
        """Tell whether one of some words of at most 64 bytes is among the first ``limit`` bytes."""
        return any(word in piece for piece in self._pieces(limit) for word in words)

    def _pieces(self, limit: int) -> Iterator[bytes]:
        end = min(self.size, limit)
        if self._stream is None:
            yield self._data[:end]
            return
        for start in range(0, end, _CHUNK):
            yield self.at(start, min(_CHUNK + 64, end - start), "contents")


_CUT: Final = "It was cut off, or something other than a linker changed it"
