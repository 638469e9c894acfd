"""SBOMs: which packages somebody found in an image, as SPDX 2 or as CycloneDX.

Sources: https://spdx.github.io/spdx-spec/v2.3/, https://cyclonedx.org/docs/1.6/json/, and for their predicate types
``predicates/spdx2.md`` and ``predicates/cyclonedx.md`` of https://github.com/in-toto/attestation/tree/main/spec.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.oci.times import time_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pytest_multiarch.oci.reading import Node

SPDX: Final = "https://spdx.dev/Document"
CYCLONEDX: Final = "https://cyclonedx.org/bom"

# The types came to have versions later. SPDX 3 is another language and not read here.
_SPDX_TYPE: Final = re.compile(re.escape(SPDX) + r"(/v2(\.\d+)?)?", re.ASCII)
_CYCLONEDX_TYPE: Final = re.compile(re.escape(CYCLONEDX) + r"(/v1(\.\d+)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SbomPackage:
    """Name a package that an SBOM lists; ``version`` and ``purl``, its package URL, are empty where it names none."""

    name: str
    version: str = ""
    purl: str = ""


@dataclass(frozen=True, slots=True)
class Sbom:
    """List packages in the document's order. ``format`` is ``SPDX-2.3``, ``CycloneDX-1.6`` and the like."""

    format: str
    name: str = ""
    created: datetime | None = None
    packages: tuple[SbomPackage, ...] = ()

    def find(self, name: str) -> tuple[SbomPackage, ...]:
        """Return the packages of this name: several where there are several versions, or kinds."""
        return tuple(package for package in self.packages if package.name == name)


def is_sbom(predicate_type: str) -> bool:
    """Tell whether a statement of this type is an SBOM that can be read here."""
    return bool(_SPDX_TYPE.fullmatch(predicate_type) or _CYCLONEDX_TYPE.fullmatch(predicate_type))


def read_sbom(predicate: Node, predicate_type: str) -> Sbom:
    """Read the predicate of a type that `is_sbom`.

    Raises DocumentError: it is of another format or version, a required field is missing, or one has the wrong type.
    """
    return _spdx(predicate) if _SPDX_TYPE.fullmatch(predicate_type) else _cyclonedx(predicate)


def _spdx(root: Node) -> Sbom:
    version = root.need("spdxVersion")
    if not re.fullmatch(r"SPDX-2\.\d{1,3}", version.text(), re.ASCII):
        version.expected("SPDX-2.2, SPDX-2.3 or another version 2")
    creation = root.child("creationInfo")
    packages = root.child("packages")
    return Sbom(
        format=version.text(),
        name=root.text_at("name"),
        created=None if creation is None else time_at(creation, "created"),
        packages=tuple(_spdx_package(item) for item in packages.items()) if packages else (),
    )


def _spdx_package(node: Node) -> SbomPackage:
    return SbomPackage(node.need("name").text(), node.text_at("versionInfo"), next(_purls(node), ""))


def _purls(node: Node) -> Iterator[str]:
    """Yield the package URLs among a package's external references (SPDX 2.3, 7.21 and annex F.3.5)."""
    references = node.child("externalRefs")
    for reference in references.items() if references else ():
        # In JSON it is one word; some write the type's URI, http://spdx.org/rdf/references/purl (spdx/spdx-spec#799).
        if reference.text_at("referenceType").rpartition("/")[2] == "purl":
            yield reference.need("referenceLocator").text()


def _cyclonedx(root: Node) -> Sbom:
    form = root.need("bomFormat")
    if form.text() != "CycloneDX":
        form.expected("'CycloneDX'")
    version = root.need("specVersion")
    if not re.fullmatch(r"1\.\d{1,3}", version.text(), re.ASCII):
        version.expected("1.4, 1.6 or another version 1")
    metadata = root.child("metadata")
    subject = None if metadata is None else metadata.child("component")
    return Sbom(
        format=f"CycloneDX-{version.text()}",
        name="" if subject is None else subject.text_at("name"),
        created=None if metadata is None else time_at(metadata, "timestamp"),
        packages=tuple(_components(root)),
    )


def _components(node: Node) -> Iterator[SbomPackage]:
    """Yield components, each before those that it is made of; the parser has bounded how deep they nest."""
    components = node.child("components")
    for item in components.items() if components else ():
        yield SbomPackage(item.need("name").text(), item.text_at("version"), item.text_at("purl"))
        yield from _components(item)
