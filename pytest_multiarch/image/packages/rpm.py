"""Red Hat's and SUSE's packages: finding rpm's database, and what its headers say.

rpm has had three kinds of database: Berkeley DB until 4.15 (RHEL 8, Amazon Linux 2), then SQLite (Fedora, RHEL 9) or its
own "ndb" (SUSE). The first is refused: its format has no description but its library's source, and no library for
Python that is kept reads it without that. In each, a package is one header.

Source: rpm's ``docs/manual/format_header.md`` and ``include/rpm/rpmtag.h``.
"""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.rpm_ndb import ndb_headers
from pytest_multiarch.image.packages.rpm_sqlite import sqlite_headers
from pytest_multiarch.image.packages.tree import refuse, word
from pytest_multiarch.image.packages.values import Package

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_multiarch.image.packages.tree import FileTree

#: The usual place, SUSE's and Fedora's since 36, and ostree's; often one is a link to another.
_FOLDERS: Final = ("/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm")
_DATABASE_BYTES: Final = 128 * 1024 * 1024

_INTRO: Final = struct.Struct(">II")
_ENTRY: Final = struct.Struct(">IIiI")
_LONGEST_TEXT: Final = 1024

_NAME: Final = 1000
_VERSION: Final = 1001
_RELEASE: Final = 1002
_EPOCH: Final = 1003
_ARCH: Final = 1022
_SOURCERPM: Final = 1044
_WANTED: Final = frozenset({_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _SOURCERPM})
_INT32: Final = 4
_TEXTS: Final = frozenset({6, 8, 9})


_DIRINDEXES: Final = 1116
_BASENAMES: Final = 1117
_DIRNAMES: Final = 1118
_MOST_FILES: Final = 1_000_000


def rpm_files(files: FileTree) -> Iterator[str]:
    """Yield the paths that rpm's packages brought. Raises DocumentError: as ``read_rpm``."""
    for folder in _FOLDERS:
        database = _database(files, folder)
        if database is None:
            continue
        path, headers = database
        with closing(headers):
            for number, header in headers:
                yield from _paths(path, f"header {number}", header)


def read_rpm(files: FileTree) -> tuple[Package, ...]:
    """Return rpm's packages; none where there is no database. Keys that rpm keeps as if they were packages are left out.

    Raises DocumentError: the database is broken, with the file and the header's number, or a Berkeley DB.
    """
    found: list[Package] = []
    for folder in _FOLDERS:
        database = _database(files, folder)
        if database is None:
            continue
        path, headers = database
        with closing(headers):  # SQLite's have a temporary folder, also where one of them is refused
            packages = [_package(path, f"header {number}", header) for number, header in headers]
        found += [one for one in packages if one is not None]
    return tuple(dict.fromkeys(found))


def _database(files: FileTree, folder: str) -> tuple[str, Generator[tuple[int, bytes], None, None]] | None:
    """Return the path of a folder's database, and its headers with their numbers."""
    sqlite, ndb, bdb = f"{folder}/rpmdb.sqlite", f"{folder}/Packages.db", f"{folder}/Packages"
    if files.is_file(sqlite):
        log = files.read_bytes(f"{sqlite}-wal", _DATABASE_BYTES) if files.is_file(f"{sqlite}-wal") else b""
        return sqlite, sqlite_headers(sqlite, files.read_bytes(sqlite, _DATABASE_BYTES), log)
    if files.is_file(ndb):
        return ndb, ndb_headers(ndb, files.read_bytes(ndb, _DATABASE_BYTES))
    if files.is_file(bdb):
        hint = "Leave the rules about packages out for this image, or build it on a release with rpm 4.16 or later"
        refuse(bdb, "", "it is a Berkeley DB, which only rpm before 4.16 writes and which is not read", hint)
    return None


def _package(path: str, place: str, header: bytes) -> Package | None:
    values = _values(path, place, header)

    def need(tag: int, what: str) -> str:
        return word(str(values.get(tag, "")), what, path, place)

    name = need(_NAME, "name")
    if name == "gpg-pubkey":
        return None
    version = f"{need(_VERSION, 'version')}-{need(_RELEASE, 'release')}"
    architecture = str(values.get(_ARCH, ""))
    source = str(values.get(_SOURCERPM, "")).removesuffix(".src.rpm").removesuffix(".nosrc.rpm")
    source = source.rsplit("-", 2)[0] if source.count("-") >= 2 else ""
    return Package(
        name=name,
        version=f"{values[_EPOCH]}:{version}" if values.get(_EPOCH) else version,
        architecture=word(architecture, "architecture", path, place) if architecture else "",
        manager="rpm",
        source="" if source == name else source,
        database=path,
    )


def _paths(path: str, place: str, header: bytes) -> Iterator[str]:
    """Yield a package's files: rpm writes each directory once, and beside each name the number of its directory."""
    arrays: dict[int, list[bytes]] = {}
    indexes: list[int] = []
    start, size, entries = _index(path, place, header)
    for tag, kind, offset, count in entries:
        if tag not in (_DIRINDEXES, _BASENAMES, _DIRNAMES):
            continue
        if not 0 <= count <= _MOST_FILES or not 0 <= offset < size:
            refuse(path, place, f"tag {tag} points outside of its data")
        if tag == _DIRINDEXES and kind == _INT32:
            piece = header[start + offset : min(start + size, start + offset + 4 * count)]
            indexes = [number for (number,) in struct.iter_unpack(">I", piece[: len(piece) // 4 * 4])]
        elif kind in _TEXTS:
            arrays[tag] = header[start + offset : start + size].split(b"\0", count)[:count]
    folders = arrays.get(_DIRNAMES, [])
    for name, index in zip(arrays.get(_BASENAMES, []), indexes, strict=False):
        if index >= len(folders):
            refuse(path, place, f"a file is in directory {index} of {len(folders)}")
        yield (folders[index] + name).decode("utf-8", "replace")


def _values(path: str, place: str, header: bytes) -> dict[int, str | int]:
    """Return the wanted values of a header: an index of tags, and the data that it points into."""
    start, size, entries = _index(path, place, header)
    found: dict[int, str | int] = {}
    for tag, kind, offset, _ in entries:
        if tag not in _WANTED or tag in found:
            continue
        if not 0 <= offset < size:
            refuse(path, place, f"tag {tag} points outside of its data")
        if kind == _INT32:
            if offset + 4 > size:
                refuse(path, place, f"tag {tag} points outside of its data")
            found[tag] = int.from_bytes(header[start + offset : start + offset + 4], "big")
        elif kind in _TEXTS:
            end = header.find(b"\0", start + offset, min(start + size, start + offset + _LONGEST_TEXT))
            if end < 0:
                refuse(path, place, f"the text of tag {tag} does not end")
            found[tag] = header[start + offset : end].decode("utf-8", "replace")
        else:
            refuse(path, place, f"tag {tag} has type {kind}, expected a text or a number")
    return found


def _index(path: str, place: str, header: bytes) -> tuple[int, int, Iterator[tuple[int, int, int, int]]]:
    """Return where a header's data begins and how long they are, and its tags: number, type, offset and count."""
    if len(header) < _INTRO.size:
        refuse(path, place, f"{len(header)} bytes, too few for a header")
    count, size = _INTRO.unpack_from(header)
    start = _INTRO.size + count * _ENTRY.size
    if start + size > len(header):
        refuse(path, place, f"{count} tags and {size} bytes of data do not fit into its {len(header)} bytes")
    return start, size, _ENTRY.iter_unpack(header[_INTRO.size : start])
