"""Python's packages: every ``.dist-info`` of an image, in whatever environment, and the older ``.egg-info``.

Sources: "Recording installed projects", "Core metadata" and "Binary distribution format" of packaging.python.org (PEP
376, 566, 427, 627); names are normalised by PEP 503.
"""

from __future__ import annotations

import glob
import re
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.packages.tree import read_lines, refuse, word
from pytest_multiarch.image.packages.values import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.image.packages.tree import FileTree

_METADATA_BYTES: Final = 8 * 1024 * 1024
_MOST_TAGS: Final = 1000

_WHEELS: Final = "**/*.dist-info/METADATA"
#: Where Python looks: site-packages, and Debian's dist-packages. Source trees have egg-info as well, which is not meant.
_FOLDERS: Final = "**/*-packages"
#: setuptools' folders, distutils' files, and eggs.
_EGGS: Final = ("*.egg-info/PKG-INFO", "*.egg-info", "*.egg/EGG-INFO/PKG-INFO")

_SEPARATORS: Final = re.compile(r"[-_.]+")
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(.*)", re.DOTALL)


def read_distributions(files: FileTree) -> tuple[Distribution, ...]:
    """Return the Python packages of an image, sorted by where they are: one may be there several times.

    Raises DocumentError: metadata without name or version, or a wheel tag that is none, with the file.
    """
    found = [_from_wheel(files, path) for path in files.glob(_WHEELS)]
    folders = [path for path in files.glob(_FOLDERS) if path.endswith(("/site-packages", "/dist-packages"))]
    found += [
        _distribution(files, path)
        for folder in folders
        for pattern in _EGGS
        for path in files.glob(f"{glob.escape(folder)}/{pattern}")
        if files.is_file(path)
    ]
    return tuple(sorted(found, key=lambda one: one.path))


def _from_wheel(files: FileTree, path: str) -> Distribution:
    folder = path.rpartition("/")[0]
    tags: tuple[str, ...] = ()
    if files.is_file(f"{folder}/WHEEL"):
        headers = _headers(read_lines(files, f"{folder}/WHEEL", _METADATA_BYTES))
        tags = tuple(value for name, value in headers if name == "tag")
        if len(tags) > _MOST_TAGS:
            refuse(f"{folder}/WHEEL", "", f"{len(tags)} tags, more than are read")
        for tag in tags:
            if word(tag, "tag", f"{folder}/WHEEL", "Tag").count("-") != 2:
                refuse(f"{folder}/WHEEL", "Tag", f"expected python-abi-platform, found {tag!r}")
    return _distribution(files, path, tags, has_record=files.is_file(f"{folder}/RECORD"))


def _distribution(files: FileTree, path: str, tags: tuple[str, ...] = (), *, has_record: bool = False) -> Distribution:
    fields = dict(reversed(_headers(read_lines(files, path, _METADATA_BYTES))))
    return Distribution(
        name=_SEPARATORS.sub("-", word(fields.get("name", ""), "Name", path, "")).lower(),
        version=word(fields.get("version", ""), "Version", path, ""),
        path=path if path.endswith(".egg-info") else path.rpartition("/")[0],
        tags=tags,
        has_record=has_record,
    )


def _headers(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return names, in lower case, and values up to the first line that is no header, as the email parser does."""
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            continue
        header = _HEADER.fullmatch(line)
        if header is None:
            break
        found.append((header[1].lower(), header[2].strip()))
    return found
