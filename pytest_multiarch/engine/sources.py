"""Where an image under test comes from: a build of this run, platform by platform, a registry, or a layout on disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from pytest_multiarch.engine.assembly import assemble
from pytest_multiarch.errors import BuildError, MultiArchError
from pytest_multiarch.image.index import MultiArchImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.engine.running import Running
    from pytest_multiarch.image.layers import LayerStore
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult


class ImageSource(Protocol):
    """Give the image under test, whole or one platform of it."""

    @property
    def running(self) -> Running:
        """Return what runs this image's platforms."""

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image, as soon as it is there."""

    def image(self) -> MultiArchImage:
        """Return the image under one tag, once all its platforms are there."""


class PublishedImage:
    """An image that is there already: in a registry, or on disk."""

    def __init__(
        self,
        client: ImageReader,
        reference: Reference,
        make_running: Callable[[], Running],
        layers: LayerStore | None = None,
    ) -> None:
        self._client = client
        self._reference = reference
        self._layers = layers
        self._make_running = make_running
        self._running: Running | None = None
        self._image: MultiArchImage | None = None
        self._failure: MultiArchError | None = None
        self._lock = threading.RLock()

    @property
    def running(self) -> Running:
        """Return what runs this image's platforms."""
        with self._lock:
            if self._running is None:
                self._running = self._make_running()
            return self._running

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image. Raises what reading it raises, and `PlatformMissing`."""
        return self.image().for_platform(platform)

    def image(self) -> MultiArchImage:
        """Return the image. Raises what reading it raises."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._image is None:
                try:
                    self._image = MultiArchImage.load(self._client, self._reference, _Late(self), self._layers)
                except MultiArchError as error:
                    self._failure = error  # asked once: every test that needs it fails for the same reason
                    raise
            return self._image


class _Late:
    """Run with an engine that is connected at the first run: reading alone never needs a daemon."""

    def __init__(self, source: PublishedImage) -> None:
        self._source = source

    def run(self, image: PlatformImage, args: Sequence[str] | None, **options: Any) -> CommandResult:
        return self._source.running.run(image, args, **options)


class BuiltImage:
    """An image that is being built: each platform on its own, the index once all are pushed."""

    def __init__(
        self,
        client: RegistryClient,
        reference: Reference,
        running: Running,
        builds: Mapping[Platform, Future[BuiltPlatform]],
        wait: Callable[[Future[BuiltPlatform]], BuiltPlatform],
        layers: LayerStore | None = None,
    ) -> None:
        self.running = running
        self._client = client
        self._reference = reference
        self._builds = builds
        self._wait = wait
        self._layers = layers
        self._platforms: dict[Platform, PlatformImage] = {}
        self._image: MultiArchImage | None = None
        self._lock = threading.RLock()

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image once it is pushed; its siblings may still be building. Raises `BuildError`."""
        if platform not in self._builds:
            raise BuildError(
                f"looking for {platform} in {self._reference}",
                f"this run builds {', '.join(map(str, self._builds))}",
                "Name it with --multiarch-platforms.",
            )
        built = self._wait(self._builds[platform])
        with self._lock:
            if platform not in self._platforms:
                reference = self._reference.with_digest(built.digest)
                pushed = MultiArchImage.load(self._client, reference, self.running, self._layers)
                # One platform's push holds one image, and its attestation: it is that platform whatever it calls itself.
                image = pushed.select(platform) if platform not in pushed.platforms else pushed.for_platform(platform)
                self._platforms[platform] = image
            return self._platforms[platform]

    def image(self) -> MultiArchImage:
        """Return the image under its tag once all platforms are pushed. Raises `BuildError` where one failed."""
        with self._lock:
            if self._image is None:
                pushed = [(platform, self._wait(build).digest) for platform, build in self._builds.items()]
                self._image = assemble(self._client, self._reference, pushed, self.running, self._layers)
            return self._image
