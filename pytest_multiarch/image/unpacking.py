"""From a compressed blob to a plain tar archive on disk: decompressed in pieces, measured, digests noted.

What the content is, its first bytes decide and not the media type: that is how engines read layers (containerd
``pkg/archive/compression``), and published media types are sometimes wrong. Gzip is unpacked by ISA-L in half of zlib's
time, on machines for which ``python-isal`` has no wheels by zlib; zstd by ``zstandard``.
"""

from __future__ import annotations

import errno
import hashlib
import zlib
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import zstandard

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.unpacked import Compression, Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.image.limits import LayerLimits
    from pytest_multiarch.image.source import BlobReader

_zlib: Any = zlib
with suppress(ImportError):
    _zlib = import_module("isal.isal_zlib")  # the same interface, twice as fast
_BROKEN: Final[tuple[type[Exception], ...]] = (zlib.error, _zlib.error, zstandard.ZstdError)

# Every piece lets go of the interpreter and waits for it again, behind whatever else goes on: few large ones are quicker.
_PIECE: Final = 1024 * 1024
_FED: Final = 32 * 1024  # a gzip member's end copies what is left of this: many small members must not copy much
_MOST_FED: Final = 256 * 1024  # what a long member is fed with
_GZIP_ONLY: Final = 31  # zlib.h: 15 bits of window, plus 16 for a gzip header
_ZSTD_WINDOW: Final = 128 * 1024 * 1024  # what `zstd -d` takes without asking
_MAGIC: Final = 6


def unpack(blob: BlobReader, target: Path, what: str, limits: LayerLimits, charge: Callable[[int], None]) -> Unpacked:
    """Write a blob's unpacked content to a new file.

    Args:
        blob: read to its end, so that its own digest has been checked when this returns.
        target: the file to make; it may be there, incomplete, where this raises.
        what: names the layer in errors.
        limits: how large it may become.
        charge: is told of every piece's size before it is written, and may refuse.

    Raises LayerError: the content is broken or too large, or the disk is full.
    Raises IntegrityError or RegistryError: as reading the blob does.

    """
    source = _Source(blob)
    compression = _compression(source.peek(_MAGIC), what)
    digest = hashlib.sha256()
    size = 0
    try:
        with target.open("xb", buffering=0) as file:
            for piece in _unpacked(source, compression):
                size += len(piece)
                limits.check_size(what, source.seen, size)
                charge(len(piece))
                digest.update(piece)
                written = file.write(piece)
                while written < len(piece):
                    written += file.write(piece[written:])
    except _BROKEN as error:
        blob.finish()  # a wrong digest explains more than what is wrong with the content
        raise LayerError(
            f"unpack {what}", f"its {compression.value} data is broken: {error}", "It was published so"
        ) from error
    except _Truncated:
        blob.finish()
        raise LayerError(
            f"unpack {what}", f"its {compression.value} data ends too early", "It was published so"
        ) from None
    except OSError as error:
        hint = "Name a larger disk in TMPDIR" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise LayerError(f"unpack {what}", f"cannot write {target.parent}: {error.strerror}", hint) from error
    blob.finish()
    return Unpacked(size, f"sha256:{digest.hexdigest()}", compression)


class _Truncated(Exception):
    pass


class _Source:
    """Read a blob that has been looked at, and count."""

    def __init__(self, blob: BlobReader) -> None:
        self._blob = blob
        self._held = b""
        self._at = 0
        self.seen = 0

    def peek(self, size: int) -> bytes:
        self._held = self._blob.read(size)
        return self._held

    def read(self, size: int) -> bytes:
        if self._at == len(self._held):
            self._held, self._at = self._blob.read(size), 0
        data = self._held[self._at : self._at + size]
        self._at += len(data)
        self.seen += len(data)
        return data

    def put_back(self, count: int) -> None:
        """Have the last bytes of what was read last read again."""
        self._at -= count
        self.seen -= count


def _compression(start: bytes, what: str) -> Compression:
    if start.startswith(b"\x1f\x8b\x08"):
        return Compression.GZIP
    if start.startswith(b"\x28\xb5\x2f\xfd") or (start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5):
        return Compression.ZSTD  # a frame, or a skippable frame (RFC 8878, sections 3.1.1 and 3.1.2)
    for magic, name in ((b"\xfd7zXZ\x00", "xz"), (b"BZh", "bzip2")):
        if start.startswith(magic):
            raise LayerError(f"unpack {what}", f"it is compressed with {name}, which no engine unpacks")
    return Compression.NONE


def _unpacked(source: _Source, compression: Compression) -> Iterator[bytes]:
    if compression is Compression.GZIP:
        return _gunzip(source)
    if compression is Compression.ZSTD:
        return _unzstd(source)
    return iter(lambda: source.read(_PIECE), b"")


def _gunzip(source: _Source) -> Iterator[bytes]:
    """Yield what a gzip file holds: one member after another (RFC 1952, section 2.2), as pigz and eStargz write it."""
    member, fed = _zlib.decompressobj(_GZIP_ONLY), _FED
    while data := source.read(fed):
        if member.eof:
            member = _zlib.decompressobj(_GZIP_ONLY)
        while data and not member.eof:
            if piece := member.decompress(data, _PIECE):
                yield piece
            data = member.unconsumed_tail
        if member.eof:
            source.put_back(len(member.unused_data))
        fed = _FED if member.eof else min(2 * fed, _MOST_FED)
    while not member.eof and (piece := member.decompress(b"", _PIECE)):
        yield piece
    if not member.eof:
        raise _Truncated


def _unzstd(source: _Source) -> Iterator[bytes]:
    """Yield what zstd frames hold. A frame that is cut off ends early: the diff id then tells."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    with decompressor.stream_reader(source, read_size=_MOST_FED, read_across_frames=True, closefd=False) as reader:  # type: ignore[arg-type]
        while piece := reader.read(_PIECE):
            yield piece
