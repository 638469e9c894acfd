"""Mirrors stand in for Docker Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    NotInRegistry,
)
from pytest_multiarch.image.credentials import Credentials, KnownCredentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.oci import OCI_INDEX
from tests.unit.fake_registry import FakeRegistry, Fault
from tests.unit.images import add_image
from tests.unit.registry.common import blob_of, ref

if TYPE_CHECKING:
    from tests.unit.registry.common import Connect

HUB = Reference.parse("alpine:3")


def test_a_mirror_is_asked_before_docker_hub(registry: FakeRegistry, connect: Connect) -> None:
    with FakeRegistry().running() as mirror:
        entry = add_image(mirror, "library/alpine", "linux/amd64", "3")
        client = connect(mirrors=[mirror.url], endpoints={"docker.io": registry.url})
        assert client.manifest(HUB).digest == entry["digest"]
    assert registry.seen == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_mirror_that_does_not_serve_it_leads_to_the_next(
    registry: FakeRegistry, connect: Connect, pauses: list[float], status: int
) -> None:
    entry = add_image(registry, "library/alpine", "linux/amd64", "3")
    with FakeRegistry().running() as first, FakeRegistry().running() as second:
        first.fail("GET", "/manifests/3", Fault(status))
        client = connect(mirrors=[first.url, second.url], endpoints={"docker.io": registry.url})
        assert client.manifest(HUB).digest == entry["digest"]
        assert (len(first.seen), len(second.seen)) == (1, 1)
    assert pauses == []


def test_a_mirror_that_does_not_answer_is_asked_only_once(registry: FakeRegistry, connect: Connect) -> None:
    add_image(registry, "library/alpine", "linux/amd64", "3")
    with FakeRegistry().running() as mirror:
        mirror.fail("GET", "/manifests/3", Fault(hang_up=True))
        client = connect(mirrors=[mirror.url], endpoints={"docker.io": registry.url})
        client.manifest(HUB)
        client.manifest(HUB)
        assert len(mirror.seen) == 1


def test_the_mirrors_words_stand_below_docker_hubs(registry: FakeRegistry, connect: Connect) -> None:
    with FakeRegistry().running() as mirror:
        mirror.fail("GET", "/manifests/3", Fault(500))
        client = connect(mirrors=[mirror.url], endpoints={"docker.io": registry.url})
        with pytest.raises(NotInRegistry) as caught:
            client.manifest(HUB)
        assert caught.value.detail == f"mirror {mirror.url}: HTTP 500"


def test_docker_hubs_credentials_are_not_for_mirrors(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    add_image(registry, "library/alpine", "linux/amd64", "3")
    credentials = KnownCredentials({"docker.io": Credentials("user", "right")})
    with FakeRegistry(auth="basic").running() as mirror:
        client = connect(credentials=credentials, mirrors=[mirror.url], endpoints={"docker.io": registry.url})
        client.manifest(HUB)
        assert all("Authorization" not in one.headers for one in mirror.seen)


def test_a_mirror_is_not_asked_for_another_registry(registry: FakeRegistry, connect: Connect) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    with FakeRegistry().running() as mirror:
        connect(mirrors=[mirror.url]).manifest(ref(registry))
        assert mirror.seen == []


def test_pushing_never_goes_to_a_mirror(registry: FakeRegistry, connect: Connect) -> None:
    document = b'{"schemaVersion": 2, "manifests": []}'
    with FakeRegistry().running() as mirror:
        connect(mirrors=[mirror.url], endpoints={"docker.io": registry.url}).put_manifest(HUB, document, OCI_INDEX)
        assert mirror.seen == []
    assert ("library/alpine", "3") in registry.manifests


def test_a_blob_of_docker_hub_comes_from_the_mirror(registry: FakeRegistry, connect: Connect) -> None:
    with FakeRegistry().running() as mirror:
        mirror.add_blob("library/alpine", b"layer")
        client = connect(mirrors=[mirror.url], endpoints={"docker.io": registry.url})
        assert client.read_blob(HUB, blob_of(b"layer")) == b"layer"
