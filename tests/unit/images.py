"""Images put together in a ``FakeRegistry``: small, but with every document that an image has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_multiarch.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST

if TYPE_CHECKING:
    from tests.unit.fake_registry import FakeRegistry

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def descriptor(media_type: str, digest: str, size: int, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def platform_json(text: str) -> dict[str, str]:
    """Return the JSON of a platform that is written ``os/architecture[/variant]``."""
    os, architecture, *variant = text.split("/")
    return {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}


def add_image(
    registry: FakeRegistry, name: str, platform: str, *tags: str, layers: tuple[bytes, ...] = (), foreign: bool = False
) -> dict[str, Any]:
    """Put one platform's image into the registry and return its descriptor."""
    config = json.dumps({**platform_json(platform), "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    contents = layers or (f"layer of {platform}".encode(), b"a layer that all share")
    described = [descriptor(OCI_LAYER_GZIP, registry.add_blob(name, data), len(data)) for data in contents]
    if foreign:
        described.insert(0, descriptor(FOREIGN, "sha256:" + "f" * 64, 7, urls=["https://example.com/base"]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, registry.add_blob(name, config), len(config)),
        "layers": described,
    }
    digest = registry.add_manifest(name, manifest, OCI_MANIFEST, *tags)
    return descriptor(OCI_MANIFEST, digest, len(registry.manifests[name, digest][0]), platform=platform_json(platform))


def attestation(registry: FakeRegistry, name: str, about: str) -> dict[str, Any]:
    """Put an attestation manifest into the registry, as BuildKit does, and return its descriptor."""
    entry = add_image(registry, name, "unknown/unknown", layers=(f"sbom of {about}".encode(),))
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about}
    return {**entry, "annotations": annotations}


def add_index(registry: FakeRegistry, name: str, *tags: str, entries: list[dict[str, Any]], **more: Any) -> str:
    """Put an index into the registry and return its digest."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
    return registry.add_manifest(name, document, OCI_INDEX, *tags)
