"""What a run makes once, however many processes its tests run in: registry, builder, builds, pulled images.

Whoever needs it talks to a `Workshop`: the process that owns it has a `LocalWorkshop`, the others a `RemoteWorkshop`. What goes
in and out are small plain values and the errors of our family, which cross from one process to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.layout_location import LayoutLocation
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.platforms import Platform


class Workshop(Protocol):
    """Make everything at its first request, once, and wait for it. Thread-safe."""

    def check(self, *, builds: bool, runs: bool, image: str = "") -> str:
        """Look for what the run needs; ``image`` is the one that is tested instead of a build. Starts nothing.

        Returns the version of buildx, empty where nothing is built. Raises `UsageProblem`.
        """
        ...

    def start(self) -> None:
        """Let registry and builder start, and do not wait for them. Raises `EngineUnavailable`."""

    def registry(self) -> Registry:
        """Return the throwaway registry."""
        ...

    def builder(self) -> Builder:
        """Return the builder."""
        ...

    def build(self, spec: BuildSpec, platforms: Sequence[Platform], first: Sequence[Platform] | None = None) -> str:
        """Start building, do not wait for it, and return where it goes: a tag in the throwaway registry, without its host.

        Only ``first`` of the platforms are begun, all unless given; the others are when they are asked for. Equal
        specifications are built once. Raises `UsageProblem` where context or Dockerfile is not there.
        """
        ...

    def built(self, name: str, platform: Platform) -> BuiltPlatform:
        """Return what one platform's build has pushed, once it has. Raises `BuildError`."""
        ...

    def index(self, name: str) -> str:
        """Return the digest of the index of all platforms of a build, once all are pushed. Raises `BuildError`."""
        ...

    def bring(self, name: str, platforms: Sequence[Platform]) -> None:
        """Let the daemon pull these platforms of a build as soon as each is pushed, and what they stand on before.

        Waits for nothing.
        """

    def end_building(self) -> None:
        """Hear that nothing else will be built: a throwaway builder goes when its builds are done."""

    def fetch(self, reference: str, platform: Platform) -> None:
        """Pull an image by digest, if the daemon that runs the platform does not have it from this run. Raises `EngineError`."""

    def copied(self, layout: LayoutLocation, image: Reference, platform: Platform) -> Reference:
        """Copy a platform of a layout on disk into the throwaway registry, once, and return its reference there.

        Raises what reading the layout and writing to the registry raise.
        """
        ...

    def layers(self) -> Path:
        """Return the folder in which layers are unpacked, once for all processes. Raises LayerError: there is none."""
        ...

    def leave(self) -> None:
        """Hear that the process that asks is about to end: it waits for nothing more."""

    def adopt(self, folder: Path) -> None:
        """Close the book in this folder when the run ends, should the process that keeps it not have lived to do so."""

    def release(self, folder: Path) -> None:
        """Close the book in this adopted folder now, and do not wait for it: the process that kept it needs nothing any more."""
