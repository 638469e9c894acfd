"""What a file holds once it has been read: its cases, each a test per platform, or one of the image as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.acceptance.checks.outcome import Check, WholeCheck
    from pytest_multiarch.acceptance.places import Place
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform


class Needs(Enum):
    """Say what a case's check works with: one platform's configuration or files, its containers, or the whole image."""

    CONFIG = "config"
    FILES = "files"
    WARM = "the warm container"
    RUNNING = "containers of its own"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test as a file holds it.

    Args:
        group: the part of the file that it stands in, empty where there are none.
        name: its name.
        place: where it begins.
        source: its lines as they stand in the file.
        needs: what its check works with.
        make: gives the check for a platform.
        whole: the check of the image as a whole, where the case is about that.
        platforms: those that it is kept to: each of these lists has to have its platform.

    """

    group: str
    name: str
    place: Place
    source: str
    needs: Needs
    make: Callable[[Platform], Check]
    whole: WholeCheck | None = None
    platforms: tuple[tuple[Platform, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """All cases of one file, and the image that they are about: None is the run's own, a text a reference."""

    file: str
    cases: tuple[Case, ...]
    image: BuildSpec | str | None = None
    notes: tuple[str, ...] = field(default=())


def lines_of(text: str, first: int, last: int) -> str:
    """Return some lines of a file, without the indentation that all of them have."""
    from textwrap import dedent

    lines = text.splitlines()[first - 1 : last]
    while lines and not lines[-1].strip():
        lines.pop()
    if lines and lines[0].lstrip().startswith("- "):
        lines[0] = lines[0].replace("- ", "  ", 1)
    return dedent("\n".join(lines))
