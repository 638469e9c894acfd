"""A registry's content over its HTTP API: manifests and blobs, authenticated, every byte checked against its digest.

Implements the pull side of the OCI distribution-spec 1.1 (https://github.com/opencontainers/distribution-spec) and as
much of the push side as copying images takes. What a request costs and where it may go is in ``transport``, who may ask
in ``authentication``, mirrors in ``endpoints``.

Written by hand on ``requests``, with regret: ``oras`` takes blobs without checking them against their digests, and only one
kind of manifest; ``python-dxf`` checks sha256 only, and leaves the user's Docker configuration and connections that break to
its caller. ``docker`` asks its daemon.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

import requests

from pytest_multiarch.errors import DocumentError, IntegrityError, NotInRegistry, RegistryError
from pytest_multiarch.image.authentication import Authenticator
from pytest_multiarch.image.blobs import BlobStream
from pytest_multiarch.image.endpoints import Call, Endpoints
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.responses import read_limited
from pytest_multiarch.image.transport import Request, SizedBody, Transport
from pytest_multiarch.oci import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCUMENT_LIMIT,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    DigestChecker,
    RawDocument,
    check_digest,
    digest_of,
    read_document,
)
from pytest_multiarch.oci.digest import is_digest
from pytest_multiarch.oci.media_types import INDEX_TYPES, MANIFEST_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.image.credentials import CredentialSource
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.transport import Limits

_ACCEPT: Final = {"Accept": ", ".join([OCI_INDEX, DOCKER_MANIFEST_LIST, OCI_MANIFEST, DOCKER_MANIFEST])}
_PUSH: Final = "pull,push"


class RegistryClient:
    """Read from and write to registries; usable from several threads.

    A context manager that closes its connections and removes ``layers``, where the layers of its images are kept.

    Args:
        credentials: asked once for each registry; None stays anonymous.
        mirrors: base URLs that are tried, in their order, before Docker Hub.
        plain_http: hosts (``host[:port]``) spoken to without TLS, besides this machine's own.
        endpoints: the URL to use for a registry of that name, where Python reaches it under another than Docker does.
        limits: time limits, retries, redirects.
        sleep, clock, now: for tests; pausing, seconds that never go back, seconds since the epoch.

    """

    def __init__(
        self,
        credentials: CredentialSource | None = None,
        *,
        mirrors: Sequence[str] = (),
        plain_http: Collection[str] = (),
        endpoints: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport = Transport(limits, plain_http=plain_http, sleep=sleep, now=now)
        authenticator = Authenticator(self._transport, credentials, clock)
        self._endpoints = Endpoints(self._transport, authenticator, mirrors=mirrors, fixed=endpoints)
        self.layers = LayerStore()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """End what any thread waits for, and begin nothing any more."""
        self._transport.stop()

    def close(self) -> None:
        """Close all connections and remove the layers that were read."""
        self._transport.close()
        self.layers.close()

    def manifest(self, reference: Reference) -> RawDocument:
        """Return the index or manifest under a tag or digest, as its bytes.

        Raises NotInRegistry, AccessDenied or RegistryError: the registry refuses or fails.
        Raises IntegrityError: the bytes do not have the digest that was asked for, or that the registry says they have.
        Raises DocumentError: the bytes are neither index nor manifest.
        """
        tried = f"read the manifest of {reference}"

        def handle(response: requests.Response) -> RawDocument:
            with response:
                told = response.headers.get("Docker-Content-Digest", "")
                declared = response.headers.get("Content-Type", "")
                data = read_limited(response, DOCUMENT_LIMIT, tried)
            document = read_document(data, f"the manifest of {reference}", declared)
            digest = reference.digest or (told if is_digest(told) else digest_of(data))
            _check(data, digest, f"the manifest of {reference}")
            return RawDocument(data, document.media_type, digest)

        return self._endpoints.pull(Call(tried, reference, "GET", f"manifests/{reference.target}", _ACCEPT), handle)

    def head_manifest(self, reference: Reference) -> Descriptor:
        """Return type, digest and size of the manifest under a tag or digest, without reading it where possible.

        Raises NotInRegistry, AccessDenied or RegistryError: the registry refuses or fails.
        Raises IntegrityError: the registry has another digest under the one that was asked for.
        """
        tried = f"look for the manifest of {reference}"

        def handle(response: requests.Response) -> tuple[str, str, str]:
            with response:
                headers = response.headers
                media_type = headers.get("Content-Type", "").partition(";")[0].strip()
                return media_type, headers.get("Docker-Content-Digest", ""), headers.get("Content-Length", "")

        call = Call(tried, reference, "HEAD", f"manifests/{reference.target}", _ACCEPT)
        media_type, digest, size = self._endpoints.pull(call, handle)
        if reference.digest and digest and digest != reference.digest:
            raise IntegrityError(tried, f"the registry calls it {digest[:140]!r}")
        if media_type in INDEX_TYPES | MANIFEST_TYPES and is_digest(digest) and size.isascii() and size.isdigit():
            return Descriptor(media_type, digest, int(size[:18]))
        document = self.manifest(reference)
        return Descriptor(document.media_type, document.digest, document.size)

    def blob(self, repository: Reference, descriptor: Descriptor) -> BlobStream:
        """Open a blob for reading; see ``BlobStream`` for when its content is checked. Tag and digest do not count.

        Raises NotInRegistry, AccessDenied or RegistryError: the registry refuses or fails.
        """
        tried = f"read blob {descriptor.digest} of {repository.name}"
        path = f"blobs/{descriptor.digest}"

        def open_at(start: int) -> requests.Response:
            headers = {"Range": f"bytes={start}-"} if start else {}
            expected = (200, 206) if start else (200,)
            return self._endpoints.pull(
                Call(tried, repository, "GET", path, headers, expected), lambda response: response
            )

        return BlobStream(tried, descriptor, open_at, self._transport.limits)

    def read_blob(self, repository: Reference, descriptor: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """Return a small blob, such as a config, checked.

        Raises DocumentError: its descriptor says more than ``limit`` bytes; else as ``blob`` and ``BlobStream`` do.
        """
        if descriptor.size > limit:
            raise DocumentError(
                f"read blob {descriptor.digest} of {repository.name}",
                f"{descriptor.size} bytes, more than the {limit} that are read",
            )
        with self.blob(repository, descriptor) as stream:
            return stream.read()

    def blob_exists(self, repository: Reference, digest: str) -> bool:
        """Tell whether a repository has a blob. Raises AccessDenied or RegistryError."""
        tried = f"look for blob {digest} of {repository.name}"
        call = Call(tried, repository, "HEAD", f"blobs/{check_digest(digest)}", {})
        try:
            self._endpoints.pull(call, requests.Response.close)
        except NotInRegistry:
            return False
        return True

    def upload_blob(self, repository: Reference, chunks: Iterable[bytes], digest: str, size: int) -> bool:
        """Send a blob unless the repository has it; return whether it was sent.

        ``chunks`` is read once, and not at all where the blob is there; ``size`` is in bytes. It is a monolithic upload
        (distribution-spec, "POST then PUT").

        Raises AccessDenied or RegistryError: the registry refuses or fails.
        Raises IntegrityError: the chunks are more or fewer bytes than ``size``, or do not have the digest.
        """
        if self.blob_exists(repository, digest):
            return False
        checker = DigestChecker(f"the content for blob {digest}", digest, size)
        self.send_blob(repository, _checked(chunks, checker), digest, size)
        return True

    def send_blob(self, repository: Reference, chunks: Iterable[bytes], digest: str, size: int) -> None:
        """Send a blob that is not there, as ``upload_blob`` does: of ``size`` bytes and this digest, which the caller has checked.

        Raises AccessDenied or RegistryError: the registry refuses or fails, as for content that is not what it is said to be.
        """
        tried = f"upload blob {digest} to {repository.name}"
        home = self._endpoints.home(repository)
        start = Request(tried, "POST", f"{home.base_url}/v2/{repository.repository}/blobs/uploads/", body=b"")
        with self._endpoints.ask(home, start, repository, actions=_PUSH) as response:
            if response.status_code != 202:
                raise self._endpoints.refusal(home, response, tried)
            location = upload_url(tried, home.base_url, response.url, response.headers.get("Location", ""))
        url = f"{location}{'&' if urlsplit(location).query else '?'}digest={quote(digest, safe='')}"
        body = SizedBody(iter(chunks), size) if size else b"".join(chunks)
        put = Request(tried, "PUT", url, {"Content-Type": "application/octet-stream"}, body)
        with self._endpoints.ask(home, put, repository, actions=_PUSH) as response:
            if response.status_code not in (201, 204):
                raise self._endpoints.refusal(home, response, tried)

    def mount_blob(self, repository: Reference, digest: str, source: Reference) -> bool:
        """Let a repository have a blob of another one in the same registry, and return whether it does now.

        Nothing is sent (distribution-spec, "Mounting a blob from another repository"); a registry need not do it.

        Raises AccessDenied or RegistryError: the registry refuses or fails.
        """
        tried = f"mount blob {digest} of {source.name} into {repository.name}"
        home = self._endpoints.home(repository)
        query = urlencode({"mount": check_digest(digest), "from": source.repository})
        url = f"{home.base_url}/v2/{repository.repository}/blobs/uploads/?{query}"
        with self._endpoints.ask(home, Request(tried, "POST", url, body=b""), repository, actions=_PUSH) as response:
            if response.status_code not in (201, 202):  # 202: it waits for an upload instead, which it forgets in time
                raise self._endpoints.refusal(home, response, tried)
            return response.status_code == 201

    def put_manifest(self, reference: Reference, data: bytes, media_type: str) -> str:
        """Store an index or manifest under the reference's tag or digest and return its digest.

        Raises AccessDenied or RegistryError: the registry refuses or fails.
        Raises IntegrityError: the bytes do not have the reference's digest, or the registry stored others.
        """
        tried = f"store the manifest of {reference}"
        digest = reference.digest or digest_of(data)
        _check(data, digest, f"the manifest for {reference}")
        home = self._endpoints.home(reference)
        url = f"{home.base_url}/v2/{reference.repository}/manifests/{reference.target}"
        request = Request(tried, "PUT", url, {"Content-Type": media_type}, data)
        with self._endpoints.ask(home, request, reference, actions=_PUSH) as response:
            if response.status_code not in (200, 201, 202):
                raise self._endpoints.refusal(home, response, tried)
            told = response.headers.get("Docker-Content-Digest", "")
        if is_digest(told) and told.partition(":")[0] == digest.partition(":")[0] and told != digest:
            raise IntegrityError(tried, f"the registry stored {told}, not {digest}")
        return digest


def upload_url(tried: str, base_url: str, url: str, location: str) -> str:
    """Return where a registry wants the content: its ``Location`` as seen from ``url``, over HTTPS if it is itself.

    A registry behind a proxy that ends TLS may name itself with ``http:``; that is mended. Raises RegistryError: it
    names no place, or one elsewhere that would get the content in the clear.
    """
    try:
        place = urlsplit(urljoin(url, location))
        own = urlsplit(base_url)
    except ValueError:
        raise RegistryError(tried, "the registry names no place for the upload", status=202) from None
    if not location or place.scheme not in {"http", "https"}:
        raise RegistryError(tried, "the registry names no place for the upload", status=202)
    if place.scheme == "http" and own.scheme == "https":
        if place.hostname != own.hostname:
            raise RegistryError(tried, "the registry wants the content sent without HTTPS", status=202)
        place = place._replace(scheme="https", netloc=own.netloc)
    return place.geturl()


def _check(data: bytes, digest: str, what: str) -> None:
    checker = DigestChecker(what, digest)
    checker.update(data)
    checker.finish()


def _checked(chunks: Iterable[bytes], checker: DigestChecker) -> Iterator[bytes]:
    for chunk in chunks:
        checker.update(chunk)
        if chunk:
            yield chunk
    checker.finish()
