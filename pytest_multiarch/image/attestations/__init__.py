"""Attestations: what a builder or scanner says of an image, kept beside it in its index.

They are read as the claims that they are: nothing here verifies a signature, and BuildKit signs none. Specifications:
https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md for where they are, and
https://github.com/in-toto/attestation/tree/main/spec for what they are.
"""

from pytest_multiarch.image.attestations.provenance import Provenance, SourceFile
from pytest_multiarch.image.attestations.reading import AttestationReader
from pytest_multiarch.image.attestations.resources import Resource
from pytest_multiarch.image.attestations.sbom import Sbom, SbomPackage
from pytest_multiarch.image.attestations.statements import STATEMENT_LIMIT, Attestation, Statement

__all__ = [
    "STATEMENT_LIMIT",
    "Attestation",
    "AttestationReader",
    "Provenance",
    "Resource",
    "Sbom",
    "SbomPackage",
    "SourceFile",
    "Statement",
]
