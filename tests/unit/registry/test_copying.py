"""Copying what some platforms need, and no more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import IntegrityError, NotInRegistry, RegistryError
from pytest_multiarch.image.copying import copy_image
from pytest_multiarch.oci import DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry, Fault
from tests.unit.images import FOREIGN, add_image, add_index, attestation
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.copying import CopiedImage
    from pytest_multiarch.image.registry import RegistryClient

AMD64, ARM64, ARMV7 = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm/v7"))


@pytest.fixture
def target() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


def copied(client: RegistryClient, source: FakeRegistry, target: FakeRegistry, *platforms: Platform) -> CopiedImage:
    return copy_image(client, ref(source), client, ref(target, "base/app"), "copy", platforms)


def index_in(registry: FakeRegistry) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(registry.manifests["base/app", "copy"][0])
    return document


def test_only_what_the_platforms_need_is_copied(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entries = [add_image(registry, "app", text) for text in ("linux/amd64", "linux/s390x", "linux/arm64")]
    add_index(registry, "app", "1", entries=entries, annotations={"made.by": "us"})
    found = copied(client, registry, target, ARM64, AMD64)
    assert index_in(target)["manifests"] == [entries[0], entries[2]]
    assert index_in(target)["annotations"] == {"made.by": "us"}
    assert found.chosen == ((ARM64, entries[2]["digest"]), (AMD64, entries[0]["digest"]))
    assert found.digest_for(ARM64) == entries[2]["digest"]
    assert found.missing == ()
    assert str(found.reference) == f"{target.host}/base/app:copy"
    assert b"layer of linux/s390x" not in target.blobs.values()


def test_manifests_keep_their_bytes(registry: FakeRegistry, target: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    add_index(registry, "app", "1", entries=[entry, add_image(registry, "app", "linux/arm64")])
    copied(client, registry, target, AMD64)
    assert target.manifests["base/app", entry["digest"]] == registry.manifests["app", entry["digest"]]


def test_an_index_that_is_wanted_whole_keeps_its_digest(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entries = [add_image(registry, "app", text) for text in ("linux/amd64", "linux/arm64")]
    digest = add_index(registry, "app", "1", entries=entries)
    assert copied(client, registry, target, AMD64, ARM64).digest == digest


def test_attestations_stay_behind(registry: FakeRegistry, target: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    add_index(registry, "app", "1", entries=[entry, attestation(registry, "app", entry["digest"])])
    copied(client, registry, target, AMD64)
    assert index_in(target)["manifests"] == [entry]


def test_a_platform_that_the_source_lacks_is_named(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    add_index(registry, "app", "1", entries=[entry])
    found = copied(client, registry, target, AMD64, ARM64)
    assert found.missing == (ARM64,)
    assert found.digest_for(ARM64) is None


def test_a_platform_gets_the_fallback_that_docker_takes(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entry = add_image(registry, "app", "linux/arm/v6")
    add_index(registry, "app", "1", entries=[entry, add_image(registry, "app", "linux/amd64")])
    found = copied(client, registry, target, ARMV7, ARM64)
    assert found.chosen == ((ARMV7, entry["digest"]), (ARM64, entry["digest"]))
    assert index_in(target)["manifests"] == [entry]


def test_two_platforms_with_one_digest_keep_both_entries(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    twin = {**entry, "platform": {"os": "linux", "architecture": "arm64"}}
    add_index(registry, "app", "1", entries=[entry, twin, add_image(registry, "app", "linux/s390x")])
    copied(client, registry, target, AMD64, ARM64)
    assert index_in(target)["manifests"] == [entry, twin]


def test_nested_indexes_become_flat(registry: FakeRegistry, target: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/arm/v7")
    inner = add_index(registry, "app", entries=[entry])
    size = len(registry.manifests["app", inner][0])
    add_index(registry, "app", "1", entries=[{"mediaType": OCI_INDEX, "digest": inner, "size": size}])
    copied(client, registry, target, ARMV7)
    assert index_in(target)["manifests"] == [entry]


def test_an_entry_without_a_platform_gets_that_of_its_config(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entry = add_image(registry, "app", "linux/arm64")
    platform = entry.pop("platform")
    add_index(registry, "app", "1", entries=[entry])
    copied(client, registry, target, ARM64)
    assert index_in(target)["manifests"] == [{**entry, "platform": platform}]


def test_a_docker_manifest_list_stays_one(registry: FakeRegistry, target: FakeRegistry, client: RegistryClient) -> None:
    entries = []
    for text in ("linux/amd64", "linux/arm64"):
        entry = add_image(registry, "app", text)
        document = json.loads(registry.manifests["app", entry["digest"]][0])
        digest = registry.add_manifest("app", {**document, "mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST)
        size = len(registry.manifests["app", digest][0])
        entries.append({**entry, "mediaType": DOCKER_MANIFEST, "digest": digest, "size": size})
    document = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST_LIST, "manifests": entries}
    registry.add_manifest("app", document, DOCKER_MANIFEST_LIST, "1")
    copied(client, registry, target, AMD64)
    assert target.manifests["base/app", "copy"][1] == DOCKER_MANIFEST_LIST
    assert target.manifests["base/app", entries[0]["digest"]][1] == DOCKER_MANIFEST


def test_a_bare_manifest_is_copied_as_it_is(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1")
    found = copied(client, registry, target, AMD64, ARM64)
    assert found.digest == entry["digest"]
    assert found.chosen == ((AMD64, entry["digest"]),)
    assert found.missing == (ARM64,)
    assert target.manifests["base/app", "copy"] == registry.manifests["app", "1"]


def test_shared_layers_are_copied_once(registry: FakeRegistry, target: FakeRegistry, client: RegistryClient) -> None:
    entries = [add_image(registry, "app", text) for text in ("linux/amd64", "linux/arm64")]
    add_index(registry, "app", "1", entries=entries)
    copied(client, registry, target, AMD64, ARM64)
    # Two configs, a layer each, and one that both have.
    assert len(target.asked("PUT", "/blobs/uploads/")) == 5
    assert set(target.blobs.values()) == set(registry.blobs.values())


def test_blobs_that_are_there_are_not_read_again(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    shared = target.add_blob("base/app", b"a layer that all share")
    copied(client, registry, target, AMD64)
    assert registry.asked("GET", shared) == []
    assert len(target.asked("POST")) == 2


def test_foreign_layers_are_named_and_left(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    add_image(registry, "app", "linux/amd64", "1", foreign=True)
    found = copied(client, registry, target, AMD64)
    assert [layer.media_type for layer in found.foreign] == [FOREIGN]
    assert registry.asked("GET", "f" * 64) == []


def test_a_wrong_layer_stops_the_copy_before_the_tag_is_set(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    key = next(key for key, data in registry.blobs.items() if data == b"layer of linux/amd64")
    registry.blobs[key] = b"layer of linux/arm64"
    with pytest.raises(IntegrityError):
        copied(client, registry, target, AMD64)
    assert target.manifests == {}


def test_a_full_registry_stops_the_copy(registry: FakeRegistry, target: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    target.fail("POST", "/uploads/", *[Fault(507)] * 9)
    with pytest.raises(RegistryError, match="HTTP 507"):
        copied(client, registry, target, AMD64)
    assert target.manifests == {}


def test_an_image_that_is_not_there_is_not_copied(
    registry: FakeRegistry, target: FakeRegistry, client: RegistryClient
) -> None:
    with pytest.raises(NotInRegistry):
        copied(client, registry, target, AMD64)
