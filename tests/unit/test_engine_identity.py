"""Whether a container is of the image that was asked for, as each image store says it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_multiarch.engine.identity import check_identity
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from pytest_multiarch.image.platform_image import PlatformImage

MANIFEST, CONFIG, INDEX, OTHER = (f"sha256:{letter * 64}" for letter in "acdf")


class Image:
    digest = MANIFEST
    reference = f"registry.test/app@{MANIFEST}"

    @property
    def manifest(self) -> Any:
        return SimpleNamespace(config=SimpleNamespace(digest=CONFIG))


def check(inspected: dict[str, Any]) -> None:
    check_identity(inspected, cast("PlatformImage", Image()), "running it")


@pytest.mark.parametrize(
    "inspected",
    [
        {"Image": MANIFEST},  # containerd store
        {"Image": CONFIG},  # classic store
        {"Image": INDEX, "ImageManifestDescriptor": {"digest": MANIFEST}},  # containerd store, API 1.48
        {"Image": CONFIG, "ImageManifestDescriptor": None},
    ],
)
def test_the_image_that_was_asked_for_is_taken(inspected: dict[str, Any]) -> None:
    check(inspected)


@pytest.mark.parametrize(
    ("inspected", "found"),
    [
        ({"Image": OTHER}, OTHER),
        ({"Image": INDEX}, INDEX),
        (
            {
                "Image": MANIFEST,
                "ImageManifestDescriptor": {"digest": OTHER, "platform": {"os": "linux", "architecture": "arm64"}},
            },
            f"{OTHER} for linux/arm64",
        ),
        ({}, "an image that it does not name"),
    ],
)
def test_another_one_is_an_error_that_names_both(inspected: dict[str, Any], found: str) -> None:
    with pytest.raises(EngineError) as caught:
        check(inspected)
    assert caught.value.found == f"the daemon runs {found}, not {MANIFEST}"
