"""What a command wrote: in memory while it is small, in a temporary file beyond that, and in short for a report."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

MEMORY_LIMIT: Final = 1024 * 1024
"""Bytes of one output that are kept in memory; a longer one lies in a temporary file, which has no name and goes with it."""
_PIECE: Final = 1024 * 1024


class Output:
    """Hold the bytes of one finished output. Safe to read from several threads."""

    __slots__ = ("__weakref__", "_data", "_handle", "size")

    def __init__(self, data: bytes = b"", spooled: BinaryIO | None = None) -> None:
        self._data = data
        self._handle = -1
        self.size = len(data)
        if spooled is not None:
            spooled.flush()
            self._handle = spooled.fileno()
            self.size = os.fstat(self._handle).st_size
            weakref.finalize(self, spooled.close)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset`` on, fewer at the end only."""
        if self._handle < 0:
            return self._data[offset : offset + size]
        pieces = []
        while size > 0 and (piece := os.pread(self._handle, size, offset)):
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def whole(self) -> bytes:
        """Return all bytes."""
        return self._data if self._handle < 0 else self.read_at(0, self.size)

    def text(self) -> str:
        """Return all of it as UTF-8; other bytes become U+FFFD."""
        return self.whole().decode("utf-8", errors="replace")

    def shown(self, limit: int) -> str:
        """Return it as text; of more than ``limit`` bytes its beginning and its end only, and how much is left out."""
        if self.size <= limit:
            return self.text()
        half = limit // 2
        head, tail = self.read_at(0, half), self.read_at(self.size - half, half)
        left_out = f"\n… {self.size - 2 * half} bytes left out …\n"
        return f"{head.decode('utf-8', errors='replace')}{left_out}{tail.decode('utf-8', errors='replace')}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Output):
            return NotImplemented
        return self.size == other.size and all(
            self.read_at(start, _PIECE) == other.read_at(start, _PIECE) for start in range(0, self.size, _PIECE)
        )

    def __hash__(self) -> int:
        return hash((self.size, self.read_at(0, 64)))

    def __reduce__(self) -> tuple[object, ...]:
        return Output, (self.whole(),)

    def __repr__(self) -> str:
        return f"<Output of {self.size} bytes>"


class OutputWriter:
    """Take an output as it comes."""

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self._memory_limit = memory_limit
        self._data = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add what came."""
        self.size += len(data)
        if self._file is None:
            if self.size <= self._memory_limit:
                self._data += data
                return
            self._file = tempfile.TemporaryFile(prefix="pytest-multiarch-output-")  # noqa: SIM115 - `Output` closes it
            self._file.write(self._data)
            self._data.clear()
        self._file.write(data)

    def finish(self) -> Output:
        """Return what came; nothing may be written afterwards."""
        return Output(bytes(self._data)) if self._file is None else Output(spooled=self._file)
