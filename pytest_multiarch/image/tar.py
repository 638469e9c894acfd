"""Reading the headers of a layer's tar archive: strict, bounded, and as the engines' own reader takes them.

Python's ``tarfile`` does most of this and is not used, because layers are hostile input: it takes a damaged header in the
middle for the archive's end (so a flipped bit hides files), reads extended headers of any size into memory, applies
global ones, which engines do not (containerd ``pkg/archive/tar.go``), and the versions in the field loop for ever on
some input (CVE-2025-8194). What counts as valid follows Go's ``archive/tar``, which every engine reads layers with.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn
from zlib import adler32

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.members import BEGINNING, FileKind, Member
from pytest_multiarch.image.pax import PaxError, decimal, pax_records, seconds, sparse_extents, text_of
from pytest_multiarch.image.spool import read_fully
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.limits import EntryBudget
    from pytest_multiarch.image.pax import GnuSparse
    from pytest_multiarch.image.spool import SpoolFile

_BLOCK: Final = 512
_END: Final = bytes(_BLOCK)
_WINDOW: Final = 64 * 1024  # most files are small, so that a header and the next often lie in one
_EXTENDED_LIMIT: Final = 1024 * 1024  # Go's maxSpecialFileSize
_NAME_LIMIT: Final = 4096  # PATH_MAX: no engine can unpack a longer one
_OWNER_LIMIT: Final = 256
_KEPT_NUMBERS: Final = 4096
_XATTR: Final = "SCHILY.xattr."

_REGULAR: Final = b"0\x007S"
_OLD_SPARSE: Final = b"S"[0]
_KINDS: Final = {
    **dict.fromkeys(_REGULAR, FileKind.FILE),
    b"1"[0]: FileKind.FILE,
    b"2"[0]: FileKind.SYMLINK,
    b"3"[0]: FileKind.CHARACTER_DEVICE,
    b"4"[0]: FileKind.BLOCK_DEVICE,
    b"5"[0]: FileKind.DIRECTORY,
    b"6"[0]: FileKind.FIFO,
}


class TarEntry(NamedTuple):
    """Name a member. A hard link has the name of what it links to, and a member for what its own header says."""

    name: str
    member: Member
    links_to: str


class TarReader:
    """Yield an archive's entries in their order.

    Args:
        archive: the unpacked archive.
        what: names it in errors.
        layer: the digest that its members will bear.
        budget: bounds the metadata that is kept.

    Raises LayerError: the archive is damaged, cut off, or has entries that no engine unpacks.

    """

    def __init__(self, archive: SpoolFile, what: str, layer: str, budget: EntryBudget) -> None:
        self._archive = archive
        self._what = what
        self._layer = layer
        self._budget = budget
        self._handle = -1
        self._window = b""
        self._window_at = 0
        self._names: dict[bytes, str] = {}
        self._numbers: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[TarEntry]:
        self._handle = self._archive.open()
        try:
            yield from self._entries()
        finally:
            os.close(self._handle)

    def _entries(self) -> Iterator[TarEntry]:
        position = 0
        pax: dict[str, bytes] = {}
        long_name = long_link = None
        while block := self._header(position):
            kind = block[156]
            size = self._number(block, 124, 12, position)
            data = position + _BLOCK
            if kind in b"xgLK":
                content = self._extended(data, size, position)
                position = data + _padded(size)
                if kind == b"x"[0]:
                    pax = self._pax(content, position)
                elif kind == b"L"[0]:
                    long_name = content.partition(b"\0")[0]
                elif kind == b"K"[0]:
                    long_link = content.partition(b"\0")[0]
                continue
            try:
                entry, position = self._entry(block, position, size, pax, long_name, long_link)
            except PaxError as error:
                self._refuse(position, str(error))
            yield entry
            pax, long_name, long_link = {}, None, None
        if pax or long_name is not None or long_link is not None:
            self._refuse(position, "an extended header that belongs to no entry")

    def _header(self, position: int) -> bytes:
        """Return the header block at a position, empty at the archive's end (POSIX pax, "ustar Interchange Format")."""
        block = self._read(position, _BLOCK)
        if not block:
            return b""
        if len(block) < _BLOCK:
            self._refuse(position, "it is cut off in the middle of a header")
        if block == _END:
            following = self._read(position + _BLOCK, _BLOCK)
            if following and following != _END[: len(following)]:
                self._refuse(position, "a block of zeros, but more after it")
            return b""
        digits = block[148:156].strip(b" \0")
        told = -1 if digits.strip(b"01234567") else int(digits or b"0", 8)
        unsigned = _sum(block) - sum(block[148:156]) + 8 * 32
        if told != unsigned:
            signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
            if told != signed:  # as old tar programs summed it
                self._refuse(position, "no tar header, or a damaged one: its checksum is wrong")
        return block

    def _entry(
        self,
        block: bytes,
        position: int,
        size: int,
        pax: dict[str, bytes],
        long_name: bytes | None,
        long_link: bytes | None,
    ) -> tuple[TarEntry, int]:
        kind_byte = block[156]
        kind = _KINDS.get(kind_byte)
        if kind is None:
            self._refuse(position, f"an entry of the unknown type {chr(kind_byte)!a}")
        name = self._name(long_name or pax.get("path") or _ustar_name(block), position)
        if kind_byte == 0 and name.endswith("/"):
            kind = FileKind.DIRECTORY  # archives from before 1988 have no type for it
        links = kind_byte in b"12"
        link = self._name(long_link or pax.get("linkpath") or _field(block, 157, 100), position) if links else ""
        if links and not link:
            self._refuse(position, f"{plain(name)!r} is a link to nothing")
        stored = decimal(pax["size"]) if pax.get("size") else size
        is_regular = kind is FileKind.FILE and kind_byte in _REGULAR
        stored = stored if is_regular else 0
        data = position + _BLOCK
        sparse = None
        if is_regular and (pax or kind_byte == _OLD_SPARSE):
            sparse = sparse_extents(self._read, block if kind_byte == _OLD_SPARSE else b"", data, stored, pax)
        if sparse is not None:
            name = self._name(sparse.name, position) if sparse.name else name
            self._budget.spend(len(sparse.extents) // 2)
        after = data + stored + (sparse.header_blocks * _BLOCK if sparse else 0)
        if stored < 0 or after > self._archive.size:
            self._refuse(position, f"{plain(name)!r} is cut off: {stored} bytes should follow")
        known = block[257:262] == b"ustar"
        is_device = known and kind in (FileKind.CHARACTER_DEVICE, FileKind.BLOCK_DEVICE)
        member = Member(
            kind=kind,
            mode=self._number(block, 100, 8, position) & 0o7777,
            uid=decimal(pax["uid"]) if pax.get("uid") else self._number(block, 108, 8, position),
            gid=decimal(pax["gid"]) if pax.get("gid") else self._number(block, 116, 8, position),
            user=self._owner(pax.get("uname") or (_field(block, 265, 32) if known else b"")),
            group=self._owner(pax.get("gname") or (_field(block, 297, 32) if known else b"")),
            mtime=seconds(pax["mtime"]) if pax.get("mtime") else float(self._number(block, 136, 12, position)),
            size=sparse.size if sparse else stored,
            target=link if kind is FileKind.SYMLINK else "",
            device=(self._number(block, 329, 8, position), self._number(block, 337, 8, position))
            if is_device
            else None,
            xattrs=self._xattrs(pax) if pax else None,
            offset=sparse.offset if sparse else data,
            extents=sparse.extents if sparse else None,
            content=self._archive if kind is FileKind.FILE else None,
            layer=self._layer,
            begins=self._beginning(data, stored, sparse),
        )
        return TarEntry(name, member, link if kind_byte == b"1"[0] else ""), data + _padded(after - data)

    def _beginning(self, data: int, stored: int, sparse: GnuSparse | None) -> bytes:
        if sparse is None:
            return self._read(data, min(stored, BEGINNING)) if stored else b""
        start = bytearray(min(sparse.size, BEGINNING))
        stored = sparse.offset
        for place, length in zip(sparse.extents[::2], sparse.extents[1::2], strict=True):
            if place >= len(start):
                break
            piece = self._read(stored, min(length, len(start) - place))
            start[place : place + len(piece)] = piece
            stored += length
        return bytes(start)

    def _extended(self, data: int, size: int, position: int) -> bytes:
        if not 0 <= size <= _EXTENDED_LIMIT:
            self._refuse(position, f"an extended header of {size} bytes, more than the {_EXTENDED_LIMIT} that are read")
        content = self._read(data, size)
        if len(content) < size or data + _padded(size) > self._archive.size:
            self._refuse(position, "it is cut off in the middle of an extended header")
        return content

    def _pax(self, content: bytes, position: int) -> dict[str, bytes]:
        try:
            return pax_records(content)
        except PaxError as error:
            self._refuse(position, str(error))

    def _name(self, raw: bytes, position: int) -> str:
        if len(raw) > _NAME_LIMIT:
            self._refuse(position, f"a name of {len(raw)} bytes, more than the {_NAME_LIMIT} that a path may have")
        self._budget.spend_text(len(raw))
        return text_of(raw)

    def _owner(self, raw: bytes) -> str:
        """Return a user's or group's name, the same object for all its files."""
        raw = raw[:_OWNER_LIMIT]
        if raw not in self._names:
            self._budget.spend(1)
            self._names[raw] = text_of(raw)
        return self._names[raw]

    def _xattrs(self, pax: dict[str, bytes]) -> dict[str, bytes] | None:
        found = {key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)}
        if not found:
            return None
        self._budget.spend_text(sum(len(key) + len(value) + 128 for key, value in found.items()))
        return found

    def _number(self, block: bytes, start: int, length: int, position: int) -> int:
        """Return a number: octal, or base 256 where its first bit is set (GNU tar "Extensions")."""
        raw = block[start : start + length]
        known = self._numbers.get(raw)
        if known is not None:
            return known
        if raw[0] & 0x80:
            value = int.from_bytes(raw, "big")
            bits = 8 * length
            return value - (1 << bits) if raw[0] & 0x40 else value - (1 << (bits - 1))
        digits = raw.partition(b"\0")[0].strip(b" ")
        if digits.strip(b"01234567"):
            self._refuse(position, f"{plain(text_of(digits))!r} where an octal number should be")
        value = int(digits or b"0", 8)
        if len(self._numbers) < _KEPT_NUMBERS:
            self._numbers[raw] = value  # modes, owners and times come again and again
        return value

    def _read(self, position: int, size: int) -> bytes:
        start = position - self._window_at
        if start < 0 or start + size > len(self._window):
            if size > _WINDOW:
                return read_fully(self._handle, position, size)
            self._window = read_fully(self._handle, position, _WINDOW)
            self._window_at = position
            start = 0
        return self._window[start : start + size]

    def _refuse(self, position: int, found: str) -> NoReturn:
        raise LayerError(f"read the archive of {self._what}", f"at byte {position}: {found}", "It was published so")


def _sum(block: bytes) -> int:
    """Return the sum of a block's bytes. Adler-32 has it in its lower half, modulo 65521, which ASCII does not reach."""
    return (adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _field(block: bytes, start: int, length: int) -> bytes:
    return block[start : start + length].partition(b"\0")[0]


def _ustar_name(block: bytes) -> bytes:
    name = _field(block, 0, 100)
    if block[257:263] != b"ustar\0":
        return name
    prefix = _field(block, 345, 131 if block[508:512] == b"tar\0" else 155)
    return prefix + b"/" + name if prefix else name
