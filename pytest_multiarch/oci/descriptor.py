"""Descriptors: what an index says of its manifests, and a manifest of its config and layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_multiarch.oci.mapping import FrozenMap
from pytest_multiarch.oci.media_types import FOREIGN_LAYER_TYPES, INDEX_TYPES, MANIFEST_TYPES
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pytest_multiarch.oci.reading import Node

REFERENCE_TYPE: Final = "vnd.docker.reference.type"
REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
ATTESTATION: Final = "attestation-manifest"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Point at content: its type, digest and size in bytes (image-spec ``descriptor.md``)."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: FrozenMap = field(default_factory=FrozenMap)
    artifact_type: str = ""
    urls: tuple[str, ...] = ()

    @classmethod
    def from_node(cls, node: Node) -> Descriptor:
        """Read a descriptor out of a document.

        Raises DocumentError: a required field is missing, or a field has the wrong type.
        """
        platform = node.child("platform")
        return cls(
            media_type=node.need("mediaType").word(),
            digest=node.need("digest").digest(),
            size=node.need("size").whole(),
            platform=None if platform is None else _platform(platform),
            annotations=node.text_map_at("annotations"),
            artifact_type=node.word_at("artifactType"),
            urls=node.texts_at("urls"),
        )

    @property
    def is_index(self) -> bool:
        """Tell whether this points at another index."""
        return self.media_type in INDEX_TYPES

    @property
    def is_manifest(self) -> bool:
        """Tell whether this points at a manifest that may be an image."""
        return self.media_type in MANIFEST_TYPES

    @property
    def is_attestation(self) -> bool:
        """Tell whether BuildKit wrote this entry to hold provenance or an SBOM.

        Source: https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
        """
        return self.annotations.get(REFERENCE_TYPE) == ATTESTATION

    @property
    def refers_to(self) -> str:
        """Return the digest of the manifest that an attestation is about, as written; empty where there is none."""
        return self.annotations.get(REFERENCE_DIGEST, "")

    @property
    def is_foreign(self) -> bool:
        """Tell whether this layer may not be distributed (Windows base layers): registries need not have it."""
        return self.media_type in FOREIGN_LAYER_TYPES


def _platform(node: Node) -> Platform | None:
    os = node.need("os").word()
    architecture = node.need("architecture").word()
    if not os and not architecture:
        return None  # written by tools that index artifacts: an empty platform says no more than none
    features = node.child("os.features")
    return Platform.from_fields(
        os,
        architecture,
        variant=node.word_at("variant"),
        os_version=node.word_at("os.version"),
        os_features=tuple(item.word() for item in features.items()) if features else (),
    )
