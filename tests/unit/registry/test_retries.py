"""Failures that pass, failures that last, and how long a registry is waited for."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    RegistryError,
)
from pytest_multiarch.image.transport import Limits
from tests.unit.fake_registry import FakeRegistry, Fault
from tests.unit.images import add_image
from tests.unit.registry.common import blob_of, ref

if TYPE_CHECKING:
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.registry.common import Connect


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again_with_growing_pauses(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float], status: int
) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(status), Fault(status))
    client.manifest(ref(registry))
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_lasting_failure_is_not_tried_again(registry: FakeRegistry, client: RegistryClient, status: int) -> None:
    registry.fail("GET", "/manifests/1", *[Fault(status)] * 2)
    with pytest.raises(RegistryError) as caught:
        client.manifest(ref(registry))
    assert caught.value.status == status
    assert len(registry.seen) == 1


def test_a_lasting_503_is_reported_after_the_last_attempt(registry: FakeRegistry, client: RegistryClient) -> None:
    body = b'{"errors": [{"code": "UNAVAILABLE", "message": "come back later"}]}'
    registry.fail("GET", "/manifests/1", *[Fault(503, {}, body)] * 4)
    with pytest.raises(RegistryError, match=r"HTTP 503 \(UNAVAILABLE: come back later\)"):
        client.manifest(ref(registry))
    assert len(registry.seen) == 4


def test_retry_after_seconds_are_waited(registry: FakeRegistry, client: RegistryClient, pauses: list[float]) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(429, {"Retry-After": "7"}))
    client.manifest(ref(registry))
    assert pauses == [7.0]


def test_a_retry_after_date_is_waited_for(registry: FakeRegistry, connect: Connect, pauses: list[float]) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(503, {"Retry-After": formatdate(1_700_000_030, usegmt=True)}))
    connect(now=lambda: 1_700_000_000.0).manifest(ref(registry))
    assert pauses == [30.0]


def test_a_date_that_has_passed_is_not_waited_for(
    registry: FakeRegistry, connect: Connect, pauses: list[float]
) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(503, {"Retry-After": formatdate(1_600_000_000, usegmt=True)}))
    connect(now=lambda: 1_700_000_000.0).manifest(ref(registry))
    assert pauses == [0.0]


def test_nonsense_in_retry_after_does_not_count(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float]
) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(429, {"Retry-After": "soon"}))
    client.manifest(ref(registry))
    assert pauses == [0.5]


def test_nobody_waits_an_hour_for_a_rate_limit(
    registry: FakeRegistry, client: RegistryClient, pauses: list[float]
) -> None:
    registry.fail("GET", "/manifests/1", *[Fault(429, {"Retry-After": "3600"})] * 2)
    with pytest.raises(RegistryError, match="Retry-After 3600") as caught:
        client.manifest(ref(registry))
    assert caught.value.status == 429
    assert "mirror" in caught.value.hint
    assert pauses == []


def test_a_connection_that_is_hung_up_is_tried_again(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    registry.fail("GET", "/manifests/1", Fault(hang_up=True))
    client.manifest(ref(registry))


def test_a_silent_registry_is_given_up_after_the_read_limit(registry: FakeRegistry, connect: Connect) -> None:
    registry.fail("GET", "/manifests/1", Fault(silent=True))
    with pytest.raises(RegistryError, match=r"silent for 0\.1 s") as caught:
        connect(limits=Limits(read=0.1, attempts=1)).manifest(ref(registry))
    assert caught.value.status == 0


def test_a_registry_that_is_not_there_is_named(connect: Connect) -> None:
    with FakeRegistry().running() as gone:
        reference = ref(gone)
    with pytest.raises(RegistryError, match="refused") as caught:
        connect().manifest(reference)
    assert reference.registry in caught.value.found
    assert "after 4 attempts" in caught.value.found


def test_starting_an_upload_is_not_repeated_when_the_connection_breaks(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.fail("POST", "/uploads/", Fault(hang_up=True))
    with pytest.raises(RegistryError):
        client.upload_blob(ref(registry), [b"data"], blob_of(b"data").digest, 4)
    assert len(registry.asked("POST")) == 1
