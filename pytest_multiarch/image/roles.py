"""What an image has others do: ``Layers`` are kept, a ``Runner`` runs it, an ``Auditor`` judges it. Whoever can hands itself in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.engine.mounts import Mounts
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.engine.waiting import WaitFor
    from pytest_multiarch.image.layers import Layer
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.oci import Descriptor
    from pytest_multiarch.results import CommandResult


class Layers(Protocol):
    """Keep layers that have been fetched."""

    def all(self, reader: ImageReader, repository: Reference, descriptors: Sequence[Descriptor]) -> list[Layer]:
        """Return layers in their order, as `pytest_multiarch.image.layers.LayerStore.all` does."""
        ...


class Runner(Protocol):
    """Run commands in images."""

    def run(
        self,
        image: PlatformImage,
        args: Sequence[str] | None,
        *,
        env: Mapping[str, str] | None,
        user: str | None,
        workdir: str | None,
        stdin: str | bytes | None,
        mounts: Mounts,
        network: str | None,
        entrypoint: Sequence[str] | None,
        privileged: bool,
        cap_add: Sequence[str],
        tty: bool,
        timeout: float | None,
        emulator_crash: Literal["raise", "return"],
    ) -> CommandResult:
        """Run a command in a fresh container of an image; None is the image's own command."""
        ...

    def start(
        self,
        image: PlatformImage,
        args: Sequence[str] | None,
        *,
        ports: Sequence[int | str],
        wait_for: WaitFor | None,
        env: Mapping[str, str] | None,
        user: str | None,
        workdir: str | None,
        mounts: Mounts,
        network: str | None,
        entrypoint: Sequence[str] | None,
        privileged: bool,
        cap_add: Sequence[str],
        timeout: float | None,
    ) -> AbstractContextManager[Service]:
        """Give an image's own program running, once it is ready."""
        ...


class Auditor(Protocol):
    """Hold images against rules."""

    def platform_findings(
        self, image: PlatformImage, *, select: Sequence[str] | None, ignore: Sequence[str] | None
    ) -> tuple[Finding, ...]:
        """Return what is wrong with one platform's image; ``select`` and ``ignore`` name rules, None leaves the usual."""
        ...
