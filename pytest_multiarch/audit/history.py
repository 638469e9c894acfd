"""Which build step brought a layer: the history of an image's config, matched with its layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_multiarch.image.platform_image import PlatformImage

# The classic builder wrote what runs nothing as a shell's comment, and both write a RUN as its shell's command line, with
# the build arguments that it saw before it (`|1 NAME=value`); BuildKit marks its entries at the end.
_COMMENT: Final = "/bin/sh -c #(nop)"
_RUN: Final = re.compile(r"(?:RUN )?(?:\|[0-9]+ (?:[^ ]+ )*?)?/bin/sh -c (.*)", re.ASCII)
_MARK: Final = " # buildkit"


@dataclass(frozen=True, slots=True)
class Brought:
    """Name the layer that brought something by its digest, and the build step, empty where the history does not tell."""

    layer: str
    step: str


def layer_steps(image: PlatformImage) -> dict[str, str]:
    """Return the step that made each layer, by the layer's digest, in the Dockerfile's words where the history has them.

    Empty where history and layers do not match: image-spec ``config.md`` asks for one entry a layer, ``empty_layer`` ones
    apart, and not every builder keeps to that. Of a layer that is there twice the first step is named.
    """
    made = [entry for entry in image.config.history if not entry.empty_layer]
    if len(made) != len(image.layers):
        return {}
    steps: dict[str, str] = {}
    for layer, entry in zip(image.layers, made, strict=True):
        steps.setdefault(layer.digest, in_dockerfile_words(entry.created_by))
    return steps


def in_dockerfile_words(created_by: str) -> str:
    """Return an instruction as it stands in a Dockerfile, from what the builders write into the history."""
    text = " ".join(created_by.split()).removesuffix(_MARK)
    if text.startswith(_COMMENT):
        return text.removeprefix(_COMMENT).strip()
    run = _RUN.fullmatch(text)
    return f"RUN {run[1]}" if run else text
