"""A file tree in memory, and databases written by the formats' descriptions."""

from __future__ import annotations

import re
import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Tree:
    """Files by their absolute paths."""

    def __init__(self, files: dict[str, bytes | str]) -> None:
        self.files = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}

    def exists(self, path: str) -> bool:
        return self.is_file(path) or any(one.startswith(f"{path}/") for one in self.files)

    def is_file(self, path: str) -> bool:
        return path in self.files

    def read_bytes(self, path: str, limit: int | None = None) -> bytes:
        data = self.files[path]
        if limit is not None and len(data) > limit:
            raise MultiArchError(f"read {path}", f"it has {len(data)} bytes")
        return data

    def glob(self, pattern: str) -> list[str]:
        folders = {path[:place] for path in self.files for place in range(1, len(path)) if path[place] == "/"}
        form = re.escape("/" + pattern.lstrip("/")).replace(r"\[\[\]", r"\[")
        form = form.replace(r"/\*\*/", "/(?:.*/)?").replace(r"\*", "[^/]*")
        return sorted(path for path in folders | self.files.keys() if re.fullmatch(form, path))


NAME, VERSION, RELEASE, EPOCH, ARCH, SOURCE = 1000, 1001, 1002, 1003, 1022, 1044


def header(values: dict[int, str | int]) -> bytes:
    """Return an rpm header; a text in it, the summary, comes in several languages and is not asked about."""
    index = struct.pack(">IIiI", 63, 7, 0, 16) + struct.pack(">IIiI", 1004, 9, 16, 2)
    data = bytes(16) + b"a\0b\0"
    for tag, value in values.items():
        if isinstance(value, int):
            data += bytes(-len(data) % 4)
            index += struct.pack(">IIiI", tag, 4, len(data), 1)
            data += struct.pack(">I", value)
        else:
            index += struct.pack(">IIiI", tag, 6, len(data), 1)
            data += value.encode() + b"\0"
    return struct.pack(">II", len(index) // 16, len(data)) + index + data


def bash(**more: str | int) -> bytes:
    """Return the header of one package."""
    values: dict[int, str | int] = {NAME: "bash", VERSION: "5.1.8", RELEASE: "9.el9", ARCH: "x86_64"}
    return header(values | {{"epoch": EPOCH, "source": SOURCE, "name": NAME}[key]: more[key] for key in more})


def sqlite(folder: Path, headers: Sequence[bytes | int], *, table: str = "") -> bytes:
    """Return an rpmdb.sqlite with these headers."""
    path = folder / "made.sqlite"
    path.unlink(missing_ok=True)
    create = table or "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(create)
        for one in headers:
            connection.execute("INSERT INTO Packages (blob) VALUES (?)", (one,))
    return path.read_bytes()


def ndb(headers: list[bytes]) -> bytes:
    """Return a Packages.db with these headers, after a slot that is empty."""
    slots = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    blobs = b""
    for number, one in enumerate(headers, 1):
        blob = struct.pack("<4sIII", b"BlbS", number, 0, len(one)) + one
        blob += bytes(-(len(blob) + 12) % 16) + struct.pack("<II4s", 0, len(one), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(blobs)) // 16, len(blob) // 16)
        blobs += blob
    slots += struct.pack("<4sIII", b"Slot", 0, 0, 0) * ((4096 - 32 - len(slots)) // 16)
    return struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, len(headers) + 1) + slots + blobs
