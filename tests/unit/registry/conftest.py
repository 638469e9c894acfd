"""A registry, and clients that do not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.image.transport import Limits
from tests.unit.fake_registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.registry.common import Connect

QUICK = Limits(connect=2, read=0.3, attempts=4, first_pause=0.5, longest_pause=60)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def connect(pauses: list[float]) -> Iterator[Connect]:
    clients = []

    def make(**options: Any) -> RegistryClient:
        client = RegistryClient(**{"limits": QUICK, "sleep": pauses.append, **options})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Connect) -> RegistryClient:
    return connect()
