"""What a Dockerfile says of the images and stages that it builds from. Nothing here builds."""

from __future__ import annotations

from pytest_multiarch.dockerfile.reading import BaseImage, base_images, names_are_known, reads_elsewhere
from pytest_multiarch.dockerfile.stages import Argument, Stage, needed_stages, read_arguments, read_stages, stands_on

__all__ = [
    "Argument",
    "BaseImage",
    "Stage",
    "base_images",
    "names_are_known",
    "needed_stages",
    "read_arguments",
    "read_stages",
    "reads_elsewhere",
    "stands_on",
]
