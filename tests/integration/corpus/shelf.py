"""Indexes, manifests and layers changed by hand, over the registry's API: for what no build makes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from pytest_multiarch.oci import DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, Descriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient

ABOUT = "vnd.docker.reference.digest"


class Shelf:
    """Read and store what one repository has, as the JSON that it is."""

    def __init__(self, client: RegistryClient, repository: Reference) -> None:
        self.client = client
        self.repository = repository

    def document(self, target: str) -> dict[str, Any]:
        """Return an index or manifest by tag or digest; a bare manifest as an index of one entry."""
        at = self.repository.with_digest(target) if ":" in target else self.repository.with_tag(target)
        raw = self.client.manifest(at)
        document: dict[str, Any] = json.loads(raw.data)
        if ":" in target or "manifests" in document:
            return document
        config = json.loads(self.blob(document["config"]))
        platform = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
        entry = {"mediaType": raw.media_type, "digest": raw.digest, "size": len(raw.data), "platform": platform}
        index_type = DOCKER_MANIFEST_LIST if raw.media_type == DOCKER_MANIFEST else OCI_INDEX
        return {"schemaVersion": 2, "mediaType": index_type, "manifests": [entry]}

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        """Return a blob's bytes."""
        what = Descriptor(descriptor["mediaType"], descriptor["digest"], descriptor["size"])
        return self.client.read_blob(self.repository, what)

    def put_index(self, tag: str, index: dict[str, Any]) -> str:
        """Store an index under a tag and return its digest."""
        return self.client.put_manifest(self.repository.with_tag(tag), json.dumps(index).encode(), index["mediaType"])

    def put_blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Store a blob and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.client.upload_blob(self.repository, [data], digest, len(data))
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def with_layer(self, entry: dict[str, Any], members: Sequence[tarfile.TarInfo], step: str) -> dict[str, Any]:
        """Return the index's entry for an image with one more layer, which some members without content make."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for member in members:
                archive.addfile(member)
        manifest = self.document(entry["digest"])
        layer_type = manifest["layers"][0]["mediaType"]
        config = json.loads(self.blob(manifest["config"]))
        config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(content.getvalue()).hexdigest()}")
        config["history"].append({"created_by": step})
        manifest["config"] = self.put_blob(json.dumps(config).encode(), manifest["config"]["mediaType"])
        manifest["layers"].append(self.put_blob(gzip.compress(content.getvalue(), mtime=0), layer_type))
        data = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.client.put_manifest(self.repository.with_digest(digest), data, entry["mediaType"])
        return {**entry, "digest": digest, "size": len(data)}


def joined(shelf: Shelf, built: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Put one index together from the entries of several: an edit."""
    return {**built[0], "manifests": [entry for index in built for entry in index["manifests"]]}, {}


def entry_for(index: dict[str, Any], platform: str) -> dict[str, Any]:
    """Return the index's entry for a platform."""
    for entry in index["manifests"]:
        named = entry.get("platform", {})
        if "/".join(named[key] for key in ("os", "architecture", "variant") if key in named) == platform:
            return dict(entry)
    raise LookupError(platform)


def attestation_of(index: dict[str, Any], about: str) -> dict[str, Any]:
    """Return the index's attestation of an image."""
    return next(dict(entry) for entry in index["manifests"] if entry.get("annotations", {}).get(ABOUT) == about)


def without(index: dict[str, Any], *digests: str) -> dict[str, Any]:
    """Return the index without some of its entries."""
    return {**index, "manifests": [entry for entry in index["manifests"] if entry["digest"] not in digests]}
