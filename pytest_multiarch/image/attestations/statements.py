"""Statements: one in-toto attestation each, a predicate about some artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.attestations.provenance import PROVENANCE_TYPES, read_provenance
from pytest_multiarch.image.attestations.resources import resources_at
from pytest_multiarch.image.attestations.sbom import is_sbom, read_sbom
from pytest_multiarch.oci.reading import parse

if TYPE_CHECKING:
    from pytest_multiarch.image.attestations.provenance import Provenance
    from pytest_multiarch.image.attestations.resources import Resource
    from pytest_multiarch.image.attestations.sbom import Sbom
    from pytest_multiarch.oci import Descriptor
    from pytest_multiarch.oci.reading import Node

PREDICATE_TYPE: Final = "in-toto.io/predicate-type"

STATEMENT_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of the largest statement read.

No specification has a limit. An SBOM that lists every file of an image takes hundreds of bytes for each, and large images
have tens of thousands of files: more than ``DOCUMENT_LIMIT``. It is no larger because JSON can be written so that it takes
thirty times its size in memory: 64 MiB of empty objects become 2 GiB.
"""

_STATEMENT_TYPES: Final = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})


@dataclass(frozen=True, slots=True)
class Statement:
    """Say something about artifacts (in-toto ``statement.md``, versions 0.1 and 1).

    ``predicate`` is None for a type that is not read here; its bytes are the blob of ``descriptor``.
    """

    descriptor: Descriptor
    predicate_type: str
    subjects: tuple[Resource, ...]
    predicate: Provenance | Sbom | None = None

    @classmethod
    def from_bytes(cls, data: bytes, descriptor: Descriptor, what: str = "statement") -> Statement:
        """Read a statement; ``what`` names it in errors.

        Raises DocumentError: it is no in-toto statement, a broken one, or of another type than its descriptor says.
        """
        root = parse(data, what, STATEMENT_LIMIT)
        kind = root.need("_type")
        if kind.text() not in _STATEMENT_TYPES:
            kind.expected("an in-toto statement of version 0.1 or 1")
        predicate_type = root.need("predicateType")
        told = descriptor.annotations.get(PREDICATE_TYPE, "")
        # Readers that go by the annotation and readers that go by the statement must see the same.
        if told and told != predicate_type.text():
            predicate_type.expected(f"{told[:100]!a}, which its descriptor says")
        return cls(
            descriptor=descriptor,
            predicate_type=predicate_type.word(),
            subjects=resources_at(root, "subject"),
            predicate=_predicate(root, predicate_type.text()),
        )

    def is_about(self, digest: str) -> bool:
        """Tell whether the content with a digest, ``algorithm:hex``, is among the subjects."""
        return any(subject.has_digest(digest) for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class Attestation:
    """Hold what one attestation manifest says.

    ``subject_digest`` is that of the image that it is attached to. Each statement names its subjects again: BuildKit
    writes the same digest there, and ``Statement.is_about`` tells whether it did.
    """

    descriptor: Descriptor
    subject_digest: str
    statements: tuple[Statement, ...]


def is_provenance(predicate_type: str) -> bool:
    """Tell whether a statement of this type is provenance that can be read here."""
    return predicate_type in PROVENANCE_TYPES


def _predicate(root: Node, predicate_type: str) -> Provenance | Sbom | None:
    if is_provenance(predicate_type):
        return read_provenance(root.need("predicate"), predicate_type)
    return read_sbom(root.need("predicate"), predicate_type) if is_sbom(predicate_type) else None
