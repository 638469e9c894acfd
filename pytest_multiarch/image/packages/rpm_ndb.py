"""rpm's own database, "ndb": slots that say where in the file each header is.

Source: rpm's ``lib/backend/ndb/rpmpkg.c``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.tree import refuse

if TYPE_CHECKING:
    from collections.abc import Generator

_HEAD: Final = struct.Struct("<4sIIII")
_SLOT: Final = struct.Struct("<4sIII")
_BLOB: Final = struct.Struct("<4sIII")
_BLOB_END: Final = 12
_BLOCK: Final = 16
_PAGE: Final = 4096
_FIRST_SLOT: Final = 32


def ndb_headers(path: str, data: bytes) -> Generator[tuple[int, bytes], None, None]:
    """Yield the headers with their numbers, in the order of their slots.

    Raises DocumentError: it is not an ndb, or a slot points outside of it, to something else, or where another does.
    """
    if len(data) < _FIRST_SLOT or data[:4] != b"RpmP":
        refuse(path, "beginning", "it is not rpm's ndb")
    _, version, _, pages, _ = _HEAD.unpack_from(data)
    if version != 0:
        refuse(path, "beginning", f"version {version} of ndb, expected 0")
    slots_end = pages * _PAGE
    if not _FIRST_SLOT <= slots_end <= len(data):
        refuse(path, "beginning", f"{pages} pages of slots do not fit into its {len(data)} bytes")
    # Each header is somewhere else: together they cannot be larger than the file.
    rest = len(data) - slots_end
    for place in range(_FIRST_SLOT, slots_end, _SLOT.size):
        magic, number, start, blocks = _SLOT.unpack_from(data, place)
        if magic != b"Slot":
            refuse(path, f"slot at {place:#x}", "it is no slot")
        if not start:
            continue
        rest -= blocks * _BLOCK
        if rest < 0:
            refuse(path, f"slot at {place:#x}", "the slots point to more than there is")
        yield number, _blob(path, data, number, start * _BLOCK, blocks * _BLOCK)


def _blob(path: str, data: bytes, number: int, start: int, space: int) -> bytes:
    end = start + _BLOB.size
    magic, owner, _, size = _BLOB.unpack_from(data, start) if end <= len(data) else (b"", 0, 0, 0)
    if magic != b"BlbS" or owner != number:
        refuse(path, f"header {number}", f"there is none at {start:#x}")
    if _BLOB.size + size + _BLOB_END > space or end + size > len(data):
        refuse(path, f"header {number}", f"its {size} bytes are more than its slot has")
    return data[end : end + size]
