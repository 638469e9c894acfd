"""What an image is built from, as far as rules look at it: the stages of its Dockerfile, and the images that they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.dockerfile import needed_stages, read_arguments, read_stages
from pytest_multiarch.image.index import MultiArchImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_multiarch.dockerfile import Argument, Stage
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.platforms import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """Describe a build to the rules.

    Args:
        dockerfile: where it is.
        stages: what the target needs, the target last.
        arguments: the ARG instructions before the first FROM, and those of these stages.
        platforms: what is built.
        args: the build arguments that were given.
        replaced: names of images and stages in whose place the build gets a context of its own.
        reader: opens a client that reads base images; called only where a rule has to ask a registry.

    """

    dockerfile: Path
    stages: tuple[Stage, ...]
    arguments: tuple[Argument, ...]
    platforms: tuple[Platform, ...]
    args: Mapping[str, str]
    reader: Callable[[], ImageReader]
    replaced: frozenset[str] = frozenset()

    @classmethod
    def read(
        cls,
        dockerfile: Path,
        platforms: Sequence[Platform],
        *,
        reader: Callable[[], ImageReader],
        args: Mapping[str, str] | None = None,
        target: str | None = None,
        replaced: frozenset[str] = frozenset(),
    ) -> BuildContext:
        """Read a Dockerfile. Raises UsageProblem: it cannot be read."""
        given = dict(args or {})
        stages = needed_stages(read_stages(dockerfile, given), target)
        places = {None, *(stage.place for stage in stages)}
        arguments = tuple(argument for argument in read_arguments(dockerfile) if argument.stage in places)
        return cls(
            dockerfile=dockerfile,
            stages=stages,
            arguments=arguments,
            platforms=tuple(platforms),
            args=given,
            reader=reader,
            replaced=replaced,
        )

    def place(self, line: int) -> str:
        """Return a line of the Dockerfile as a finding names it."""
        return f"{self.dockerfile.name}:{line}"

    def base(self, reference: str) -> MultiArchImage:
        """Read what a FROM names. Raises what reading a registry raises."""
        return MultiArchImage.load(self.reader(), reference)
