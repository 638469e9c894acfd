"""Where unpacked layers stand: each is made once, by whichever thread or process of a run needs it first.

A layer that is being made is locked, by the kernel: whoever needs it too waits, and makes it where its maker has failed or was
killed. Beside the layer stands what was found out about it, written last.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.spool import SpoolFile
from pytest_multiarch.image.unpacked import Compression, Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FACTS: Final = ".json"
_LOCK: Final = ".lock"


class Folder(Protocol):
    """Have a folder that only this user reads, until it is closed."""

    @property
    def path(self) -> Path:
        """Return it, made at the first use. Raises LayerError: it cannot be had, or is closed."""
        ...

    def close(self) -> None:
        """Need it no more."""


class BorrowedFolder:
    """Use a folder that another process of the run owns; ``ask`` says where it is, at the first use."""

    def __init__(self, ask: Callable[[], Path]) -> None:
        self._ask = ask
        self._path: Path | None = None
        self._closed = False

    @property
    def path(self) -> Path:
        """Return the folder. Raises LayerError: it is closed."""
        if self._closed:
            raise LayerError("unpack a layer", "its store is closed", "Read files before the run's end")
        if self._path is None:
            self._path = self._ask()
        return self._path

    def close(self) -> None:
        """Need it no more; it stays as it is."""
        self._closed = True


class Shelf:
    """Keep unpacked layers in a folder, by their digests."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @property
    def path(self) -> Path:
        """Return the folder. Raises LayerError: it cannot be had, or is closed."""
        return self._folder.path

    def take(self, digest: str, make: Callable[[Path], Unpacked]) -> tuple[Unpacked, SpoolFile]:
        """Return a layer, which ``make`` writes to a new file where it is not there.

        Raises what ``make`` does. Raises LayerError: the folder cannot be had or written to.
        """
        target = self._folder.path / digest.replace(":", "-")
        facts = target.with_name(target.name + _FACTS)
        with _locked(target.with_name(target.name + _LOCK)):
            unpacked = _read(facts)
            if unpacked is None:
                target.unlink(missing_ok=True)  # what a maker that was killed has left
                try:
                    unpacked = make(target)
                    _write(facts, unpacked)
                except BaseException:
                    target.unlink(missing_ok=True)
                    raise
        return unpacked, SpoolFile(target, unpacked.size)

    def close(self) -> None:
        """Make nothing more; the folder goes with its owner."""
        self._folder.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LayerError("unpack a layer", f"cannot write {path.parent}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> Unpacked | None:
    try:
        size, diff_id, compression = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # not made, or its maker was killed while it wrote
        return None
    return Unpacked(size, diff_id, Compression(compression))


def _write(path: Path, unpacked: Unpacked) -> None:
    text = json.dumps([unpacked.size, unpacked.diff_id, unpacked.compression.value])
    try:
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise LayerError("unpack a layer", f"cannot write {path.parent}: {error.strerror}") from error
