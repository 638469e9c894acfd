"""OCI layouts for the tests of what reads them, written from a registry's content."""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING, Any

from pytest_multiarch.oci import OCI_INDEX
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, directory, file, tar
from tests.unit.images import add_index, attestation, descriptor

if TYPE_CHECKING:
    from pathlib import Path

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD = "io.containerd.image.name"


def two_platforms() -> FakeRegistry:
    """Return a registry, without a server, that holds an index of two platforms and an attestation: ``app:1``."""
    registry = FakeRegistry()
    shared = tar(directory("etc"), file("etc/shared", b"shared"))
    entries = [
        add_image(registry, "app", platform, layers=[shared, tar(file("which", platform.encode()))])
        for platform in ("linux/amd64", "linux/arm64")
    ]
    entries.append(attestation(registry, "app", entries[0]["digest"]))
    add_index(registry, "app", "1", entries=entries)
    return registry


def write_layout(path: Path, *names: str) -> str:
    """Write that image as a layout, once under each name, and return its digest."""
    registry = two_platforms()
    digest = f"sha256:{hashlib.sha256(registry.manifests['app', '1'][0]).hexdigest()}"
    entry = entry_of(registry, digest)
    named = [{**entry, "annotations": {REF_NAME: name}} for name in names]
    write_folder(registry, path, *(named or [entry]))
    return digest


def write_folder(registry: FakeRegistry, path: Path, *entries: dict[str, Any]) -> Path:
    """Write everything that the registry has as a layout, with these entries in its index.json."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (path / "ingest").mkdir()  # buildx leaves it there with tar=false
    for data in [*registry.blobs.values(), *(data for data, _ in registry.manifests.values())]:
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    (path / "index.json").write_text(json.dumps(index))
    return path


def write_archive(folder: Path, archive: Path, prefix: str = "") -> Path:
    with tarfile.open(archive, "w") as tar_file:
        for path in sorted(folder.rglob("*")):
            tar_file.add(path, prefix + str(path.relative_to(folder)), recursive=False)
    return archive


def entry_of(registry: FakeRegistry, digest: str, media_type: str = OCI_INDEX, **annotations: str) -> dict[str, Any]:
    more = {"annotations": {key.replace("__", "."): value for key, value in annotations.items()}} if annotations else {}
    return descriptor(media_type, digest, len(registry.manifests["app", digest][0]), **more)
