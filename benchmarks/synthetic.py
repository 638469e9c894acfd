"""A large image that nobody has to download: two platforms as an OCI layout, most of it in layers that both have."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pytest_multiarch.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
_PIECE: Final = 1024 * 1024
_LARGE: Final = 64 * 1024 * 1024


class _Hashed:
    """Write to a file, and note digest and size of what goes through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def write_image(folder: Path, size: int, layers: int = 4, small_files: int = 40_000) -> str:
    """Write an image of ``size`` bytes unpacked, and return what `LayoutClient` takes.

    The layers that both platforms have are made of large files and small ones; each platform has one of its own besides.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    shared = [_layer(blobs, number, f"{number}", size // layers, small_files // layers) for number in range(layers)]
    entries = []
    for number, platform in enumerate(PLATFORMS):
        own = _layer(blobs, layers + number, "own", _PIECE, 10)
        entries.append(_image(blobs, platform, [*shared, own]))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return f"oci-layout://{folder}"


def _layer(blobs: Path, seed: int, name: str, size: int, small_files: int) -> dict[str, Any]:
    source = random.Random(seed)  # noqa: S311 - the same image each time
    unfinished = blobs / "unfinished"
    with unfinished.open("wb") as file:
        packed = _Hashed(file)
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as zipped:
            content = _Hashed(zipped)  # type: ignore[arg-type]
            with tarfile.open(fileobj=content, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
                left = size - small_files * 1024
                for place in range(small_files):
                    _add(archive, f"small/{name}/{place % 100}/{place}.txt", source.randbytes(512), 512)
                while left > 0:
                    _add(archive, f"large/{name}/{left}.bin", source.randbytes(_PIECE), min(left, _LARGE))
                    left -= _LARGE
    unfinished.rename(blobs / packed.digest.partition(":")[2])
    descriptor = {"mediaType": OCI_LAYER_GZIP, "digest": packed.digest, "size": packed.size}
    return {"descriptor": descriptor, "diff_id": content.digest}


def _add(archive: tarfile.TarFile, name: str, piece: bytes, size: int) -> None:
    """Add a file that is made of one piece again and again; gzip's window is smaller than a piece."""
    header = tarfile.TarInfo(name)
    header.size = size
    archive.addfile(header, _Repeated(piece, size))


class _Repeated(io.RawIOBase):
    def __init__(self, piece: bytes, size: int) -> None:
        self._piece = piece
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = min(self._left, len(self._piece) if size < 0 else size)
        self._left -= wanted
        repeated = -(-wanted // len(self._piece))
        return (self._piece * repeated)[:wanted]


def _image(blobs: Path, platform: str, layers: list[dict[str, Any]]) -> dict[str, Any]:
    os, architecture = platform.split("/")
    rootfs = {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]}
    config = _document(blobs, OCI_CONFIG, {"os": os, "architecture": architecture, "config": {}, "rootfs": rootfs})
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config}
    manifest["layers"] = [layer["descriptor"] for layer in layers]
    entry = _document(blobs, OCI_MANIFEST, manifest)
    return {**entry, "platform": {"os": os, "architecture": architecture}}


def _document(blobs: Path, media_type: str, content: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(content).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
