"""What a tar archive says beyond its fixed fields: PAX records, and where the content of sparse files lies.

Sources: POSIX ``pax``, "pax Extended Header"; https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK: Final = 512
_MAP_LIMIT: Final = 1024 * 1024
_LARGEST: Final = 2**63 - 1
_DECIMAL: Final = re.compile(rb"-?[0-9]{1,19}")
_SECONDS: Final = re.compile(rb"-?[0-9]{1,19}(\.[0-9]{0,30})?")
_SPARSE: Final = "GNU.sparse."

Read: TypeAlias = Callable[[int, int], bytes]
"""Return so many bytes from a position of the archive on, fewer at its end."""


class PaxError(ValueError):
    """Say what is wrong with a header; whoever reads the archive says where."""


class GnuSparse(NamedTuple):
    """Tell where the content of a sparse file lies: ``extents`` as in ``Member``, ``size`` with the holes."""

    size: int
    extents: tuple[int, ...]
    offset: int
    header_blocks: int = 0
    name: bytes = b""


def pax_records(content: bytes) -> dict[str, bytes]:
    """Return the records of an extended header, of a repeated key the last, except for sparse maps, which go on.

    Raises PaxError: no such records.
    """
    records: dict[str, bytes] = {}
    pieces: list[bytes] = []
    position = 0
    while position < len(content):
        space = content.find(b" ", position, position + 9)
        digits = content[position:space]
        if space < 0 or not digits.isdigit():
            raise PaxError("a PAX record without its length")
        end = position + int(digits)
        equals = content.find(b"=", space + 1, end)
        if end > len(content) or equals <= space + 1 or content[end - 1 : end] != b"\n":
            raise PaxError("a PAX record that is not 'length key=value'")
        key = text_of(content[space + 1 : equals])
        value = content[equals + 1 : end - 1]
        if b"\0" in value and key in ("path", "linkpath", "uname", "gname"):
            raise PaxError(f"a PAX record {key!r} with a zero byte")
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            pieces.append(value)  # format 0.0 repeats the two
        else:
            records[key] = value
        position = end
    if pieces:
        records["GNU.sparse.map"] = b",".join(pieces)
    return records


def text_of(raw: bytes) -> str:
    """Return a name as text; bytes that are no UTF-8 survive as Python's own file names do (PEP 383)."""
    return raw.decode("utf-8", "surrogateescape")


def decimal(raw: bytes) -> int:
    """Return the number of a PAX record. Raises PaxError: it is none."""
    if _DECIMAL.fullmatch(raw) is None:
        raise PaxError("a PAX record that should be a number and is not")
    return int(raw)


def seconds(raw: bytes) -> float:
    """Return the time of a PAX record, seconds since the epoch. Raises PaxError: it is none."""
    if _SECONDS.fullmatch(raw) is None:
        raise PaxError("a PAX record that should be a time and is not")
    return float(raw)


def sparse_extents(read: Read, block: bytes, data: int, stored: int, pax: dict[str, bytes]) -> GnuSparse | None:
    """Return where a sparse file's content lies, None for any other file.

    Args:
        read: reads the archive.
        block: the header, if it is of GNU's old sparse type, else empty.
        data: where what follows the header begins.
        stored: how many bytes the header says are stored.
        pax: the entry's PAX records.

    Raises PaxError: the map is broken, or contradicts the sizes.

    """
    if block:
        return _old_gnu(read, block, data, stored)
    if pax.get(_SPARSE + "major") == b"1" and pax.get(_SPARSE + "minor") == b"0":
        size = decimal(pax.get(_SPARSE + "realsize") or pax.get(_SPARSE + "size") or b"")
        numbers, length = _map_in_data(read, data, stored)
        extents = _checked(numbers, size, stored - length)
        return GnuSparse(size, extents, data + length, name=pax.get(_SPARSE + "name", b""))
    if pax.get(_SPARSE + "map") is not None:
        size = decimal(pax.get(_SPARSE + "size") or b"")
        numbers = [decimal(number) for number in pax[_SPARSE + "map"].split(b",") if number]
        return GnuSparse(size, _checked(numbers, size, stored), data, name=pax.get(_SPARSE + "name", b""))
    return None


def _old_gnu(read: Read, block: bytes, data: int, stored: int) -> GnuSparse:
    """Read the map of type ``S``: four extents in the header, 21 in each block after it as long as one says so."""
    size = _octal(block[483:495])
    numbers = _old_numbers(block[386:482])
    more, blocks = block[482], 0
    while more:
        extension = read(data + blocks * _BLOCK, _BLOCK)
        if len(extension) < _BLOCK:
            raise PaxError("a sparse map that is cut off")
        blocks += 1
        if blocks * _BLOCK > _MAP_LIMIT:
            raise PaxError("a sparse map larger than is read")
        numbers += _old_numbers(extension[:504])
        more = extension[504]
    return GnuSparse(size, _checked(numbers, size, stored), data + blocks * _BLOCK, blocks)


def _old_numbers(raw: bytes) -> list[int]:
    numbers: list[int] = []
    for start in range(0, len(raw), 24):
        if not raw[start]:
            break
        numbers += [_octal(raw[start : start + 12]), _octal(raw[start + 12 : start + 24])]
    return numbers


def _octal(raw: bytes) -> int:
    if raw[0] & 0x80:
        return int.from_bytes(raw[1:], "big")
    digits = raw.partition(b"\0")[0].strip(b" ") or b"0"
    if digits.strip(b"01234567"):
        raise PaxError("a sparse map that is not made of octal numbers")
    return int(digits, 8)


def _map_in_data(read: Read, data: int, stored: int) -> tuple[list[int], int]:
    """Return the numbers of a map of format 1.0, which stands before the content, and the bytes that it takes."""
    text = bytearray()
    lines = wanted = 0
    while not wanted or lines < wanted:
        chunk = read(data + len(text), _BLOCK) if len(text) + _BLOCK <= min(stored, _MAP_LIMIT) else b""
        if len(chunk) < _BLOCK:
            raise PaxError("a sparse map that is cut off or too large")
        text += chunk
        lines += chunk.count(b"\n")
        if not wanted and lines:
            wanted = 1 + 2 * decimal(bytes(text.partition(b"\n")[0]))
            if wanted < 1:
                raise PaxError("a sparse map of negative length")
    return [decimal(number) for number in bytes(text).split(b"\n")[1:wanted]], len(text)


def _checked(numbers: Sequence[int], size: int, stored: int) -> tuple[int, ...]:
    """Return extents if they lie in order, apart, within the file, and are as long as what is stored."""
    if len(numbers) % 2 or not 0 <= size <= _LARGEST:
        raise PaxError("a sparse map without sense")
    end = total = 0
    extents: list[int] = []
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        if length < 0 or offset < end or offset + length > size:
            raise PaxError("a sparse map whose pieces overlap or lie outside the file")
        end = offset + length
        total += length
        if length:
            extents += (offset, length)
    if total != stored:
        raise PaxError("a sparse map that says another size than is stored")
    return tuple(extents)
