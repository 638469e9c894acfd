"""Read the files of all platforms once those of one are read: a test is made for each of them, so all will be wanted."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.image.layers import Layer, LayerStore
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.oci import Descriptor
    from pytest_multiarch.platforms import Platform


class ReadingAhead:
    """Stand before the run's layers for one image. Thread-safe. Implements `pytest_multiarch.image.roles.Layers`.

    Nothing is read ahead before `expect` has said what, and nothing where no test reads files at all.
    """

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers
        self._begin: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def expect(
        self,
        platforms: Sequence[Platform],
        image_of: Callable[[Platform], PlatformImage],
        submit: Callable[[Callable[[], None]], object],
    ) -> None:
        """Say which platforms tests are for, what gives their images, and what calls a function in the background."""

        def read() -> None:
            for platform in platforms:  # one after the other: the first will be wanted first
                with suppress(MultiArchError):  # the test that needs it comes to the same, and tells it
                    _ = image_of(platform).files

        with self._lock:
            self._begin = lambda: submit(read)

    def all(self, reader: ImageReader, repository: Reference, descriptors: Sequence[Descriptor]) -> list[Layer]:
        """Return layers in their order, as `LayerStore.all` does; raises what that raises."""
        found = self._layers.all(reader, repository, descriptors)
        with self._lock:
            begin, self._begin = self._begin, None
        if begin is not None:
            with suppress(RuntimeError):  # the run ends, and its threads with it
                begin()
        return found
