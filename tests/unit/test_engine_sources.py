"""Where an image under test comes from: builds that end one after another, and a registry that has it already."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_multiarch.engine.build import BuiltPlatform
from pytest_multiarch.engine.builds import Build
from pytest_multiarch.engine.sources import BuiltImage, PublishedImage
from pytest_multiarch.errors import BuildError, NotInRegistry, PlatformMissing
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.image.transport import Limits
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files import common as layered
from tests.unit.images import add_image, add_index, attestation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.engine.running import Running

AMD64, ARM64, S390X = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/s390x"))


class FakeRunning:
    """Note what is asked to run."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def run(self, image: object, args: object, **options: object) -> str:
        self.asked.append((image, args, options))
        return "result"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    made = RegistryClient(limits=Limits(connect=2, read=2, attempts=1))
    yield made
    made.close()


class Building:
    """An image whose platforms are built when the test says so."""

    def __init__(self, registry: FakeRegistry, client: RegistryClient, layers: LayerStore | None = None) -> None:
        self._registry = registry
        self.builds: dict[Platform, Future[BuiltPlatform]] = {AMD64: Future(), ARM64: Future()}
        self.running = FakeRunning()
        reference = Reference.parse(f"{registry.host}/app:latest")
        self.begun: list[Platform] = []
        build = Build("app:latest", list(self.builds), self._begin, lambda: (client, reference))
        self.image = BuiltImage(
            lambda: (client, reference),
            build.platform,
            build.index,
            lambda: cast("Running", self.running),
            layers,
            build.is_awaited,
        )
        self.build = build

    def _begin(self, platform: Platform) -> Future[BuiltPlatform]:
        self.begun.append(platform)
        return self.builds[platform]

    def push(self, platform: Platform, *, attested: bool = False, says: str = "") -> str:
        """End a platform's build with an image in the registry, and return the digest of its manifest."""
        entry = add_image(self._registry, "app", says or str(platform))
        digest = entry["digest"]
        if attested:
            digest = add_index(self._registry, "app", entries=[entry, attestation(self._registry, "app", digest)])
        self.builds[platform].set_result(BuiltPlatform(platform, digest, 1.0))
        return str(entry["digest"])


def awaited(building: Building) -> list[bool]:
    """Return what is said of each platform, and of all of them."""
    return [building.image.is_awaited(platform) for platform in (AMD64, ARM64, None)]


@pytest.fixture
def building(registry: FakeRegistry, client: RegistryClient) -> Building:
    return Building(registry, client)


@pytest.mark.parametrize("attested", [False, True])
def test_a_platform_is_there_while_its_siblings_are_still_built(building: Building, attested: bool) -> None:
    digest = building.push(ARM64, attested=attested)
    image = building.image.platform(ARM64)
    assert (image.platform, image.digest) == (ARM64, digest)
    assert image.reference.digest == digest
    assert building.image.platform(ARM64) is image
    assert building.begun == [ARM64]


def test_the_whole_is_there_once_all_are(building: Building, registry: FakeRegistry) -> None:
    digests = [building.push(AMD64, attested=True), building.push(ARM64)]
    image = building.image.image()
    assert image.platforms == tuple(building.begun) == (AMD64, ARM64)
    assert [image.for_platform(platform).digest for platform in (AMD64, ARM64)] == digests
    assert building.image.image() is image
    assert len(registry.asked("PUT", "/manifests/latest")) == 1


def test_a_platform_that_failed_fails_alone(building: Building) -> None:
    building.push(AMD64)
    building.builds[ARM64].set_exception(BuildError("building", "broke"))
    assert building.image.platform(AMD64).platform == AMD64
    for call in (lambda: building.image.platform(ARM64), building.image.image):
        with pytest.raises(BuildError, match="broke"):
            call()


def test_a_platform_that_this_run_does_not_build_is_told(building: Building) -> None:
    with pytest.raises(BuildError, match="this run builds linux/amd64, linux/arm64"):
        building.image.platform(S390X)


def test_a_built_platform_runs_where_the_run_does(building: Building) -> None:
    building.push(ARM64)
    image = building.image.platform(ARM64)
    result: Any = image.run(["x"])
    assert result == "result"
    assert building.running.asked[0][:2] == (image, ["x"])


def published(
    registry: FakeRegistry, client: RegistryClient, running: list[FakeRunning], layers: LayerStore | None = None
) -> PublishedImage:
    def make() -> Running:
        running.append(FakeRunning())
        return cast("Running", running[-1])

    return PublishedImage(client, Reference.parse(f"{registry.host}/app:1"), make, layers)


def test_a_published_image_is_read_once_and_without_an_engine(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [add_image(registry, "app", text) for text in ("linux/amd64", "linux/arm64")]
    add_index(registry, "app", "1", entries=entries)
    running: list[FakeRunning] = []
    source = published(registry, client, running)
    assert source.image() is source.image()
    assert source.platform(ARM64).digest == entries[1]["digest"]
    assert source.platform(ARM64) is source.platform(ARM64)
    assert len(registry.asked("GET", "/manifests/1")) == 1
    assert running == []


def test_its_first_run_brings_the_engine(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/arm64")])
    running: list[FakeRunning] = []
    source = published(registry, client, running)
    for _ in range(2):
        assert cast("Any", source.platform(ARM64).run(["x"], timeout=3)) == "result"
    assert len(running) == 1
    assert running[0].asked[0][1] == ["x"]
    assert cast("dict[str, object]", running[0].asked[0][2])["timeout"] == 3


def test_a_platform_that_it_does_not_offer_is_told(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/arm64")])
    with pytest.raises(PlatformMissing, match="it offers linux/arm64"):
        published(registry, client, []).platform(AMD64)


def test_an_image_that_is_not_there_is_asked_for_once(registry: FakeRegistry, client: RegistryClient) -> None:
    source = published(registry, client, [])
    for _ in range(3):
        with pytest.raises(NotInRegistry):
            source.platform(AMD64)
    assert len(registry.asked("GET", "/manifests/1")) == 1


def test_layers_of_built_and_published_images_are_kept_where_the_run_says(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    base = layered.tar(layered.file("base", b"one"))
    entries = {
        platform: layered.add_image(
            registry, "app", str(platform), layers=[base, layered.tar(layered.file("own", str(platform).encode()))]
        )
        for platform in (AMD64, ARM64)
    }
    add_index(registry, "app", "1", entries=list(entries.values()))
    with LayerStore() as layers:
        building = Building(registry, client, layers)
        for platform, entry in entries.items():
            building.builds[platform].set_result(BuiltPlatform(platform, str(entry["digest"]), 1.0))
        images = [
            building.image.platform(AMD64),
            building.image.image().for_platform(ARM64),
            published(registry, client, [], layers).platform(AMD64),
        ]
        client.layers.close()  # their own is not used
        assert [image.files.read_text("own") for image in images] == ["linux/amd64", "linux/arm64", "linux/amd64"]
        assert len({id(image.files.layers[0]) for image in images}) == 1


def test_a_platform_is_awaited_from_its_builds_beginning_to_its_end(building: Building) -> None:
    assert awaited(building) == [False, False, False]  # whoever asks for one begins it, so that nobody is to wait first
    building.build.begin([AMD64, ARM64])
    assert awaited(building) == [True, True, True]
    building.push(AMD64)
    assert awaited(building) == [False, True, True]
    building.builds[ARM64].set_exception(BuildError("building it", "exit code 1"))
    assert awaited(building) == [False, False, False]


def test_nobody_waits_for_a_build_of_what_is_published(registry: FakeRegistry, client: RegistryClient) -> None:
    reference = Reference.parse(f"{registry.host}/app:latest")
    image = PublishedImage(client, reference, lambda: cast("Running", FakeRunning()))
    assert not any(image.is_awaited(platform) for platform in (AMD64, None))
