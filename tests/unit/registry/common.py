"""What the tests of the registry client share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_multiarch.image.credentials import Credentials, KnownCredentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.oci import OCI_LAYER, Descriptor

if TYPE_CHECKING:
    from tests.unit.fake_registry import FakeRegistry

Connect = Callable[..., RegistryClient]
"""Make a client that does not wait; its options are those of ``RegistryClient``."""


def ref(registry: FakeRegistry, rest: str = "app:1") -> Reference:
    return Reference.parse(f"{registry.host}/{rest}")


def blob_of(data: bytes) -> Descriptor:
    return Descriptor(OCI_LAYER, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def logged_in(registry: FakeRegistry, password: str = "right") -> KnownCredentials:  # noqa: S107
    return KnownCredentials({registry.host: Credentials("user", password)})
