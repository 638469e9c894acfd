"""What a user sets about how images are built and run, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Hold how to build and run: ``builder`` is auto, container, docker, or a name. Time limits are in seconds."""

    builder: str
    mirrors: tuple[str, ...]
    registry_image: str
    registry_port: int | None
    buildkit_image: str
    build_timeout: float
    command_timeout: float
