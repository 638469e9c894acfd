"""Sending blobs and manifests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    IntegrityError,
    MultiArchError,
    RegistryError,
)
from pytest_multiarch.image.registry import upload_url
from pytest_multiarch.oci import OCI_INDEX
from tests.unit.fake_registry import FakeRegistry, Fault
from tests.unit.registry.common import blob_of, logged_in, ref

if TYPE_CHECKING:
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.registry.common import Connect


def test_a_blob_is_uploaded_with_its_length(registry: FakeRegistry, client: RegistryClient) -> None:
    data = b"x" * 300_000
    chunks = (data[start : start + 1000] for start in range(0, len(data), 1000))
    assert client.upload_blob(ref(registry), chunks, blob_of(data).digest, len(data))
    assert registry.blobs["app", blob_of(data).digest] == data
    put = registry.asked("PUT")[0]
    assert put.headers["Content-Length"] == "300000"
    assert "Transfer-Encoding" not in put.headers


def test_an_empty_blob_is_uploaded(registry: FakeRegistry, client: RegistryClient) -> None:
    assert client.upload_blob(ref(registry), [], blob_of(b"").digest, 0)
    assert registry.blobs["app", blob_of(b"").digest] == b""


def test_a_blob_that_is_there_is_not_sent(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob("app", b"here")

    chunks = iter([b"here"])
    assert not client.upload_blob(ref(registry), chunks, digest, 4)
    assert next(chunks) == b"here"
    assert registry.asked("POST") == []


def test_a_blob_of_another_repository_is_had_without_being_sent(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob("base/app", b"here")
    assert client.mount_blob(ref(registry), digest, ref(registry, "base/app"))
    assert registry.blobs["app", digest] == b"here"
    assert registry.asked("PUT") == []


def test_a_registry_need_not_let_repositories_share(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.mounts = False
    digest = registry.add_blob("base/app", b"here")
    assert not client.mount_blob(ref(registry), digest, ref(registry, "base/app"))
    registry.fail("POST", "/uploads/", Fault(405))
    with pytest.raises(RegistryError, match="HTTP 405"):
        client.mount_blob(ref(registry), digest, ref(registry, "base/app"))


@pytest.mark.parametrize(("chunks", "size"), [([b"wrong"], 5), ([b"da"], 4), ([b"more"], 4), ([b"mo", b"re data"], 4)])
def test_content_that_is_not_the_blobs_is_not_stored(
    registry: FakeRegistry, client: RegistryClient, chunks: list[bytes], size: int
) -> None:
    with pytest.raises(MultiArchError):
        client.upload_blob(ref(registry), chunks, blob_of(b"data").digest, size)
    assert registry.blobs == {}


def test_a_refused_upload_says_why(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("PUT", "/uploads/", Fault(413, {}, b'{"errors": [{"code": "SIZE_INVALID", "message": "too big"}]}'))
    with pytest.raises(RegistryError, match=r"HTTP 413 \(SIZE_INVALID: too big\)"):
        client.upload_blob(ref(registry), [b"data"], blob_of(b"data").digest, 4)


def test_an_upload_without_a_place_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("POST", "/uploads/", Fault(202))
    with pytest.raises(RegistryError, match="no place for the upload"):
        client.upload_blob(ref(registry), [b"data"], blob_of(b"data").digest, 4)


def test_an_upload_elsewhere_goes_without_credentials(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    with FakeRegistry().running("127.0.0.2") as storage:
        client = connect(credentials=logged_in(registry))
        client.blob_exists(ref(registry), "sha256:" + "0" * 64)
        place = f"{storage.url}/v2/app/blobs/uploads/9"
        registry.fail("POST", "/uploads/", Fault(401, {"WWW-Authenticate": "Basic"}), Fault(202, {"Location": place}))
        client.upload_blob(ref(registry), [b"data"], blob_of(b"data").digest, 4)
        assert "Authorization" not in storage.asked("PUT")[0].headers
        assert storage.blobs["app", blob_of(b"data").digest] == b"data"


def test_a_manifest_is_stored_under_tag_and_digest(registry: FakeRegistry, client: RegistryClient) -> None:
    document = b'{"schemaVersion": 2, "manifests": []}'
    digest = client.put_manifest(ref(registry), document, OCI_INDEX)
    assert digest == f"sha256:{hashlib.sha256(document).hexdigest()}"
    assert registry.manifests["app", "1"] == (document, OCI_INDEX)


def test_a_manifest_is_not_stored_under_another_digest(registry: FakeRegistry, client: RegistryClient) -> None:
    with pytest.raises(IntegrityError):
        client.put_manifest(ref(registry, "app@sha256:" + "0" * 64), b"{}", OCI_INDEX)
    assert registry.seen == []


def test_a_registry_that_stores_other_bytes_is_caught(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("PUT", "/manifests/1", Fault(201, {"Docker-Content-Digest": "sha256:" + "0" * 64}))
    with pytest.raises(IntegrityError, match="the registry stored sha256:0000"):
        client.put_manifest(ref(registry), b"{}", OCI_INDEX)


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        ("https://a.io", "/v2/x/blobs/uploads/1?s=2", "https://a.io/v2/x/blobs/uploads/1?s=2"),
        ("https://a.io", "https://b.io/up", "https://b.io/up"),
        ("https://a.io:8443", "http://a.io/up", "https://a.io:8443/up"),
        ("http://localhost:5000", "http://localhost:5000/up", "http://localhost:5000/up"),
    ],
)
def test_content_goes_where_the_registry_says(base: str, location: str, expected: str) -> None:
    assert upload_url("test", base, f"{base}/v2/x/blobs/uploads/", location) == expected


@pytest.mark.parametrize("location", ["", "http://b.io/up", "file:///up", "http://[::1/up"])
def test_content_does_not_go_in_the_clear_or_nowhere(location: str) -> None:
    with pytest.raises(RegistryError, match=r"without HTTPS|no place"):
        upload_url("test", "https://a.io", "https://a.io/v2/x/blobs/uploads/", location)
