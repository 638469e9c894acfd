"""What a statement speaks of: the artifacts that it is about, and those that a build took in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.oci import FrozenMap

if TYPE_CHECKING:
    from pytest_multiarch.oci.reading import Node


@dataclass(frozen=True, slots=True)
class Resource:
    """Name an artifact by its digests (in-toto ``resource_descriptor.md``).

    ``digests`` maps an algorithm to the digest in hexadecimal. BuildKit names images by package URLs:
    ``pkg:docker/debian@bookworm-slim?platform=linux%2Famd64``.
    """

    name: str = ""
    uri: str = ""
    digests: FrozenMap = field(default_factory=FrozenMap)

    @classmethod
    def from_node(cls, node: Node) -> Resource:
        """Read a subject or a material. Raises DocumentError: a field has the wrong type."""
        return cls(name=node.text_at("name"), uri=node.text_at("uri"), digests=node.text_map_at("digest"))

    def has_digest(self, digest: str) -> bool:
        """Tell whether this is the content with a digest, written ``algorithm:hex`` as descriptors write it."""
        algorithm, _, encoded = digest.partition(":")
        return bool(encoded) and self.digests.get(algorithm) == encoded


def resources_at(node: Node, key: str) -> tuple[Resource, ...]:
    """Return a member that is a list of resources, empty where it is absent. Raises DocumentError: it is none."""
    child = node.child(key)
    return tuple(Resource.from_node(item) for item in child.items()) if child else ()
