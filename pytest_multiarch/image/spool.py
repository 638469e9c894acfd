"""Temporary files for what is too large for memory: in a folder that only this user reads, gone with its owner.

The owner holds a lock on its folder. A process that is killed leaves the folder but not the lock, so the next owner can
tell and takes it away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import LayerError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_PREFIX: Final = "pytest-multiarch-layers-"
_LOCK: Final = "lock"
_MOST_OPEN: Final = 32  # an image may have more layers than a process may open files
_UNLOCKED: Final = 600.0  # seconds after which a folder without a lock is nobody's; its owner takes some microseconds


class SpoolFile:
    """Read a finished file at any place, from any thread, without keeping it open: an image may have many layers."""

    __slots__ = ("path", "size")

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    def __repr__(self) -> str:
        return f"<SpoolFile {self.path} {self.size}>"

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset`` on, fewer at the end only. Raises LayerError: as ``open``."""
        handle = self.open()
        try:
            return read_fully(handle, offset, size)
        finally:
            os.close(handle)

    def open(self) -> int:
        """Return a file descriptor that the caller closes. Raises LayerError: the owner has closed, or it cannot be read."""
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise LayerError(
                "read an unpacked layer", "its temporary file is gone", "Read files before the run's end"
            ) from None
        except OSError as error:
            raise LayerError("read an unpacked layer", f"cannot open {self.path}: {error.strerror}") from error


class OpenFiles:
    """Keep finished files open for one thread that reads pieces of a few in turns. A context manager that closes them."""

    def __init__(self) -> None:
        self._handles: dict[SpoolFile, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def read_at(self, file: SpoolFile, offset: int, size: int) -> bytes:
        """Return what the file's own ``read_at`` does; raises what that raises."""
        handle = self._handles.get(file)
        if handle is None:
            if len(self._handles) == _MOST_OPEN:
                self._close()
            handle = self._handles[file] = file.open()
        return read_fully(handle, offset, size)

    def _close(self) -> None:
        while self._handles:
            os.close(self._handles.popitem()[1])


def read_fully(handle: int, offset: int, size: int) -> bytes:
    """Return ``size`` bytes of an open file from ``offset`` on, fewer at its end only."""
    data = os.pread(handle, size, offset)
    if len(data) in (0, size):
        return data
    pieces = [data]
    missing = size - len(data)
    while missing and (data := os.pread(handle, missing, offset + size - missing)):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


class SpoolFolder:
    """Own a folder for temporary files, made when it is first asked for. A context manager that removes it.

    It is also removed when the object or the interpreter goes, and by the next owner's start after a kill.
    ``parent`` is the system's folder for temporary files unless given.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._path: Path | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._remove: weakref.finalize[..., SpoolFolder] | None = None

    @property
    def path(self) -> Path:
        """Return the folder, mode 0700. Raises LayerError: it cannot be made, or is closed."""
        with self._lock:
            if self._closed:
                raise LayerError("unpack a layer", "its store is closed", "Read files before the run's end")
            if self._path is None:
                parent = self._parent or Path(tempfile.gettempdir())
                try:
                    sweep_layers(parent)
                    self._path, handle = _make(parent)
                except OSError as error:
                    raise LayerError(
                        f"make a folder for unpacked layers in {parent}", str(error), "Name another one in TMPDIR"
                    ) from error
                self._remove = weakref.finalize(self, _remove, self._path, handle, os.getpid())
            return self._path

    def close(self) -> None:
        """Remove the folder and what is in it."""
        with self._lock:
            self._closed = True
            if self._remove is not None:
                self._remove()


def _make(parent: Path) -> tuple[Path, int]:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))  # mkdtemp makes it for this user alone
    unlocked = path / f"{_LOCK}.new"
    handle = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unlocked.rename(path / _LOCK)  # under this name it is never seen without its lock
    return path, handle


def _remove(path: Path, handle: int, owner: int) -> None:
    if os.getpid() == owner:  # a forked child inherits the object, not the folder
        # Another thread or process may still be unpacking, and what it adds to a folder that is being removed would keep that,
        # without its lock, for ever. Under another name nobody finds it.
        over = path.with_name(f"{path.name}-over")
        with suppress(OSError):
            path = path.rename(over)
        shutil.rmtree(path, ignore_errors=True)
    os.close(handle)


def sweep_layers(parent: Path | None = None) -> None:
    """Remove the folders of this user whose owners were killed; they lie where temporary files do."""
    for path in (parent or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                continue
            try:
                handle = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                # Its owner was killed while it made or removed it.
                if time.time() - status.st_mtime > _UNLOCKED:
                    shutil.rmtree(path, ignore_errors=True)
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
