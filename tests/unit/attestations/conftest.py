"""A registry, and clients that do not wait, as in the tests of the registry client."""

from __future__ import annotations

from tests.unit.registry.conftest import client, connect, pauses, registry

__all__ = ["client", "connect", "pauses", "registry"]
