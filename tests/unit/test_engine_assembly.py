"""One index, put together from platforms that were pushed on their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.assembly import assemble
from pytest_multiarch.errors import NotInRegistry
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.image.transport import Limits
from pytest_multiarch.oci import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.images import add_image, add_index, attestation

if TYPE_CHECKING:
    from collections.abc import Iterator

AMD64, ARM_V7 = Platform.parse("linux/amd64"), Platform.parse("linux/arm/v7")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    made = RegistryClient(limits=Limits(connect=2, read=2, attempts=1))
    yield made
    made.close()


def app(registry: FakeRegistry) -> Reference:
    return Reference.parse(f"{registry.host}/app:latest")


def stored(registry: FakeRegistry) -> dict[str, Any]:
    data, media_type = registry.manifests["app", "latest"]
    document: dict[str, Any] = json.loads(data)
    assert document["mediaType"] == media_type == OCI_INDEX
    assert document["schemaVersion"] == 2
    return document


def test_bare_manifests_are_described_with_the_platform_that_they_were_built_for(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    first, second = add_image(registry, "app", "linux/arm/v7"), add_image(registry, "app", "linux/amd64")
    image = assemble(client, app(registry), [(ARM_V7, first["digest"]), (AMD64, second["digest"])], None)
    assert stored(registry)["manifests"] == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": first["digest"],
            "size": first["size"],
            "platform": {"architecture": "arm", "os": "linux", "variant": "v7"},
        },
        {
            "mediaType": OCI_MANIFEST,
            "digest": second["digest"],
            "size": second["size"],
            "platform": {"architecture": "amd64", "os": "linux"},
        },
    ]
    assert image.platforms == (ARM_V7, AMD64)
    assert str(image.reference) == f"{registry.host}/app:latest"
    assert image.for_platform(AMD64).digest == second["digest"]


def test_a_docker_manifest_keeps_its_media_type(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    data = json.loads(registry.manifests["app", entry["digest"]][0]) | {"mediaType": DOCKER_MANIFEST}
    digest = registry.add_manifest("app", data, DOCKER_MANIFEST)
    assemble(client, app(registry), [(AMD64, digest)], None)
    assert [entry["mediaType"] for entry in stored(registry)["manifests"]] == [DOCKER_MANIFEST]


def test_entries_of_an_index_are_taken_as_they_are_and_attestations_come_last(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    pushed, images, attestations = [], [], []
    for platform in (AMD64, ARM_V7):
        entry = {**add_image(registry, "app", str(platform)), "annotations": {"kept": str(platform)}}
        about = attestation(registry, "app", entry["digest"])
        pushed.append((platform, add_index(registry, "app", entries=[entry, about])))
        images.append(entry)
        attestations.append(about)
    image = assemble(client, app(registry), pushed, None)
    assert stored(registry)["manifests"] == [*images, *attestations]
    assert image.platforms == (AMD64, ARM_V7)
    assert [one.digest for one in image.attestations] == [one["digest"] for one in attestations]


def test_the_same_pushes_give_the_same_digest(registry: FakeRegistry, client: RegistryClient) -> None:
    pushed = [(AMD64, add_image(registry, "app", "linux/amd64")["digest"])]
    first = assemble(client, app(registry), pushed, None)
    assert assemble(client, app(registry), pushed, None).digest == first.digest


def test_a_platform_whose_push_is_gone_is_an_error(registry: FakeRegistry, client: RegistryClient) -> None:
    with pytest.raises(NotInRegistry):
        assemble(client, app(registry), [(AMD64, "sha256:" + "0" * 64)], None)
    assert ("app", "latest") not in registry.manifests
