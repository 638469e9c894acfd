"""A build's cache on disk: each platform's in its own place, and taken from there by a builder that is new."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_multiarch.engine.spec import BuildSpec
from tests.integration.support import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment


def test_a_new_builder_takes_each_platforms_cache(make_environment: Callable[..., Environment], tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN od -An -N8 -tx1 /dev/urandom > /random\n")
    place = f"{tmp_path}/cache/{{platform}}"

    def random(**options: object) -> dict[str, str]:
        image = make_environment(**options).build(BuildSpec(context=context), BOTH)
        return {str(platform): image.platform(platform).files.read_text("random") for platform in BOTH}

    first = random(cache_to=(f"type=local,dest={place},mode=max",))
    indexes = [
        json.loads((tmp_path / "cache" / name / "index.json").read_text()) for name in ("linux-amd64", "linux-arm64")
    ]
    assert indexes[0]["manifests"] != indexes[1]["manifests"]
    assert first["linux/amd64"] != first["linux/arm64"]
    assert random(cache_from=(f"type=local,src={place}",)) == first
