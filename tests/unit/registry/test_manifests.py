"""Reading manifests: bytes, digests, media types, and what is refused."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    DocumentError,
    IntegrityError,
    NotInRegistry,
    RegistryError,
)
from pytest_multiarch.oci import OCI_INDEX, OCI_MANIFEST
from tests.unit.fake_registry import Fault
from tests.unit.images import add_image
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry


def test_a_manifest_comes_as_its_bytes_with_type_and_digest(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1")
    found = client.manifest(ref(registry))
    assert found.digest == entry["digest"]
    assert found.media_type == OCI_MANIFEST
    assert found.data == registry.manifests["app", "1"][0]


def test_a_reference_without_tag_asks_for_latest(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "latest")
    client.manifest(ref(registry, "app"))
    assert registry.asked("GET")[0].path == "/v2/app/manifests/latest"


def test_indexes_and_manifests_of_both_families_are_asked_for(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    client.manifest(ref(registry))
    accepted = registry.asked("GET")[0].headers["Accept"].split(", ")
    assert set(accepted) == {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }


def test_a_manifest_without_a_content_type_is_told_by_its_content(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.add_manifest("app", {"schemaVersion": 2, "manifests": []}, "", "1")
    assert client.manifest(ref(registry)).media_type == OCI_INDEX


def test_other_bytes_than_the_digest_that_was_asked_for_are_refused(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    add_image(registry, "app", "linux/arm64", "other")
    registry.manifests["app", entry["digest"]] = registry.manifests["app", "other"]
    with pytest.raises(IntegrityError, match=f"expected {entry['digest']}"):
        client.manifest(ref(registry, f"app@{entry['digest']}"))


def test_other_bytes_than_the_digest_that_the_registry_claims_are_refused(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    body = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    headers = {"Content-Type": OCI_INDEX, "Docker-Content-Digest": "sha256:" + "0" * 64}
    registry.fail("GET", "/manifests/1", Fault(200, headers, body))
    with pytest.raises(IntegrityError, match="sha256:0000"):
        client.manifest(ref(registry))


def test_a_sha512_digest_is_verified_as_such(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    data, media_type = registry.manifests["app", "1"]
    digest = f"sha512:{hashlib.sha512(data).hexdigest()}"
    registry.manifests["app", digest] = (data, media_type)
    assert client.manifest(ref(registry, f"app@{digest}")).digest == digest


def test_a_manifest_that_contradicts_its_content_type_is_refused(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.add_manifest("app", {"schemaVersion": 2, "manifests": []}, OCI_MANIFEST, "1")
    with pytest.raises(DocumentError, match="an index that the registry's Content-Type calls"):
        client.manifest(ref(registry))


def test_a_manifest_larger_than_four_mebibytes_is_not_read(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.add_manifest("app", b"{" + b" " * (4 * 1024 * 1024), OCI_INDEX, "1")
    with pytest.raises(RegistryError, match="more than 4194304 bytes"):
        client.manifest(ref(registry))


def test_a_manifest_that_is_not_there_says_what_the_registry_said(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    with pytest.raises(NotInRegistry) as caught:
        client.manifest(ref(registry))
    assert (caught.value.status, caught.value.code) == (404, "MANIFEST_UNKNOWN")
    assert str(ref(registry)) in caught.value.tried
    assert "manifest unknown" in caught.value.found


def test_a_manifest_that_breaks_off_is_read_again(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(cut_after=10))
    assert client.manifest(ref(registry)).digest == entry["digest"]


def test_a_manifest_that_always_breaks_off_is_given_up(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", *[Fault(cut_after=10)] * 4)
    with pytest.raises(RegistryError, match=r"connection to .* lost"):
        client.manifest(ref(registry))


def test_the_head_of_a_manifest_does_not_read_it(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1")
    found = client.head_manifest(ref(registry))
    assert (found.media_type, found.digest, found.size) == (OCI_MANIFEST, entry["digest"], entry["size"])
    assert registry.asked("GET") == []


def test_a_head_without_a_digest_reads_the_manifest(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1")
    registry.sends_digests = False
    assert client.head_manifest(ref(registry)).digest == entry["digest"]


def test_a_head_that_names_another_digest_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    wanted = "sha256:" + "a" * 64
    registry.fail("HEAD", "/manifests/", Fault(200, {"Docker-Content-Digest": "sha256:" + "b" * 64}))
    with pytest.raises(IntegrityError, match="sha256:bbbb"):
        client.head_manifest(ref(registry, f"app@{wanted}"))


def test_a_manifest_is_taken_as_it_comes_whatever_its_encoding_header(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    body = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    registry.fail("GET", "/manifests/1", Fault(200, {"Content-Type": OCI_INDEX, "Content-Encoding": "gzip"}, body))
    assert client.manifest(ref(registry)).data == body
