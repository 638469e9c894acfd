"""Alpine's packages: apk's installed database, a line for each field, named by one letter.

Source: apk-tools' ``src/database.c``, ``apk_db_fdb_read``.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.tree import read_lines, refuse, word
from pytest_multiarch.image.packages.values import Package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.packages.tree import FileTree

APK_FOLDERS: Final = ("/lib/apk/db", "/usr/lib/apk/db")
"""Where the database is; the second where /lib is part of /usr, as in Wolfi."""


def read_apk(files: FileTree) -> tuple[Package, ...]:
    """Return apk's packages; none where there is no database.

    Raises DocumentError: a database is not in apk's form, with the file and the line; or it is in the binary form of
    apk 3, which only ``apk convdb`` makes.
    """
    found: list[Package] = []
    for folder in APK_FOLDERS:
        if files.is_file(f"{folder}/installed"):
            found += _packages(f"{folder}/installed", read_lines(files, f"{folder}/installed"))
        elif files.is_file(f"{folder}/installed.adb"):
            hint = "Leave `apk convdb` out of the image's build, or the rules about packages out of the audit"
            refuse(f"{folder}/installed.adb", "", "it is in the binary form of apk 3, which is not read", hint)
    return tuple(dict.fromkeys(found))


def _packages(path: str, lines: Iterator[str]) -> Iterator[Package]:
    fields: dict[str, str] = {}
    start = 1
    for number, line in enumerate(chain(lines, [""]), 1):
        if not line:
            if fields:
                yield _package(path, f"line {start}", fields)
            fields = {}
            continue
        if not fields:
            start = number
        if line[1:2] != ":":
            refuse(path, f"line {number}", "expected a field, its letter and a colon")
        # What follows the first F: are files, whose letters mean other things; ours stand before them.
        fields.setdefault(line[0], line[2:])


def _package(path: str, place: str, fields: dict[str, str]) -> Package:
    name = word(fields.get("P", ""), "name (P:)", path, place)
    origin = fields.get("o", "")
    architecture = fields.get("A", "")
    return Package(
        name=name,
        version=word(fields.get("V", ""), "version (V:)", path, place),
        architecture=word(architecture, "architecture (A:)", path, place) if architecture else "",
        manager="apk",
        source="" if origin == name else origin,
        database=path,
    )
