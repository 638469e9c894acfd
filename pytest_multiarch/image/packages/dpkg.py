"""Debian's packages: dpkg's status file, and the pieces of one that distroless images have instead.

Sources: ``deb-control(5)``; ``dpkg(1)``, "Package states"; Debian Policy, section 5.1, "Syntax of control files".
distroless writes such a stanza for each package into a file of its own, and a ``.md5sums`` beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.tree import read_lines, refuse, word
from pytest_multiarch.image.packages.values import Package

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.packages.tree import FileTree

_STATUS: Final = "/var/lib/dpkg/status"
_PARTS: Final = "/var/lib/dpkg/status.d/*"

#: The last word of Status for what has left the image, its configuration perhaps excepted.
_GONE: Final = frozenset({"not-installed", "config-files"})


def read_dpkg(files: FileTree) -> tuple[Package, ...]:
    """Return dpkg's packages, those that were removed left out; none where there is no database.

    Raises DocumentError: a database is not in dpkg's form, with the file and the line.
    """
    paths = [_STATUS, *sorted(files.glob(_PARTS))]
    found = [
        package
        for path in paths
        if not path.endswith(".md5sums") and files.is_file(path)
        for package in _packages(path, read_lines(files, path))
    ]
    return tuple(dict.fromkeys(found))


def _packages(path: str, lines: Iterator[str]) -> Iterator[Package]:
    for number, fields in _stanzas(path, lines):
        status = fields.get("status", "").split()
        if status and status[-1] in _GONE:
            continue
        place = f"line {number}"
        architecture = fields.get("architecture", "")
        yield Package(
            name=word(fields.get("package", ""), "Package", path, place),
            version=word(fields.get("version", ""), "Version", path, place),
            architecture=word(architecture, "Architecture", path, place) if architecture else "",
            manager="dpkg",
            # With a version in brackets where that is another than the package's.
            source=fields.get("source", "").partition(" ")[0],
            database=path,
        )


def _stanzas(path: str, lines: Iterator[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the stanzas with the numbers of their first lines; of a field only what is on its own line."""
    fields: dict[str, str] = {}
    start = 1
    for number, line in enumerate(lines, 1):
        if not line.strip():
            if fields:
                yield start, fields
            fields = {}
            continue
        if not fields:
            start = number
        if line[0] in " \t":
            if not fields:
                refuse(path, f"line {number}", "a continuation of nothing")
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or " " in name:
            refuse(path, f"line {number}", "expected a field, its name and a colon")
        fields.setdefault(name.lower(), value.strip())
    if fields:
        yield start, fields
