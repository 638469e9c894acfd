"""Write image layers: a tar stream, gzipped, with both digests taken on the way; the same input, the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lab import files
from lab.paths import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable

MTIME = 1735689600  # 2025-01-01, for what no package dates

# Level 1 takes a third of level 6's time for a layer a sixth larger, and these layers never leave the machine.
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished layer: the digests of its compressed and its plain form, its compressed size, and what it recalls."""

    digest: str
    diff_id: str
    size: int
    notes: dict[str, Any]

    @property
    def path(self) -> Path:
        """Return the file in the cache."""
        return CACHE / "blobs" / self.digest.removeprefix("sha256:")


class LayerWriter:
    """Takes files in the order given; the first one at a path wins."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._paths: set[str] = set()

    def __contains__(self, path: str) -> bool:
        """Tell whether something lies at this path already."""
        return path in self._paths

    def add(self, info: tarfile.TarInfo, data: bytes = b"") -> None:
        """Write a member under ``info.name``, unless its path is taken."""
        if info.name in self._paths:
            return
        self._paths.add(info.name)
        info.pax_headers = {}
        info.uname, info.gname = ("root" if not info.uid else ""), ("root" if not info.gid else "")
        self._archive.addfile(info, io.BytesIO(data) if info.isreg() else None)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a regular file of root's."""
        info = _info(path, tarfile.REGTYPE, mode)
        info.size = len(data)
        self.add(info, data)

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Write a folder of root's."""
        self.add(_info(path, tarfile.DIRTYPE, mode))

    def link(self, path: str, target: str) -> None:
        """Write a symbolic link."""
        info = _info(path, tarfile.SYMTYPE, 0o777)
        info.linkname = target
        self.add(info)


def is_cached(key: str) -> bool:
    """Tell whether the cache has the layer under ``key``."""
    record = files.read_json(_record(key))
    return bool(record) and Layer(**record).path.is_file()


def cached(key: str) -> Layer:
    """Return a layer that the cache has."""
    return Layer(**files.read_json(_record(key)))


def cached_layer(key: str, fill: Callable[[LayerWriter], dict[str, Any]]) -> Layer:
    """Return the layer under ``key`` from the cache, or have ``fill`` write it; what ``fill`` returns are its notes."""
    if is_cached(key):
        return cached(key)
    layer = _write(fill)
    files.write(_record(key), files.as_json(asdict(layer)))
    return layer


def _write(fill: Callable[[LayerWriter], dict[str, Any]]) -> Layer:
    blobs = CACHE / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as unless_finished:
        with tempfile.NamedTemporaryFile(dir=blobs, prefix=".", delete=False) as temporary:
            half = Path(temporary.name)
            unless_finished.callback(half.unlink)
            packed = _Hashing(temporary)
            # No name and no time in the header: they would be the only difference between two machines' layers.
            with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=_LEVEL, mtime=0) as zipped:
                plain = _Hashing(zipped)
                with tarfile.open(fileobj=plain, mode="w|", bufsize=1 << 20, format=tarfile.PAX_FORMAT) as archive:
                    notes = fill(LayerWriter(archive))
        layer = Layer(packed.digest, plain.digest, packed.size, notes)
        half.replace(layer.path)
        unless_finished.pop_all()
    return layer


class _Hashing(io.RawIOBase):
    """Passes what is written on to another file, and takes its digest."""

    def __init__(self, target: IO[bytes] | gzip.GzipFile) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._hash.update(data)
        self.size += len(data)
        return self._target.write(data)


def _info(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = kind, mode, MTIME
    return info


def _record(key: str) -> Path:
    return CACHE / "layers" / f"{key}.json"
