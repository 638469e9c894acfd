"""What the corpus is made of: pairs of images, one with a fault and one without, and all that is wrong with them."""

from __future__ import annotations

import platform as machine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_multiarch.audit import Finding
    from tests.integration.corpus.shelf import Shelf

AMD64, ARM64, ARM, I386, PPC64LE, S390X = SIX = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
)
TWO = (AMD64, ARM64)

#: The platform of the machine that builds: BuildKit's BUILDPLATFORM.
HOST = str(Platform.parse(f"linux/{machine.machine()}"))


class Edit(Protocol):
    """Make an index out of those that were built, and say by what names findings call its parts."""

    def __call__(
        self, shelf: Shelf, built: Sequence[dict[str, object]]
    ) -> tuple[dict[str, object], dict[str, str]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Say one thing that has to be found: by which rule, and where.

    ``path``, ``item`` and ``says`` may name in braces what a build or an edit brings about. ``layer`` counts the image's
    layers from the top, beginning with 1; None where no layer is meant. ``says`` is a part of what is found.
    """

    code: str
    platform: str = ""
    path: str = ""
    item: str = ""
    step: str = ""
    layer: int | None = None
    says: str = ""

    def place(self, names: Mapping[str, str]) -> tuple[str, ...]:
        """Return what a finding at the right place has."""
        return self.code, self.platform, self.path.format(**names), self.item.format(**names), self.step


def place_of(finding: Finding) -> tuple[str, ...]:
    """Return where a finding is, as ``Wrong.place`` does."""
    return finding.code, str(finding.platform or ""), finding.path, finding.item, finding.step


def on(platforms: Sequence[str], code: str, path: str = "", step: str = "", **more: str | int) -> tuple[Wrong, ...]:
    """Return the same fault on each platform, in the uppermost layer where it has a step."""
    places: dict[str, object] = {"path": path, "step": step, "layer": 1 if step else None, **more}
    return tuple(Wrong(code=code, platform=platform, **places) for platform in platforms)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Say what one build makes."""

    dockerfile: str
    platforms: Sequence[str] = SIX
    args: Mapping[str, str] = field(default_factory=dict)
    attested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Say how an image is made, what it is held against, and everything that is wrong with it.

    ``asked`` are the platforms that it should have, those of its builds unless given; ``select`` are rules beside the
    default ones.
    """

    builds: Sequence[Build]
    edit: Edit | None = None
    asked: Sequence[str] = ()
    select: Sequence[str] = ()
    allow: Sequence[str] = ()
    wrong: Sequence[Wrong] = ()

    @property
    def platforms(self) -> tuple[str, ...]:
        """Return the platforms that the image should have."""
        return tuple(self.asked) or tuple(dict.fromkeys(one for build in self.builds for one in build.platforms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Hold a fault of one rule: an image that has it, and its twin, which has it not."""

    code: str
    name: str
    faulty: Image
    good: Image


def image(
    dockerfile: str,
    platforms: Sequence[str] = SIX,
    *,
    wrong: Sequence[Wrong] = (),
    edit: Edit | None = None,
    asked: Sequence[str] = (),
    select: Sequence[str] = (),
    allow: Sequence[str] = (),
    attested: bool = False,
) -> Image:
    """Return the image of one build."""
    build = Build(dockerfile=dockerfile, platforms=platforms, attested=attested)
    return Image(builds=[build], edit=edit, asked=asked, select=select, allow=allow, wrong=wrong)
