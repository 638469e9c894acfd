"""Where an image under test comes from: a build of this run, platform by platform, a registry, or a layout on disk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from pytest_multiarch.engine.reading_ahead import ReadingAhead
from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.image.index import MultiArchImage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.engine.running import Running
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.image.layers import LayerStore
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.image.roles import Layers, Runner
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

    def is_awaited(self, platform: Platform | None) -> bool:
        """Say whether whoever asks for this platform waits for its build; with None, for any of them."""

    def expect(self, platforms: Sequence[Platform], submit: Callable[[Callable[[], None]], object]) -> None:
        """Hear which platforms tests are for; ``submit`` calls a function in the background."""


class _Runs:
    """Run an image's platforms with what is made at the first run: reading alone never needs a daemon."""

    def __init__(self, make_running: Callable[[], Running], layers: LayerStore | None) -> None:
        self._layers = ReadingAhead(layers) if layers is not None else None
        self._make_running = make_running
        self._running: Running | None = None
        self._lock = threading.RLock()
        self.late = _Late(self)

    @property
    def running(self) -> Running:
        """Return what runs this image's platforms."""
        with self._lock:
            if self._running is None:
                self._running = self._make_running()
            return self._running

    def expect(self, platforms: Sequence[Platform], submit: Callable[[Callable[[], None]], object]) -> None:
        """Let the files of these platforms be read in the background, once a test has read those of one."""
        if self._layers is not None:
            self._layers.expect(platforms, self.platform, submit)

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image."""
        raise NotImplementedError


class _Late:
    """Run with an engine that is connected at the first run."""

    def __init__(self, source: _Runs) -> None:
        self._source = source

    def run(self, image: PlatformImage, args: Sequence[str] | None, **options: Any) -> CommandResult:
        return self._source.running.run(image, args, **options)

    def start(
        self, image: PlatformImage, args: Sequence[str] | None, **options: Any
    ) -> AbstractContextManager[Service]:
        return self._source.running.start(image, args, **options)


def never() -> NoReturn:
    """Stand for what runs an image that is only read."""
    raise AssertionError("this image was to be read only")


class PublishedImage(_Runs):
    """An image that is there already: in a registry, or on disk."""

    is_published: Final = True
    """All its platforms can be read at once; those of a build are there one after the other."""

    def __init__(
        self,
        client: ImageReader,
        reference: Reference,
        make_running: Callable[[], Running],
        layers: LayerStore | None = None,
    ) -> None:
        super().__init__(make_running, layers)
        self._client = client
        self._reference = reference
        self._image: MultiArchImage | None = None
        self._failure: MultiArchError | None = None

    def is_awaited(self, platform: Platform | None) -> bool:
        """Say that no build is waited for."""
        return False

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
                    self._image = MultiArchImage.load(self._client, self._reference, self.late, self._layers)
                except MultiArchError as error:
                    self._failure = error  # asked once: every test that needs it fails for the same reason
                    raise
            return self._image


class BuiltImage(_Runs):
    """An image that is being built: each platform on its own, the index once all are pushed.

    ``built`` and ``index`` wait for a platform and for all of them, ``is_awaited`` says whether they would; ``home`` gives the
    client of the registry that they are pushed to, and the tag there.
    """

    def __init__(
        self,
        home: Callable[[], tuple[RegistryClient, Reference]],
        built: Callable[[Platform], BuiltPlatform],
        index: Callable[[], str],
        make_running: Callable[[], Running],
        layers: LayerStore | None = None,
        is_awaited: Callable[[Platform | None], bool] = lambda _: True,
    ) -> None:
        super().__init__(make_running, layers)
        self.is_awaited = is_awaited
        self._home = home
        self._built = built
        self._index = index
        self._platforms: dict[Platform, PlatformImage] = {}
        self._image: MultiArchImage | None = None

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image once it is pushed; its siblings may still be building. Raises `BuildError`."""
        built = self._built(platform)
        client, tag = self._home()
        with self._lock:
            if platform not in self._platforms:
                pushed = tag.with_digest(built.digest)
                self._platforms[platform] = platform_pushed(client, pushed, platform, self.late, self._layers)
            return self._platforms[platform]

    def image(self) -> MultiArchImage:
        """Return the image under its tag once all platforms are pushed. Raises `BuildError` where one failed."""
        digest = self._index()
        client, tag = self._home()
        with self._lock:
            if self._image is None:
                read = tag.with_digest(digest)
                self._image = MultiArchImage(client, tag, client.manifest(read), self.late, self._layers)
            return self._image


def platform_pushed(
    client: RegistryClient,
    pushed: Reference,
    platform: Platform,
    runner: Runner | None = None,
    layers: Layers | None = None,
) -> PlatformImage:
    """Return the image of a platform from what its build has pushed: one image, and its attestation.

    It is that platform whatever it calls itself.
    """
    image = MultiArchImage.load(client, pushed, runner, layers)
    return image.select(platform) if platform not in image.platforms else image.for_platform(platform)
