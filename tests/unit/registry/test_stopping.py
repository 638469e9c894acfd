"""A client that is told to stop waits for nothing any more: not for an answer, not for a body, not through a pause."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import MultiArchError, RegistryError
from pytest_multiarch.image.registry import RegistryClient
from tests.unit.fake_registry import Fault
from tests.unit.images import add_image
from tests.unit.processes import wait_until
from tests.unit.registry.common import blob_of, ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.fake_registry import FakeRegistry

LONG = 60


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    """Return a client with everybody's limits: minutes, where a registry says nothing."""
    with RegistryClient() as made:
        yield made


def stopped_in(client: RegistryClient, work: Callable[[], object], waits: Callable[[], object]) -> list[MultiArchError]:
    """Stop the client once a thread waits in its work, and return what that raised."""
    raised: list[MultiArchError] = []

    def go() -> None:
        try:
            work()
        except MultiArchError as error:
            raised.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    wait_until(waits)
    client.stop()
    thread.join(LONG / 4)
    assert not thread.is_alive()
    return raised


def test_an_answer_that_does_not_come(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("GET", "/manifests/1", *[Fault(silent=True, seconds=LONG)] * 9)
    assert stopped_in(client, lambda: client.manifest(ref(registry)), lambda: registry.asked("GET"))


def test_a_body_that_does_not_end(registry: FakeRegistry, client: RegistryClient) -> None:
    data = bytes(100_000)
    registry.add_blob("app", data)
    registry.stall_after = 1000

    def read() -> None:
        with client.blob(ref(registry), blob_of(data)) as stream:
            stream.read()

    assert stopped_in(client, read, lambda: registry.asked("GET", "/blobs/"))


def test_a_pause(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("GET", "/manifests/1", *[Fault(429, {"Retry-After": str(LONG)})] * 9)
    assert stopped_in(client, lambda: client.manifest(ref(registry)), lambda: registry.asked("GET"))


def test_nothing_is_begun_afterwards(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    client.manifest(ref(registry))
    client.stop()
    with pytest.raises(RegistryError, match="the run is stopping"):
        client.manifest(ref(registry))
    assert len(registry.asked("GET")) == 1
