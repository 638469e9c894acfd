"""Reading the attestations of one image: manifests at the first use, statements when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pytest_multiarch.errors import DocumentError, MultiArchError
from pytest_multiarch.image.attestations.provenance import Provenance
from pytest_multiarch.image.attestations.sbom import Sbom, is_sbom
from pytest_multiarch.image.attestations.statements import (
    PREDICATE_TYPE,
    STATEMENT_LIMIT,
    Attestation,
    Statement,
    is_provenance,
)
from pytest_multiarch.oci import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.oci import Descriptor

IN_TOTO: Final = "application/vnd.in-toto+json"

_TOTAL_LIMIT: Final = 4 * STATEMENT_LIMIT
_Predicate = TypeVar("_Predicate", Provenance, Sbom)


class AttestationReader:
    """Read what the attestation manifests of one image say. What was read is kept.

    Where the descriptors name the predicates, looking for one kind leaves the others where they are: provenance is not
    kept waiting by an SBOM of many megabytes, nor spoilt by a broken one.

    Every property raises what reading the registry raises, and DocumentError: a manifest or statement is broken, larger
    than the limits, or of another type than its descriptor says.
    """

    def __init__(self, client: ImageReader, repository: Reference, descriptors: Sequence[Descriptor] = ()) -> None:
        self._client = client
        self._repository = repository
        self._descriptors = tuple(descriptors)
        self._manifests: dict[str, Manifest] = {}
        self._statements: dict[Descriptor, Statement] = {}

    @property
    def attestations(self) -> tuple[Attestation, ...]:
        """Return all that is said, in the index's order."""
        return tuple(
            Attestation(one, one.refers_to, tuple(self._statement(layer) for layer in self._layers(one)))
            for one in self._descriptors
        )

    @property
    def provenance(self) -> Provenance | None:
        """Return how the image was built, None where nobody says. Raises MultiArchError: it is said more than once."""
        found = (one.predicate for one in self._of(is_provenance))
        return self._only("provenance", [one for one in found if isinstance(one, Provenance)])

    @property
    def sbom(self) -> Sbom | None:
        """Return the SBOM, None where there is none. Raises MultiArchError: there are several."""
        found = (one.predicate for one in self._of(is_sbom))
        return self._only("SBOM", [one for one in found if isinstance(one, Sbom)])

    def _of(self, wanted: Callable[[str], bool]) -> Iterator[Statement]:
        """Yield the statements that may be wanted; one that is listed twice is one."""
        layers = {layer.digest: layer for descriptor in self._descriptors for layer in self._layers(descriptor)}
        for layer in layers.values():
            told = layer.annotations.get(PREDICATE_TYPE, "")
            if not told or wanted(told):
                yield self._statement(layer)

    def _only(self, what: str, found: list[_Predicate]) -> _Predicate | None:
        if len(found) > 1:
            raise MultiArchError(
                f"read the {what} of {self._repository}",
                f"there are {len(found)}",
                "Take the right one out of the statements in attestations",
            )
        return found[0] if found else None

    def _layers(self, descriptor: Descriptor) -> tuple[Descriptor, ...]:
        """Return the statements of a manifest; what is of other types is to be ignored (attestation-storage.md)."""
        reference = self._repository.with_digest(descriptor.digest)
        what = f"the attestation {reference}"
        if descriptor.digest not in self._manifests:
            raw = self._client.manifest(reference)
            self._manifests[descriptor.digest] = Manifest.from_bytes(raw.data, what, raw.media_type)
        layers = tuple(layer for layer in self._manifests[descriptor.digest].layers if layer.media_type == IN_TOTO)
        total = sum(layer.size for layer in layers)
        if total > _TOTAL_LIMIT:
            raise DocumentError(f"read {what}", f"{total} bytes, more than the {_TOTAL_LIMIT} that are read")
        return layers

    def _statement(self, descriptor: Descriptor) -> Statement:
        if descriptor not in self._statements:
            data = self._client.read_blob(self._repository, descriptor, STATEMENT_LIMIT)
            what = f"the statement {descriptor.digest} of {self._repository.name}"
            self._statements[descriptor] = Statement.from_bytes(data, descriptor, what)
        return self._statements[descriptor]
