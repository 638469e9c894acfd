"""Harnesses of what reads JSON: index, manifest, configuration, attestations."""

from __future__ import annotations

import json

from pytest_multiarch.oci import (
    DOCKER_MANIFEST_LIST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    ImageConfig,
    Index,
    Manifest,
    read_document,
)
from tests.fuzz.harness import Harness
from tests.unit.attestations.test_hostile import SAMPLES, check
from tests.unit.images import descriptor, platform_json

_DIGEST = "sha256:" + "a" * 64
_ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": _DIGEST}
_INDEX = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [
        descriptor(OCI_MANIFEST, _DIGEST, 500, platform=platform_json("linux/arm/v7")),
        descriptor(OCI_MANIFEST, _DIGEST, 7, platform=platform_json("unknown/unknown"), annotations=_ATTESTATION),
    ],
    "annotations": {"org.opencontainers.image.title": "x"},
}
_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": descriptor(OCI_CONFIG, _DIGEST, 700),
    "layers": [descriptor(OCI_LAYER_GZIP, _DIGEST, 9, urls=["https://registry.example/x"])],
    "subject": descriptor(OCI_MANIFEST, _DIGEST, 500),
}
_CONFIG = {
    **platform_json("linux/arm/v7"),
    "created": "2024-02-29T12:00:00.123456789Z",
    "config": {
        "Env": ["PATH=/bin"],
        "Entrypoint": ["/a"],
        "Cmd": None,
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 30000000000, "Retries": 3},
    },
    "history": [{"created": "2024-01-01T00:00:00+02:00", "created_by": "RUN x", "empty_layer": True}],
    "rootfs": {"type": "layers", "diff_ids": [_DIGEST]},
}


def _document(data: bytes) -> None:
    found = read_document(data, "the document")
    if isinstance(found, Index):
        assert all(str(platform).isprintable() for platform in found.platforms)
        assert {*found.images, *found.attestations} <= {*found.manifests}
    else:
        assert isinstance(found, Manifest)
        assert isinstance(found.is_image, bool)


def _config(data: bytes) -> None:
    config = ImageConfig.from_bytes(data)
    assert config.os.isprintable()
    assert str(config.platform).isprintable()


HARNESSES = {
    "index": Harness(
        _document,
        (json.dumps(_INDEX).encode(), json.dumps({**_INDEX, "mediaType": DOCKER_MANIFEST_LIST}).encode()),
    ),
    "manifest": Harness(_document, (json.dumps(_MANIFEST).encode(),)),
    "config": Harness(_config, (json.dumps(_CONFIG).encode(),)),
    "attestation": Harness(check, tuple(SAMPLES.values())),
}
