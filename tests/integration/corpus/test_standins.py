"""Images without faults, whole distributions on six platforms: no rule finds anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.audit import audit_image, describe
from pytest_multiarch.platforms import Platform
from tests.integration.corpus.faults import SIX

if TYPE_CHECKING:
    from pytest_multiarch.engine.environment import Environment


@pytest.mark.parametrize("name", ["debian:bookworm-slim", "python:3.11-slim"])
def test_nothing_is_found_in_a_distributions_image(environment: Environment, name: str) -> None:
    image = environment.published(name).image()
    assert {Platform.parse(one) for one in SIX} <= set(image.platforms), "python3 -m lab up --all-platforms"
    for platform in image.platforms:
        assert len(image.for_platform(platform).files.glob("/usr/lib/*/libc.so.6")) == 1
    found = audit_image(image)
    assert not found, describe(found)
