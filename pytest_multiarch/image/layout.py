"""Images that lie on disk as an OCI layout, which is what ``docker buildx build --output type=oci`` writes.

Sources: image-spec ``image-layout.md``; the names that images have in it are an annotation of the specification
(``annotations.md``) and one of containerd's, which BuildKit and ``docker save`` write.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import DocumentError, InvalidReference, NotInRegistry, RegistryError, UsageProblem
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.layout_files import DAMAGED, ArchiveFiles, FileBlob, FolderFiles
from pytest_multiarch.image.layout_location import FOLDER, LayoutLocation
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.wording import plain
from pytest_multiarch.oci import (
    DOCUMENT_LIMIT,
    Descriptor,
    DigestChecker,
    Index,
    RawDocument,
    check_digest,
    digest_of,
    read_document,
)
from pytest_multiarch.oci.reading import parse

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.image.layout_files import LayoutFiles, Part

_NAMES: Final = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_SHOWN: Final = 10


class LayoutClient:
    """Read the images of one layout as `RegistryClient` reads a registry's: see `ImageReader`.

    A context manager that removes ``layers``, where the layers of its images are kept. The layout itself is only read,
    and every document and blob is checked against digest and size.

    Raises UsageProblem: there is no such folder or archive.
    Raises DocumentError: it is no OCI layout, or a broken one.
    """

    def __init__(self, location: LayoutLocation | str) -> None:
        self.location = LayoutLocation.parse(location) if isinstance(location, str) else location
        self.reference = self.location.reference
        self.location.check()
        self._what = self.location.place
        kind = FolderFiles if self.location.scheme == FOLDER else ArchiveFiles
        self._files: LayoutFiles = kind(self.location.path, self._what)
        self._check_version()
        data = self._document("index.json")
        self._index = Index.from_bytes(data, f"index.json of {self._what}")
        self._own = RawDocument(data, self._index.media_type, digest_of(data))
        self.layers = LayerStore()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the layers that were read."""
        self.layers.close()

    def manifest(self, reference: Reference) -> RawDocument:
        """Return the index or manifest under a tag or digest, or the layout's only one, as its bytes.

        Raises NotInRegistry: there is none. Raises UsageProblem: there are several, and no tag says which.
        Raises IntegrityError: its bytes are not those of its digest. Raises DocumentError: neither index nor manifest.
        """
        descriptor = self._described(reference)
        if descriptor.digest == self._own.digest:
            return self._own
        tried = f"read the manifest of {reference}"
        with self._part(tried, descriptor.digest) as part:
            if part.size > DOCUMENT_LIMIT:
                raise DocumentError(tried, f"{part.size} bytes, more than the {DOCUMENT_LIMIT} that are read")
            data = part.read_at(0, part.size)
        checker = DigestChecker(tried.removeprefix("read "), descriptor.digest, descriptor.size or None, DAMAGED)
        checker.update(data)
        checker.finish()
        document = read_document(data, f"the manifest of {reference}", descriptor.media_type)
        return RawDocument(data, document.media_type, descriptor.digest)

    def head_manifest(self, reference: Reference) -> Descriptor:
        """Return type, digest and size of the manifest under a tag or digest; raises what ``manifest`` raises."""
        document = self.manifest(reference)
        return Descriptor(document.media_type, document.digest, document.size)

    def blob(self, repository: Reference, descriptor: Descriptor) -> FileBlob:
        """Open a blob for reading. Raises NotInRegistry: the layout lacks it. Raises RegistryError: it is no file."""
        tried = f"read blob {descriptor.digest} of {repository.name}"
        return FileBlob(tried, descriptor, self._part(tried, descriptor.digest))

    def read_blob(self, repository: Reference, descriptor: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """Return a small blob, such as a config, checked.

        Raises DocumentError: its descriptor says more than ``limit`` bytes; else as ``blob`` and reading it do.
        """
        if descriptor.size > limit:
            raise DocumentError(
                f"read blob {descriptor.digest} of {repository.name}",
                f"{descriptor.size} bytes, more than the {limit} that are read",
            )
        with self.blob(repository, descriptor) as stream:
            return stream.read()

    def blob_exists(self, repository: Reference, digest: str) -> bool:
        """Tell whether the layout has a blob. Raises RegistryError: it is no file."""
        part = self._files.open(_blob_path(digest))
        if part is None:
            return False
        part.close()
        return True

    def _described(self, reference: Reference) -> Descriptor:
        """Return what is under a reference; a size of 0 where only the digest is known."""
        if reference.digest:
            known = (entry for entry in self._index.manifests if entry.digest == reference.digest)
            return next(known, Descriptor("", reference.digest, 0))
        tried = f"look for {reference}"
        named = {entry.digest: entry for entry in self._index.images if reference.tag in ("", *_tags(entry))}
        if len(named) == 1:
            return next(iter(named.values()))
        names = sorted({plain(name) for entry in self._index.images for name in _names(entry)})
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        if not named:
            raise NotInRegistry(tried, f"the layout names {shown}" if shown else "the layout has no names, or no image")
        if not reference.tag and not names and all(entry.platform for entry in named.values()):
            return Descriptor(
                self._own.media_type, self._own.digest, self._own.size
            )  # ko, crane: it is the image's index
        hint = "Name one with :TAG, or by its digest" if names else "Name one by its digest: @sha256:…"
        raise UsageProblem(tried, f"the layout has {len(named)} images: {shown or ', '.join(named)}", hint)

    def _part(self, tried: str, digest: str) -> Part:
        part = self._files.open(_blob_path(digest))
        if part is None:
            raise NotInRegistry(tried, f"the layout has no {_blob_path(digest)}", "Was it copied for all platforms?")
        return part

    def _document(self, name: str) -> bytes:
        try:
            part = self._files.open(name)
        except RegistryError as error:
            raise DocumentError(error.tried, error.found) from None
        if part is None:
            raise DocumentError(
                f"open {self._what}", f"it is no OCI layout: it has no {name}", "docker buildx build --output type=oci"
            )
        with part:
            if part.size > DOCUMENT_LIMIT:
                raise DocumentError(
                    f"read {name} of {self._what}", f"{part.size} bytes, more than the {DOCUMENT_LIMIT} that are read"
                )
            return part.read_at(0, part.size)

    def _check_version(self) -> None:
        node = parse(self._document("oci-layout"), f"oci-layout of {self._what}").need("imageLayoutVersion")
        if node.text() != "1.0.0":
            node.expected("'1.0.0'")


def _blob_path(digest: str) -> str:
    algorithm, _, encoded = check_digest(digest).partition(":")
    return f"blobs/{algorithm}/{encoded}"


def _names(entry: Descriptor) -> tuple[str, ...]:
    return tuple(entry.annotations[name] for name in _NAMES if name in entry.annotations)


def _tags(entry: Descriptor) -> set[str]:
    """Return the tags of an entry: its names may be tags or whole references."""
    tags = set(_names(entry))
    for name in _names(entry):
        with suppress(InvalidReference):
            tags.add(Reference.parse(name).tag)
    return tags - {""}
