"""The JSON documents of an image: its configuration, its manifest, the index over its platforms."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.recipes import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.layers import Layer
    from lab.recipes import Recipe

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

# On an index's entries: says from what a platform's image was made, so that one made otherwise is replaced.
RECIPE = "org.pytest-multiarch.recipe"
LABEL = "org.pytest-multiarch.stand-in"

_CREATED = "2025-01-01T00:00:00Z"  # fixed: the same packages give the same digests

# The official indexes name arm64's variant; docker and buildx write that platform without it.
_VARIANTS = {"linux/arm64": "v8"}


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document as it is pushed."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """Return the content's digest."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """Return what another document names it by."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


def platform_fields(platform: str) -> dict[str, str]:
    """Return a platform's name as an index and a configuration write it."""
    system, architecture, *variant = platform.split("/")
    fields = {"architecture": architecture, "os": system}
    if variant or platform in _VARIANTS:
        fields["variant"] = variant[0] if variant else _VARIANTS[platform]
    return fields


def config(recipe: Recipe, platform: str, layers: Sequence[Layer], env: Sequence[tuple[str, str]]) -> Document:
    """Return an image's configuration; ``layers`` from the lowest up."""
    run: dict[str, Any] = {
        "Env": [f"{key}={value}" for key, value in env],
        "Labels": {LABEL: "true"},
        "Cmd": list(recipe.command) or None,
        "Entrypoint": list(recipe.entrypoint) or None,
        "ExposedPorts": {port: {} for port in recipe.ports} or None,
        "Volumes": {volume: {} for volume in recipe.volumes} or None,
    }
    document = {
        **platform_fields(platform),
        "created": _CREATED,
        "config": {key: value for key, value in run.items() if value is not None},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            {"created": _CREATED, "created_by": f"stand-in for {recipe.name}, from Debian packages"} for _ in layers
        ],
    }
    return _document(CONFIG, document)


def manifest(configuration: Document, layers: Sequence[Layer]) -> Document:
    """Return the manifest of a configuration and its layers."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": configuration.descriptor,
        "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
    }
    return _document(MANIFEST, document)


def entry(platform: str, image: Document, key: str) -> dict[str, Any]:
    """Return an index's entry for a platform's manifest, made from what ``key`` stands for."""
    return {**image.descriptor, "platform": platform_fields(platform), "annotations": {RECIPE: key}}


def index(before: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Document:
    """Return an index of the entries, and of those in the one ``before`` whose platform they do not bring anew."""
    found = {platform_of(item): item for item in (*before.get("manifests", ()), *entries)}
    known = list(ARCHITECTURES)
    order = sorted(found, key=lambda name: (known.index(name) if name in known else len(known), name))
    return _document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [found[name] for name in order]})


def platform_of(item: Mapping[str, Any]) -> str:
    """Return the platform of an index's entry, as the lab writes it."""
    fields = item["platform"]
    name = f"{fields['os']}/{fields['architecture']}"
    variant = fields.get("variant", "")
    return name if not variant or _VARIANTS.get(name) == variant else f"{name}/{variant}"


def keys(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what each platform in an index was made from."""
    return {platform_of(item): item.get("annotations", {}).get(RECIPE, "") for item in document.get("manifests", ())}


def _document(media_type: str, value: Mapping[str, Any]) -> Document:
    return Document(media_type, json.dumps(value, separators=(",", ":")).encode())
