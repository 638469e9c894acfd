"""What reading an image asks of the place it comes from: a registry, an OCI layout, or whatever else holds images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.oci import DOCUMENT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.image.layers import LayerStore
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.oci import Descriptor, RawDocument


class BlobReader(Protocol):
    """Yield a blob's bytes; the content is checked against digest and size when its last byte is read.

    A context manager that lets go of what it reads from. Raises IntegrityError: other content than its descriptor says.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __iter__(self) -> Iterator[bytes]: ...

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, fewer at the end only, all that is left where it is negative."""
        ...

    def finish(self) -> None:
        """Read what is left without keeping it, so that everything has been checked."""
        ...


class ImageReader(Protocol):
    """Read manifests and blobs; usable from several threads. `RegistryClient` and `LayoutClient` are such readers.

    Every method raises RegistryError, or NotInRegistry for what is not there, and IntegrityError for what is not what
    its digest says.
    """

    @property
    def layers(self) -> LayerStore:
        """Return where the layers that were read are kept, for as long as this reader is open."""
        ...

    def manifest(self, reference: Reference) -> RawDocument:
        """Return the index or manifest under a tag or digest, as its bytes. Raises DocumentError: it is neither."""
        ...

    def head_manifest(self, reference: Reference) -> Descriptor:
        """Return type, digest and size of the manifest under a tag or digest."""
        ...

    def blob(self, repository: Reference, descriptor: Descriptor) -> BlobReader:
        """Open a blob for reading; tag and digest of the reference do not count."""
        ...

    def read_blob(self, repository: Reference, descriptor: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """Return a small blob, such as a config, checked. Raises DocumentError: more than ``limit`` bytes."""
        ...

    def blob_exists(self, repository: Reference, digest: str) -> bool:
        """Tell whether a blob is there."""
        ...
