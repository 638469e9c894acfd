"""What is read of one platform is read of all: once, in the background, and only where tests read at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.reading_ahead import ReadingAhead
from pytest_multiarch.errors import BuildError
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, file, tar
from tests.unit.images import add_index
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.image.platform_image import PlatformImage

PLATFORMS = [Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/s390x")]


class Reading:
    """An image of several platforms, read through a store that reads ahead when the test says so."""

    def __init__(self, registry: FakeRegistry, client: RegistryClient, layers: LayerStore) -> None:
        entries = [
            add_image(registry, "app", str(one), layers=[tar(file("name", str(one).encode()))]) for one in PLATFORMS
        ]
        add_index(registry, "app", "1", entries=entries)
        self.store = ReadingAhead(layers)
        self._image = MultiArchImage.load(client, ref(registry), None, self.store)
        self._registry = registry
        self.waiting: list[Callable[[], None]] = []
        self._images: dict[Platform, PlatformImage] = {}

    def platform(self, platform: Platform) -> PlatformImage:
        return self._images.setdefault(platform, self._image.for_platform(platform))

    def read(self, platform: Platform) -> str:
        return self.platform(platform).files.read_text("/name")

    @property
    def fetched(self) -> int:
        """Return how many blobs were."""
        return len(self._registry.asked("GET", "/blobs/"))


@pytest.fixture
def reading() -> Iterator[Reading]:
    with FakeRegistry().running() as registry, RegistryClient() as client, LayerStore() as layers:
        yield Reading(registry, client, layers)


def test_nothing_is_read_ahead_before_something_is_read(reading: Reading) -> None:
    reading.store.expect(PLATFORMS, reading.platform, reading.waiting.append)
    assert reading.waiting == []
    assert reading.read(PLATFORMS[0]) == "linux/amd64"
    assert len(reading.waiting) == 1
    reading.read(PLATFORMS[1])
    assert len(reading.waiting) == 1


def test_what_was_read_ahead_is_not_fetched_again(reading: Reading) -> None:
    reading.store.expect(PLATFORMS, reading.platform, reading.waiting.append)
    reading.read(PLATFORMS[0])
    reading.waiting[0]()
    fetched = reading.fetched
    assert [reading.read(one) for one in PLATFORMS] == list(map(str, PLATFORMS))
    assert reading.fetched == fetched


def test_a_platform_that_cannot_be_read_keeps_none_from_being_read(reading: Reading) -> None:
    def image_of(platform: Platform) -> PlatformImage:
        if platform == PLATFORMS[1]:
            raise BuildError("building linux/arm64", "broke")
        return reading.platform(platform)

    reading.store.expect(PLATFORMS, image_of, reading.waiting.append)
    reading.read(PLATFORMS[0])
    reading.waiting[0]()
    fetched = reading.fetched
    reading.read(PLATFORMS[2])
    assert reading.fetched == fetched


def test_a_run_that_ends_reads_nothing_more(reading: Reading) -> None:
    def refuse(function: Callable[[], None]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    reading.store.expect(PLATFORMS, reading.platform, refuse)
    assert reading.read(PLATFORMS[0]) == "linux/amd64"


def test_without_a_word_on_what_tests_are_for_nothing_is_read_ahead(reading: Reading) -> None:
    reading.read(PLATFORMS[0])
    fetched = reading.fetched
    reading.read(PLATFORMS[2])
    assert reading.fetched > fetched
