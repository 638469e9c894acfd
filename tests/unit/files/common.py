"""Layers and images for the tests of what reads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import zstandard

from pytest_multiarch.image.filesystem import ImageFiles
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.oci import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
    Descriptor,
    digest_of,
)
from tests.unit.images import descriptor, platform_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.image.limits import LayerLimits
    from pytest_multiarch.oci import RawDocument
    from tests.unit.fake_registry import FakeRegistry

NAME = Reference.parse("registry.test/app")

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"", **more: Any) -> Entry:
    return _info(name, tarfile.REGTYPE, size=len(content), **more), content


def directory(name: str, **more: Any) -> Entry:
    return _info(name, tarfile.DIRTYPE, **{"mode": 0o755, **more}), b""


def symlink(name: str, target: str, **more: Any) -> Entry:
    return _info(name, tarfile.SYMTYPE, linkname=target, **{"mode": 0o777, **more}), b""


def hard_link(name: str, target: str, **more: Any) -> Entry:
    return _info(name, tarfile.LNKTYPE, linkname=target, **more), b""


def node(name: str, kind: bytes, **more: Any) -> Entry:
    return _info(name, kind, **more), b""


def whiteout(path: str) -> Entry:
    parent, slash, name = path.rpartition("/")
    return file(f"{parent}{slash}.wh.{name}")


def opaque(path: str) -> Entry:
    return file(f"{path}/.wh..wh..opq")


def _info(name: str, kind: bytes, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def tar(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive; names are written as they are given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def pack(data: bytes, media_type: str) -> bytes:
    if media_type.endswith("zstd"):
        return zstandard.compress(data)
    return gzip.compress(data, 1, mtime=0) if media_type.endswith("gzip") else data


class MemoryReader:
    """Serve blobs from memory, as a registry that never fails; counts what is asked for."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.layers = LayerStore()

    def add(self, data: bytes, media_type: str = OCI_LAYER) -> Descriptor:
        digest = digest_of(data)
        self.blobs[digest] = data
        return Descriptor(media_type, digest, len(data))

    def blob(self, repository: Reference, descriptor: Descriptor) -> MemoryBlob:
        self.asked.append(descriptor.digest)
        return MemoryBlob(self.blobs[descriptor.digest])

    def manifest(self, reference: Reference) -> RawDocument:
        raise NotImplementedError

    def head_manifest(self, reference: Reference) -> Descriptor:
        raise NotImplementedError

    def read_blob(self, repository: Reference, descriptor: Descriptor, limit: int = 0) -> bytes:
        raise NotImplementedError

    def blob_exists(self, repository: Reference, digest: str) -> bool:
        return digest in self.blobs


class MemoryBlob(io.BytesIO):
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(65536), b"")

    def finish(self) -> None:
        self.read()


@contextmanager
def tree_of(*layers: bytes | list[Entry], limits: LayerLimits | None = None) -> Iterator[ImageFiles]:
    """Give the files of an image of plain layers, the lowest first."""
    reader = MemoryReader()
    with LayerStore(limits=limits) as store:
        described = [reader.add(layer if isinstance(layer, bytes) else tar(*layer)) for layer in layers]
        yield ImageFiles("app for linux/amd64", store.all(reader, NAME, described))


def add_image(
    registry: FakeRegistry,
    name: str,
    platform: str,
    *tags: str,
    layers: list[bytes],
    media_type: str = OCI_LAYER_GZIP,
    diff_ids: list[str] | None = None,
    foreign: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Put an image of these archives into the registry and return its descriptor."""
    found = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers] if diff_ids is None else diff_ids
    if foreign:
        found = ["sha256:" + "e" * 64, *found]
    config = json.dumps({**platform_json(platform), "rootfs": {"type": "layers", "diff_ids": found}}).encode()
    packed = [pack(layer, media_type) for layer in layers]
    described = [descriptor(media_type, registry.add_blob(name, data), len(data)) for data in packed]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, registry.add_blob(name, config), len(config)),
        "layers": [foreign, *described] if foreign else described,
    }
    digest = registry.add_manifest(name, manifest, OCI_MANIFEST, *tags)
    return descriptor(OCI_MANIFEST, digest, len(registry.manifests[name, digest][0]), platform=platform_json(platform))


__all__ = ["OCI_LAYER", "OCI_LAYER_GZIP", "OCI_LAYER_ZSTD"]
