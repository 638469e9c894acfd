"""Where registries are reached, and the end of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from tests.unit.fake_registry import FakeRegistry
from tests.unit.images import add_image, add_index
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from tests.unit.registry.common import Connect


def test_a_registry_is_reached_under_another_address(registry: FakeRegistry, connect: Connect) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1")
    client = connect(endpoints={"registry.internal:5000": registry.url})
    assert client.manifest(Reference.parse("registry.internal:5000/app:1")).digest == entry["digest"]


def test_a_client_reads_several_registries(registry: FakeRegistry, client: RegistryClient) -> None:
    with FakeRegistry().running() as other:
        here = add_image(registry, "app", "linux/amd64", "1")
        there = add_index(other, "app", "1", entries=[])
        assert client.manifest(ref(registry)).digest == here["digest"]
        assert client.manifest(ref(other)).digest == there


def test_closing_ends_the_connections_of_all_threads(registry: FakeRegistry) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    with RegistryClient() as client:
        thread = threading.Thread(target=client.manifest, args=(ref(registry),))
        thread.start()
        thread.join()
        client.manifest(ref(registry))
