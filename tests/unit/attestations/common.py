"""Statements to read, and attestation manifests that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.image.attestations import Provenance, Sbom, Statement
from pytest_multiarch.oci import OCI_CONFIG, OCI_MANIFEST, Descriptor, FrozenMap, digest_of
from tests.unit.images import descriptor

if TYPE_CHECKING:
    from tests.unit.fake_registry import FakeRegistry

DATA = Path(__file__).parent / "data"
IN_TOTO = "application/vnd.in-toto+json"
V02 = "https://slsa.dev/provenance/v0.2"
V1 = "https://slsa.dev/provenance/v1"
SPDX = "https://spdx.dev/Document"
CYCLONEDX = "https://cyclonedx.org/bom"


def statement(predicate_type: str, predicate: object, *, about: str = "sha256:" + "a" * 64, **more: Any) -> bytes:
    """Return a statement as BuildKit writes it."""
    algorithm, _, encoded = about.partition(":")
    document = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": predicate_type,
        "subject": [{"name": "_", "digest": {algorithm: encoded}}],
        "predicate": predicate,
        **more,
    }
    return json.dumps(document).encode()


def read(data: bytes, told: str = "") -> Statement:
    """Read a statement whose descriptor names a predicate type, or none."""
    annotations = FrozenMap({"in-toto.io/predicate-type": told} if told else {})
    return Statement.from_bytes(data, Descriptor(IN_TOTO, digest_of(data), len(data), annotations=annotations))


def provenance(data: bytes) -> Provenance:
    found = read(data).predicate
    assert isinstance(found, Provenance)
    return found


def sbom(data: bytes) -> Sbom:
    found = read(data).predicate
    assert isinstance(found, Sbom)
    return found


def layer(registry: FakeRegistry, name: str, data: bytes, predicate_type: str = "", **more: Any) -> dict[str, Any]:
    """Put a statement into the registry and return its descriptor, which names the predicate type."""
    annotations = {"annotations": {"in-toto.io/predicate-type": predicate_type}} if predicate_type else {}
    return descriptor(IN_TOTO, registry.add_blob(name, data), len(data), **{**annotations, **more})


def attest(registry: FakeRegistry, name: str, about: str, *layers: dict[str, Any]) -> dict[str, Any]:
    """Put an attestation manifest into the registry, as attestation-storage.md has it, and return its descriptor."""
    config = b'{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, registry.add_blob(name, config), len(config)),
        "layers": list(layers),
    }
    digest = registry.add_manifest(name, manifest, OCI_MANIFEST)
    return descriptor(
        OCI_MANIFEST,
        digest,
        len(registry.manifests[name, digest][0]),
        annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about},
        platform={"architecture": "unknown", "os": "unknown"},
    )
