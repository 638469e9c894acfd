"""Index and manifest, in OCI's and in Docker's form, and telling which of them some bytes are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.oci.descriptor import Descriptor
from pytest_multiarch.oci.mapping import FrozenMap
from pytest_multiarch.oci.media_types import (
    CONFIG_TYPES,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1_TYPES,
)
from pytest_multiarch.oci.reading import parse

if TYPE_CHECKING:
    from pytest_multiarch.oci.reading import Node
    from pytest_multiarch.platforms import Platform

_VAGUE_TYPES = frozenset({"", "application/json", "application/octet-stream", "text/plain", "binary/octet-stream"})


@dataclass(frozen=True, slots=True)
class Index:
    """List the manifests of one image, one for each platform (``image-index.md``, or a Docker manifest list)."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: FrozenMap = field(default_factory=FrozenMap)
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "index", media_type: str = "") -> Index:
        """Read an index; ``media_type`` is what the registry called it.

        Raises DocumentError: these bytes are no index, or a broken one.
        """
        root = parse(data, what)
        found = _kind(root, media_type)
        if found not in INDEX_TYPES:
            root.refuse(f"expected an index, found a manifest ({found})")
        return cls._from_node(root, found)

    @classmethod
    def _from_node(cls, root: Node, media_type: str) -> Index:
        manifests = root.child("manifests")
        return cls(
            media_type=media_type,
            manifests=tuple(Descriptor.from_node(item) for item in manifests.items()) if manifests else (),
            annotations=root.text_map_at("annotations"),
            artifact_type=root.word_at("artifactType"),
            subject=_subject(root),
        )

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms that the index names, in its order, attestations left out, repetitions kept."""
        return tuple(entry.platform for entry in self.images if entry.platform is not None)

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """Return the entries that are not attestations, in the index's order."""
        return tuple(entry for entry in self.manifests if not entry.is_attestation)

    @property
    def attestations(self) -> tuple[Descriptor, ...]:
        """Return the entries that hold provenance or an SBOM, in the index's order."""
        return tuple(entry for entry in self.manifests if entry.is_attestation)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Name the config and the layers of one platform's image (image-spec ``manifest.md``, or Docker's schema 2)."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: FrozenMap = field(default_factory=FrozenMap)
    artifact_type: str = ""
    subject: Descriptor | None = None

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "manifest", media_type: str = "") -> Manifest:
        """Read a manifest; ``media_type`` is what the registry called it.

        Raises DocumentError: these bytes are no manifest, or a broken one.
        """
        root = parse(data, what)
        found = _kind(root, media_type)
        if found not in MANIFEST_TYPES:
            root.refuse(f"expected a manifest, found an index ({found})")
        return cls._from_node(root, found)

    @classmethod
    def _from_node(cls, root: Node, media_type: str) -> Manifest:
        layers = root.child("layers")
        return cls(
            media_type=media_type,
            config=Descriptor.from_node(root.need("config")),
            layers=tuple(Descriptor.from_node(item) for item in layers.items()) if layers else (),
            annotations=root.text_map_at("annotations"),
            artifact_type=root.word_at("artifactType"),
            subject=_subject(root),
        )

    @property
    def is_image(self) -> bool:
        """Tell whether the config is an image's: other manifests hold charts, signatures, attestations."""
        return self.config.media_type in CONFIG_TYPES and not self.artifact_type


@dataclass(frozen=True, slots=True)
class RawDocument:
    """Keep an index or manifest as its registry gave it: a digest is of bytes, and only the same bytes have it."""

    data: bytes
    media_type: str
    digest: str

    @property
    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.data)

    def parsed(self, what: str = "manifest") -> Index | Manifest:
        """Return the document; ``what`` names it in errors.

        Raises DocumentError: it is neither index nor manifest, or a broken one.
        """
        return read_document(self.data, what, self.media_type)


def read_document(data: bytes, what: str = "manifest", media_type: str = "") -> Index | Manifest:
    """Read an index or a manifest, whichever these bytes are.

    Args:
        data: the document.
        what: names it in errors.
        media_type: what the registry called it, empty where it did not say.

    Raises DocumentError: neither of them, or a document that can be taken for both.

    """
    root = parse(data, what)
    found = _kind(root, media_type)
    return Index._from_node(root, found) if found in INDEX_TYPES else Manifest._from_node(root, found)


def _kind(root: Node, told: str) -> str:
    """Return the one media type that content, ``mediaType`` and the registry's header agree on.

    A document that is an index to one reader and a manifest to another lets a publisher show different images under one
    digest; so whatever contradicts itself is refused (CVE-2021-41190, image-spec GHSA-77vh-xpmg-72qh).
    """
    told = told.partition(";")[0].strip().lower()
    told = "" if told in _VAGUE_TYPES else told
    said = root.word_at("mediaType")
    if told in SCHEMA1_TYPES or said in SCHEMA1_TYPES or root.has("fsLayers"):
        root.refuse(
            "a Docker schema 1 manifest, which names no config and no platform",
            "Push the image again with a Docker version of this decade",
        )
    is_index, is_manifest = root.has("manifests"), root.has("layers") or root.has("config")
    if is_index and is_manifest:
        root.refuse("both an index ('manifests') and a manifest ('config' or 'layers')")
    if not is_index and not is_manifest:
        root.refuse("neither an index ('manifests') nor a manifest ('config' and 'layers')")
    if root.need("schemaVersion").whole() != 2:
        root.need("schemaVersion").expected("2")
    own = INDEX_TYPES if is_index else MANIFEST_TYPES
    other = MANIFEST_TYPES if is_index else INDEX_TYPES
    name = "an index" if is_index else "a manifest"
    for source, media_type in (("the registry's Content-Type", told), ("mediaType", said)):
        if media_type in other:
            root.refuse(f"{name} that {source} calls {media_type}")
    if told in own and said in own and told != said:
        root.refuse(f"mediaType is {said} and the registry's Content-Type {told}")
    if is_manifest and not root.has("layers"):
        root.refuse("required field 'layers' is missing")
    return said if said in own else told if told in own else _inferred(root, is_index=is_index)


def _inferred(root: Node, *, is_index: bool) -> str:
    """Return the type of a document that does not say: Docker's documents have always said, OCI's need not."""
    if is_index:
        manifests = root.child("manifests")
        inner = {item.word_at("mediaType") for item in manifests.items()} if manifests else set()
        return DOCKER_MANIFEST_LIST if inner == {DOCKER_MANIFEST} else OCI_INDEX
    return DOCKER_MANIFEST if root.need("config").word_at("mediaType") == DOCKER_CONFIG else OCI_MANIFEST


def _subject(root: Node) -> Descriptor | None:
    subject = root.child("subject")
    return None if subject is None else Descriptor.from_node(subject)
