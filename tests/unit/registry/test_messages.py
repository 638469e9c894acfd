"""A registry's own words in our errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    AccessDenied,
    RegistryError,
)
from tests.unit.fake_registry import Fault
from tests.unit.images import add_image
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry


def test_control_characters_of_a_registry_reach_no_terminal(registry: FakeRegistry, client: RegistryClient) -> None:
    message = "\x1b]0;owned\x07 \x9b31m red \u202e gnp \r\n second line"
    body = json.dumps({"errors": [{"code": "BAD\x1b[2J", "message": message}]}).encode()
    registry.fail("GET", "/manifests/1", Fault(400, {}, body))
    with pytest.raises(RegistryError) as caught:
        client.manifest(ref(registry))
    assert caught.value.found.isprintable()
    assert caught.value.code.isprintable()
    assert "second line" in caught.value.found


def test_a_long_message_is_cut(registry: FakeRegistry, client: RegistryClient) -> None:
    body = json.dumps({"errors": [{"code": "LONG", "message": "x" * 10_000}]}).encode()
    registry.fail("GET", "/manifests/1", Fault(400, {}, body))
    with pytest.raises(RegistryError) as caught:
        client.manifest(ref(registry))
    assert len(caught.value.found) < 400


def test_a_registry_that_repeats_the_token_does_not_get_it_shown(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.auth = "token"
    add_image(registry, "app", "linux/amd64", "1")
    client.manifest(ref(registry))
    body = b'{"errors": [{"code": "DENIED", "message": "your token is token-0"}]}'
    registry.fail("GET", "/manifests/1", Fault(403, {}, body))
    with pytest.raises(AccessDenied, match=r"your token is \*\*\*"):
        client.manifest(ref(registry))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": []}', b'{"errors": [7]}', b"[" * 100_000])
def test_an_error_without_a_readable_body_is_still_an_error(
    registry: FakeRegistry, client: RegistryClient, body: bytes
) -> None:
    registry.fail("GET", "/manifests/1", Fault(418, {}, body))
    with pytest.raises(RegistryError, match=r"HTTP 418$"):
        client.manifest(ref(registry))


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"token": 7}', b'{"token": "a\\nb"}'])
def test_a_token_service_without_a_token_is_reported(
    registry: FakeRegistry, client: RegistryClient, answer: bytes
) -> None:
    registry.auth = "token"
    registry.fail("GET", "/token", Fault(200, {}, answer))
    with pytest.raises(RegistryError, match="holds no token"):
        client.manifest(ref(registry))
