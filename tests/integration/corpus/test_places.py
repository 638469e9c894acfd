"""The same image in a registry, in an OCI layout and in an OCI archive: the same findings, to the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from tests.integration.corpus.workshop import Made, Workshop

FAULTY = (
    "one-library-in-a-wheel-faulty",
    "deleted-later-but-for-a-link-faulty",
    "library-of-a-library-faulty",
    "one-layer-for-all-faulty",
    "dpkg-package-faulty",
    "script-without-the-bit-faulty",
    "mode-and-owner-faulty",
    "last-stage-on-the-build-platform-faulty",
)
GOOD = ("one-library-in-a-wheel-good", "deleted-later-but-for-a-link-good", "a-platform-without-attestation-good")


@pytest.fixture(scope="module")
def exported(corpus: dict[str, Made], workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    workshop.export({name: corpus[name] for name in (*FAULTY, *GOOD)}, folder)
    return folder


@pytest.mark.parametrize("name", [*FAULTY, *GOOD])
def test_the_place_of_an_image_does_not_matter(
    environment: Environment, corpus: dict[str, Made], exported: Path, name: str
) -> None:
    made = corpus[name]
    expected = made.findings()
    assert bool(expected) is (name in FAULTY)
    for place in (f"oci-layout://{exported / name}", f"oci-archive://{exported / name}.tar"):
        assert made.findings(environment.published(place).image()) == expected
