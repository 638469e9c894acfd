"""Put the index of one image together from its platforms, each of which was pushed on its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.oci import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.image.roles import Layers, Runner
    from pytest_multiarch.platforms import Platform


def assemble(
    client: RegistryClient,
    reference: Reference,
    pushed: Sequence[tuple[Platform, str]],
    runner: Runner | None,
    layers: Layers | None = None,
) -> MultiArchImage:
    """Store an index of platforms and their digests under the reference's tag, and return it as read back.

    What a build pushed may be a manifest, or an index of the platform and its attestation: then its entries are taken as they
    are. Images come first, attestations after them, as one build of all platforms pushes them. Done over the registry's
    API and not by ``imagetools create``, which runs on the client's side and may not reach what the builder reaches.
    ``layers`` keeps the layers that are read of it.
    """
    images: list[dict[str, Any]] = []
    attestations: list[dict[str, Any]] = []
    for platform, digest in pushed:
        document = client.manifest(reference.with_digest(digest))
        parsed = json.loads(document.data)
        if "manifests" in parsed:
            for entry in parsed["manifests"]:
                is_attestation = "vnd.docker.reference.type" in (entry.get("annotations") or {})
                (attestations if is_attestation else images).append(entry)
        else:
            images.append(
                {
                    "mediaType": document.media_type,
                    "digest": document.digest,
                    "size": document.size,
                    "platform": _json(platform),
                }
            )
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*images, *attestations]}
    client.put_manifest(reference, json.dumps(index, indent=2).encode(), OCI_INDEX)
    return MultiArchImage.load(client, reference, runner, layers)


def _json(platform: Platform) -> dict[str, str]:
    fields = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    return {name: value for name, value in fields.items() if value}
