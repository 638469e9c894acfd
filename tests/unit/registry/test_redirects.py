"""Following redirects without taking credentials along."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    AccessDenied,
    RegistryError,
)
from pytest_multiarch.oci import OCI_LAYER, Descriptor
from tests.unit.fake_registry import FakeRegistry, Fault
from tests.unit.images import add_image
from tests.unit.registry.common import blob_of, logged_in, ref

if TYPE_CHECKING:
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.registry.common import Connect


def test_credentials_do_not_follow_a_redirect_to_another_host(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    digest = registry.add_blob("app", b"content")
    with FakeRegistry().running("127.0.0.2") as storage:
        storage.blobs["app", digest] = b"content"
        registry.redirect_blobs_to = storage.url
        assert connect(credentials=logged_in(registry)).read_blob(ref(registry), blob_of(b"content")) == b"content"
        assert "Authorization" not in storage.seen[0].headers
    assert "Authorization" in registry.seen[-1].headers


def test_credentials_do_not_follow_a_redirect_to_another_port(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    digest = registry.add_blob("app", b"content")
    with FakeRegistry().running() as storage:
        storage.blobs["app", digest] = b"content"
        registry.redirect_blobs_to = storage.url
        connect(credentials=logged_in(registry)).read_blob(ref(registry), blob_of(b"content"))
        assert "Authorization" not in storage.seen[0].headers


def test_credentials_follow_a_redirect_within_the_registry(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    entry = add_image(registry, "app", "linux/amd64", "new")
    client = connect(credentials=logged_in(registry))
    client.blob_exists(ref(registry), entry["digest"])
    client.manifest(ref(registry, "app:new"))
    registry.fail("GET", "/manifests/old", Fault(302, {"Location": "/v2/app/manifests/new"}))
    assert client.manifest(ref(registry, "app:old")).digest == entry["digest"]


def test_a_challenge_from_a_redirects_target_gets_no_credentials(registry: FakeRegistry, connect: Connect) -> None:
    digest = registry.add_blob("app", b"content")
    with FakeRegistry(auth="basic").running() as storage:
        storage.blobs["app", digest] = b"content"
        registry.redirect_blobs_to = storage.url
        with pytest.raises(AccessDenied):
            connect(credentials=logged_in(registry)).read_blob(ref(registry), blob_of(b"content"))
        assert len(storage.seen) == 1


def test_redirects_that_do_not_end_are_given_up(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("GET", "/manifests/1", *[Fault(307, {"Location": "/v2/app/manifests/1"})] * 10)
    with pytest.raises(RegistryError, match="more than 5 redirects"):
        client.manifest(ref(registry))
    assert len(registry.seen) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.com/x", "http://[::1/x", "http://h:port/"])
def test_a_redirect_to_no_http_url_is_not_followed(
    registry: FakeRegistry, client: RegistryClient, location: str
) -> None:
    registry.fail("GET", "/manifests/1", Fault(307, {"Location": location}))
    with pytest.raises(RegistryError, match="redirects to"):
        client.manifest(ref(registry))


def test_a_signed_url_is_not_shown(registry: FakeRegistry, connect: Connect) -> None:
    digest = registry.add_blob("app", b"content")
    with FakeRegistry().running() as gone:
        registry.redirect_blobs_to = gone.url
    with pytest.raises(RegistryError) as caught:
        connect().read_blob(ref(registry), Descriptor(OCI_LAYER, digest, 7))
    assert "X-Signature" not in "".join(traceback.format_exception(caught.value))
