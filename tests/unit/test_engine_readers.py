"""The clients of a run: what they are made with, and that they are closed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pytest_multiarch.engine.readers import Readers
from pytest_multiarch.image.index import MultiArchImage
from tests.unit.fake_registry import FakeRegistry
from tests.unit.images import add_image, add_index

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_registry_that_is_named_is_read_without_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name for this machine that is not known to be one stands for another machine."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: known("127.0.0.1" if host == "registry.example" else host, *more, **named),
    )
    with FakeRegistry().running() as registry:
        add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/arm64")])
        host = f"registry.example:{registry.host.rpartition(':')[2]}"
        readers = Readers(tuple, (host,))
        try:
            image = MultiArchImage.load(readers.users(), f"{host}/app:1")
            assert [str(platform) for platform in image.platforms] == ["linux/arm64"]
        finally:
            readers.close()
