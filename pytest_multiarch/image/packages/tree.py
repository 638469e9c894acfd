"""The file tree that packages are read from, and reading pieces of text in it with a bound and a place for errors."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATABASE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the largest text database read: more than ten times that of a whole desktop."""

_LONGEST_WORD: Final = 512


class FileTree(Protocol):
    """Give access to the files of an image by absolute paths, links followed as inside of it."""

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at a path."""
        ...

    def is_file(self, path: str) -> bool:
        """Tell whether a path is a regular file."""
        ...

    def read_bytes(self, path: str, limit: int | None = None) -> bytes:
        """Return a file's content, or raise MultiArchError, before reading it, where it has more than ``limit`` bytes."""
        ...

    def glob(self, pattern: str) -> Iterable[str]:
        """Return the absolute paths that a pattern matches; ``**`` is any number of directories."""
        ...


def refuse(path: str, place: str, found: str, hint: str = "") -> NoReturn:
    """Raise the error that names a file and a place in it."""
    where = f"{place}: {found}" if place else found
    raise DocumentError(f"read the package database {plain(path)}", where, hint)


def read_lines(files: FileTree, path: str, limit: int = DATABASE_BYTES) -> Iterator[str]:
    """Yield a file's lines, without their ends; bytes that are not UTF-8 become U+FFFD."""
    content = io.BytesIO(files.read_bytes(path, limit))
    for line in io.TextIOWrapper(content, encoding="utf-8", errors="replace", newline="\n"):
        yield line.rstrip("\n")


def word(value: str, what: str, path: str, place: str) -> str:
    """Return a name, version or architecture if it is one: printable, without blanks, of a sane length.

    Raises DocumentError: it is missing or something else.
    """
    if not value:
        refuse(path, place, f"the {what} is missing")
    if len(value) > _LONGEST_WORD or not value.isprintable() or " " in value:
        refuse(path, place, f"the {what} cannot be {plain(ascii(value), 60)}")
    return value
