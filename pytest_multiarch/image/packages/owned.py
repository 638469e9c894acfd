"""Which files of an image came with a package, as the managers' databases list them.

Sources: dpkg's ``info/*.list``, and the ``.md5sums`` that distroless images have instead; apk-tools' ``src/database.c`` (F:
is a directory, R: a file in it); rpm's ``include/rpm/rpmtag.h``, tags 1116 to 1118; "Recording installed projects" of
packaging.python.org.
"""

from __future__ import annotations

import csv
import posixpath
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.apk import APK_FOLDERS
from pytest_multiarch.image.packages.rpm import rpm_files
from pytest_multiarch.image.packages.tree import read_lines, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.packages.tree import FileTree

_DPKG_LISTS: Final = "/var/lib/dpkg/info/*.list"
_DISTROLESS: Final = "/var/lib/dpkg/status.d/*.md5sums"
_RECORDS: Final = "**/*.dist-info/RECORD"


def owned_paths(files: FileTree) -> frozenset[str]:
    """Return the paths that packages of dpkg, apk, rpm and Python brought, as the databases write them.

    Directories are among them where a database lists them. Of links in a path nothing is known here: with a merged /usr,
    dpkg has ``/lib/…`` for what lies in ``/usr/lib/…``. Raises DocumentError: a database is broken.
    """
    return frozenset(_all(files))


def _all(files: FileTree) -> Iterator[str]:
    for path in files.glob(_DPKG_LISTS):
        yield from (line for line in read_lines(files, path) if line.startswith("/"))
    for path in files.glob(_DISTROLESS):
        yield from (f"/{line.partition('  ')[2]}" for line in read_lines(files, path) if "  " in line)
    for folder in APK_FOLDERS:
        if files.is_file(f"{folder}/installed"):
            yield from _apk(files, f"{folder}/installed")
    yield from rpm_files(files)
    for path in files.glob(_RECORDS):
        yield from _record(files, path)


def _apk(files: FileTree, path: str) -> Iterator[str]:
    folder = ""
    for line in read_lines(files, path):
        if line.startswith("F:"):
            folder = line[2:]
            yield f"/{folder}"
        elif line.startswith("R:"):
            yield posixpath.join("/", folder, line[2:])


def _record(files: FileTree, path: str) -> Iterator[str]:
    """Yield what a wheel's installer has recorded; names are relative to the folder that the package is in."""
    home = path.rpartition("/")[0].rpartition("/")[0]
    rows = csv.reader(read_lines(files, path))
    try:
        for row in rows:
            if row and row[0]:
                yield posixpath.normpath(posixpath.join("/", home, row[0]))
    except csv.Error as error:  # a quote without its end, a carriage return in a name
        refuse(path, f"line {rows.line_num}", f"it cannot be read as CSV: {error}", "Install the package anew")
