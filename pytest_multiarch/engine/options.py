"""What a user sets about how images are built and run, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.platforms import Platform


@dataclass(frozen=True, slots=True)
class Node:
    """Name the daemon that builds and runs one platform: an address such as ``ssh://host``, or a docker context."""

    platform: Platform
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Hold how to build and run: ``builder`` is auto, container, docker, or a name.

    Time limits are in seconds; ``emulation_factor`` multiplies them for platforms that are emulated. Without ``runs`` no
    container of an image is started. ``plain_http`` are registries (``host[:port]``) that are read without TLS, besides
    those on this machine. ``reuse`` is the project whose next run is to find registry, builder and cache again; None lets
    nothing stay.
    """

    builder: str
    mirrors: tuple[str, ...]
    registry_image: str
    registry_port: int | None
    buildkit_image: str
    build_timeout: float
    command_timeout: float
    nodes: tuple[Node, ...] = ()
    plain_http: tuple[str, ...] = ()
    runs: bool = True
    emulation_factor: float = 5
    install_emulators: bool = False
    emulators_image: str = ""
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    reuse: Path | None = None
