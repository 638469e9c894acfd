"""Begin early with what later tests will wait for: the layers of all platforms, and beside them their warm containers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform

FILES, WARM = "files", "warm"


class Ahead:
    """Prepare what tests want of one image: pairs of a platform and one of ``FILES`` and ``WARM``, in the tests' order.

    What goes wrong here is not told: the test that needs it meets it again.
    """

    def __init__(self, source: ImageSource, wanted: Iterable[tuple[Platform, str]]) -> None:
        self._source = source
        # One after the other: unpacking keeps a processor busy, and the first platform's tests are the first to wait for it.
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reading")
        self._starting = ThreadPoolExecutor(max_workers=2, thread_name_prefix="starting")
        self._futures: dict[tuple[Platform, str], Future[None]] = {}
        for platform, what in dict.fromkeys(wanted):
            pool, prepare = (self._reading, self._read) if what == FILES else (self._starting, self._start)
            self._futures[platform, what] = pool.submit(self._prepare, platform, prepare)

    def wait(self, platform: Platform, what: str) -> None:
        """Wait until this has been prepared, where it is."""
        future = self._futures.get((platform, what))
        if future is not None:
            future.result()

    def close(self) -> None:
        """Begin nothing more, and wait for what has begun."""
        for pool in (self._reading, self._starting):
            pool.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, platform: Platform, prepare: Callable[[PlatformImage], object]) -> None:
        with suppress(MultiArchError):
            prepare(self._source.platform(platform))

    @staticmethod
    def _read(image: PlatformImage) -> object:
        return image.files

    def _start(self, image: PlatformImage) -> object:
        return self._source.running.warm_container(image)
