"""Answering a registry's challenge, and keeping secrets where they belong."""

from __future__ import annotations

import secrets
import traceback
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    AccessDenied,
    RegistryError,
)
from pytest_multiarch.image.authentication import Access, Authenticator
from pytest_multiarch.image.credentials import Credentials, KnownCredentials
from pytest_multiarch.image.transport import Authorization, Transport
from tests.unit.fake_registry import Fault
from tests.unit.images import add_image
from tests.unit.registry.common import blob_of, logged_in, ref

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry
    from tests.unit.registry.common import Connect


def test_an_anonymous_token_is_fetched_once_for_a_repository(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.auth = "token"
    add_image(registry, "app", "linux/amd64", "1")
    client.manifest(ref(registry))
    client.manifest(ref(registry))
    assert registry.token_requests == [{"method": ["GET"], "service": ["fake"], "scope": ["repository:app:pull"]}]
    assert [one.headers.get("Authorization") for one in registry.asked("GET", "/v2/")] == [
        None,
        "Bearer token-0",
        "Bearer token-0",
    ]


def test_a_token_for_one_repository_is_not_shown_to_another(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.auth = "token"
    add_image(registry, "app", "linux/amd64", "1")
    add_image(registry, "other", "linux/amd64", "1")
    client.manifest(ref(registry, "app:1"))
    client.manifest(ref(registry, "other:1"))
    assert registry.asked("GET", "/v2/other/")[0].headers.get("Authorization") is None
    assert len(registry.token_requests) == 2


def test_a_token_is_renewed_before_its_end(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "token"
    add_image(registry, "app", "linux/amd64", "1")
    time = [0.0]
    client = connect(clock=lambda: time[0])
    for time[0] in (0.0, 280.0, 295.0):
        client.manifest(ref(registry))
    assert len(registry.token_requests) == 2


@pytest.mark.parametrize(
    "life",
    [None, 10**400, float("nan"), float("inf"), -(10**400)],
    ids=["none", "huge", "nan", "inf", "less"],
)
def test_a_token_without_a_life_that_is_a_number_of_seconds_lasts_a_minute(
    registry: FakeRegistry, connect: Connect, life: int | None
) -> None:
    registry.auth, registry.token_life = "token", life
    add_image(registry, "app", "linux/amd64", "1")
    time = [0.0]
    client = connect(clock=lambda: time[0])
    for time[0] in (0.0, 45.0, 61.0):
        client.manifest(ref(registry))
    assert len(registry.token_requests) == 2


def test_a_token_that_the_registry_forgot_is_replaced(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.auth = "token"
    add_image(registry, "app", "linux/amd64", "1")
    client.manifest(ref(registry))
    registry.tokens["token-0"] = ""
    client.manifest(ref(registry))
    assert len(registry.token_requests) == 2


def test_a_token_is_fetched_with_the_credentials(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth, registry.anonymous_pull = "token", False
    add_image(registry, "app", "linux/amd64", "1")
    connect(credentials=logged_in(registry)).manifest(ref(registry))
    assert registry.asked("GET", "/token")[0].headers["Authorization"].startswith("Basic ")


def test_an_identity_token_is_exchanged(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth, registry.anonymous_pull, registry.identity_token = "token", False, "refresh-me"
    add_image(registry, "app", "linux/amd64", "1")
    credentials = KnownCredentials({registry.host: Credentials("<token>", "refresh-me", is_identity_token=True)})
    connect(credentials=credentials).manifest(ref(registry))
    assert registry.token_requests == [
        {
            "method": ["POST"],
            "service": ["fake"],
            "scope": ["repository:app:pull"],
            "grant_type": ["refresh_token"],
            "refresh_token": ["refresh-me"],
            "client_id": ["pytest-multiarch"],
        }
    ]


def test_pushing_asks_for_a_token_of_its_own(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "token"
    connect(credentials=logged_in(registry)).upload_blob(ref(registry), [b"data"], blob_of(b"data").digest, 4)
    assert [one["scope"] for one in registry.token_requests] == [["repository:app:pull"], ["repository:app:pull,push"]]


def test_basic_credentials_are_sent_only_when_asked_for(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    add_image(registry, "app", "linux/amd64", "1")
    client = connect(credentials=logged_in(registry))
    client.manifest(ref(registry))
    client.manifest(ref(registry))
    sent = ["Authorization" in one.headers for one in registry.asked("GET")]
    assert sent == [False, True, True]


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_wrong_credentials_are_refused_without_showing_them(
    registry: FakeRegistry, connect: Connect, auth: str
) -> None:
    registry.auth = auth
    password = secrets.token_hex()
    with pytest.raises(AccessDenied) as caught:
        connect(credentials=logged_in(registry, password)).manifest(ref(registry))
    assert caught.value.status == 401
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert password not in shown


def test_no_credentials_where_some_are_wanted_is_access_denied(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.auth = "basic"
    with pytest.raises(AccessDenied, match="docker login"):
        client.manifest(ref(registry))


def test_403_is_access_denied(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.fail("GET", "/manifests/1", Fault(403, {}, b'{"errors": [{"code": "DENIED"}]}'))
    with pytest.raises(AccessDenied) as caught:
        client.manifest(ref(registry))
    assert (caught.value.status, caught.value.code) == (403, "DENIED")


class BrokenStore:
    def find(self, registry: str) -> Credentials | None:
        raise AccessDenied("ask 'docker-credential-desktop'", "there is no such program on PATH")


def test_a_broken_credential_store_does_not_hinder_public_images(registry: FakeRegistry, connect: Connect) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    connect(credentials=BrokenStore()).manifest(ref(registry))


def test_a_broken_credential_store_is_told_once_access_is_denied(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "basic"
    with pytest.raises(AccessDenied, match="no such program on PATH"):
        connect(credentials=BrokenStore()).manifest(ref(registry))


def test_a_netrc_file_does_not_replace_the_credentials(
    registry: FakeRegistry, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login intruder password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    registry.auth = "basic"
    add_image(registry, "app", "linux/amd64", "1")
    connect(credentials=logged_in(registry)).manifest(ref(registry))
    assert "Authorization" not in registry.asked("GET")[0].headers


def test_a_proxy_is_not_asked_for_this_machine(
    registry: FakeRegistry, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    add_image(registry, "app", "linux/amd64", "1")
    client.manifest(ref(registry))


@pytest.mark.parametrize(
    ("realm", "error"),
    [
        ("http://tokens.example.com/token", AccessDenied),
        ("", RegistryError),
        ("file:///token", RegistryError),
        ("https://[tokens.example.com/token", RegistryError),
        ("https://tokens\u2100.example.com/token", RegistryError),
    ],
)
def test_credentials_do_not_go_to_a_token_service_in_the_clear(realm: str, error: type[RegistryError]) -> None:
    credentials = KnownCredentials({"a.io": Credentials("user", "right")})
    authenticator = Authenticator(Transport(), credentials)
    with pytest.raises(error, match=r"without HTTPS|names no token service"):
        authenticator.answer(Access("https://a.io", "a.io", "app"), Authorization(), f'Bearer realm="{realm}"')
