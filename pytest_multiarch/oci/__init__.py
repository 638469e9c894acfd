"""The OCI and Docker documents as values: index, manifest, descriptor, image configuration. No I/O.

Everything read here comes from a registry and is treated as hostile: sizes and depths are bounded, types are checked,
and a refusal says what was read, where in it, and what was expected. Fields that this project does not know are
tolerated and left out. Specification: https://github.com/opencontainers/image-spec/tree/v1.1.1.
"""

from pytest_multiarch.oci.config import Healthcheck, History, ImageConfig
from pytest_multiarch.oci.descriptor import Descriptor
from pytest_multiarch.oci.digest import DigestChecker, check_digest, digest_of
from pytest_multiarch.oci.manifests import Index, Manifest, RawDocument, read_document
from pytest_multiarch.oci.mapping import FrozenMap
from pytest_multiarch.oci.media_types import (
    CONFIG_TYPES,
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from pytest_multiarch.oci.reading import DOCUMENT_LIMIT

__all__ = [
    "CONFIG_TYPES",
    "DOCKER_CONFIG",
    "DOCKER_LAYER_GZIP",
    "DOCKER_MANIFEST",
    "DOCKER_MANIFEST_LIST",
    "DOCUMENT_LIMIT",
    "INDEX_TYPES",
    "MANIFEST_TYPES",
    "OCI_CONFIG",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_LAYER_GZIP",
    "OCI_LAYER_ZSTD",
    "OCI_MANIFEST",
    "Descriptor",
    "DigestChecker",
    "FrozenMap",
    "Healthcheck",
    "History",
    "ImageConfig",
    "Index",
    "Manifest",
    "RawDocument",
    "check_digest",
    "digest_of",
    "read_document",
]
