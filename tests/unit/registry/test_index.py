"""One tag, several platforms: what is offered, what a platform gets, and what is said when it gets nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import DocumentError, MultiArchError, PlatformMissing
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.oci import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from pytest_multiarch.outputs import Output
from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult
from tests.unit.images import add_image, add_index, attestation, descriptor
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry

AMD64, ARM64, ARMV7 = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64", "linux/arm/v7"))


def load(client: RegistryClient, registry: FakeRegistry) -> MultiArchImage:
    return MultiArchImage.load(client, ref(registry))


def test_platforms_stand_in_the_indexs_order(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [add_image(registry, "app", text) for text in ("linux/arm64", "linux/amd64", "linux/arm/v7")]
    digest = add_index(registry, "app", "1", entries=entries, annotations={"made.by": "us"})
    image = load(client, registry)
    assert image.platforms == (ARM64, AMD64, ARMV7)
    assert image.digest == digest
    assert image.annotations == {"made.by": "us"}
    assert image.index is not None
    assert image.index.platforms == image.platforms


def test_a_reference_may_be_text(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    assert MultiArchImage.load(client, f"{registry.host}/app:1").platforms == (AMD64,)


def test_attestations_are_no_platforms(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    about = attestation(registry, "app", entry["digest"])
    add_index(registry, "app", "1", entries=[entry, about])
    image = load(client, registry)
    assert image.platforms == (AMD64,)
    assert [one.digest for one in image.attestations] == [about["digest"]]
    assert image.attestations[0].refers_to == entry["digest"]


def test_a_platform_is_addressed_by_its_own_digest(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/arm64")
    add_index(registry, "app", "1", entries=[entry])
    image = load(client, registry).for_platform(ARM64)
    assert str(image.reference) == f"{registry.host}/app@{entry['digest']}"
    assert image.digest == entry["digest"]
    assert image.config.platform == ARM64
    assert [layer.size for layer in image.layers] == [len(b"layer of linux/arm64"), len(b"a layer that all share")]


def test_documents_are_read_once(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/arm64")])
    image = load(client, registry)
    for _ in range(2):
        assert image.for_platform(ARM64).config.architecture == "arm64"
        assert len(image.for_platform(ARM64).layers) == 2
    # The index, the manifest, the config.
    assert len(registry.seen) == 3


def test_a_missing_platform_says_what_is_offered_and_what_docker_takes(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", text) for text in ("linux/amd64", "linux/arm")])
    with pytest.raises(PlatformMissing) as caught:
        load(client, registry).for_platform(ARM64)
    assert "linux/arm64" in caught.value.tried
    assert caught.value.found == "it offers linux/amd64, linux/arm/v7"
    assert caught.value.hint == "Docker would take linux/arm/v7 instead"


def test_a_missing_platform_without_fallback_says_that_docker_fails(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/amd64")])
    with pytest.raises(PlatformMissing, match="docker pull --platform linux/s390x would fail"):
        load(client, registry).for_platform(Platform.parse("linux/s390x"))


def test_an_empty_index_offers_nothing(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(registry, "app", "1", entries=[])
    with pytest.raises(PlatformMissing, match="it offers no platform"):
        load(client, registry).for_platform(AMD64)


def test_selecting_takes_what_docker_takes(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(
        registry, "app", "1", entries=[add_image(registry, "app", text) for text in ("linux/386", "linux/arm/v6")]
    )
    image = load(client, registry)
    assert str(image.select(AMD64).platform) == "linux/386"
    assert str(image.select(ARMV7).platform) == "linux/arm/v6"
    with pytest.raises(PlatformMissing):
        image.select(AMD64, strict=True)


def test_variants_in_the_index_are_compared_in_normal_form(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/arm64/v8")])
    assert load(client, registry).for_platform(ARM64).platform == ARM64


def test_an_older_variant_is_not_the_platform_itself(registry: FakeRegistry, client: RegistryClient) -> None:
    add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/amd64")])
    with pytest.raises(PlatformMissing, match="Docker would take linux/amd64 instead"):
        load(client, registry).for_platform(Platform.parse("linux/amd64/v3"))


def test_a_windows_version_counts_only_where_it_is_asked_for(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "windows/amd64")
    entry["platform"]["os.version"] = "10.0.20348.1"
    add_index(registry, "app", "1", entries=[entry])
    image = load(client, registry)
    assert image.for_platform(Platform.from_fields("windows", "amd64")).digest == entry["digest"]
    with pytest.raises(PlatformMissing):
        image.for_platform(Platform.from_fields("windows", "amd64", os_version="10.0.17763.1"))


def test_a_bare_manifest_has_the_platform_of_its_config(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/arm64", "1")
    image = load(client, registry)
    assert image.index is None
    assert image.platforms == (ARM64,)
    assert image.for_platform(ARM64).digest == entry["digest"]
    assert image.attestations == ()


def test_nested_indexes_are_read(registry: FakeRegistry, client: RegistryClient) -> None:
    inner = add_index(registry, "app", entries=[add_image(registry, "app", "linux/arm64")])
    nested = descriptor(OCI_INDEX, inner, len(registry.manifests["app", inner][0]))
    add_index(registry, "app", "1", entries=[nested, add_image(registry, "app", "linux/amd64")])
    assert load(client, registry).platforms == (ARM64, AMD64)


def test_indexes_nested_without_end_are_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = add_index(registry, "app", entries=[])
    for level in range(6):
        nested = descriptor(OCI_INDEX, digest, len(registry.manifests["app", digest][0]))
        digest = add_index(registry, "app", "1", entries=[nested], annotations={"level": str(level)})
    with pytest.raises(DocumentError, match="nested deeper than 4"):
        _ = load(client, registry).platforms


def test_an_entry_without_a_platform_has_that_of_its_config(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/arm64")
    del entry["platform"]
    add_index(registry, "app", "1", entries=[{**entry, "annotations": {"kept": "yes"}}])
    image = load(client, registry)
    assert image.platforms == (ARM64,)
    assert image.entries[0].descriptor.annotations == {"kept": "yes"}


def test_manifests_that_are_no_images_are_left_out(registry: FakeRegistry, client: RegistryClient) -> None:
    chart = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.cncf.helm.config.v1+json", registry.add_blob("app", b"{}"), 2),
        "layers": [],
    }
    digest = registry.add_manifest("app", chart, OCI_MANIFEST)
    entry = descriptor(OCI_MANIFEST, digest, len(registry.manifests["app", digest][0]))
    add_index(registry, "app", "1", entries=[entry, add_image(registry, "app", "linux/amd64")])
    assert load(client, registry).platforms == (AMD64,)


def test_one_digest_for_two_platforms_gives_two_images(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    twin = {**entry, "platform": {"os": "linux", "architecture": "arm64"}}
    add_index(registry, "app", "1", entries=[entry, twin])
    image = load(client, registry)
    assert image.for_platform(ARM64).platform == ARM64
    assert image.for_platform(AMD64).platform == AMD64
    assert image.for_platform(ARM64).config.platform == AMD64


def test_a_repeated_platform_counts_once(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [add_image(registry, "app", "linux/amd64", layers=(layer,)) for layer in (b"one", b"two")]
    add_index(registry, "app", "1", entries=entries)
    image = load(client, registry)
    assert image.platforms == (AMD64,)
    assert len(image.entries) == 2
    assert image.for_platform(AMD64).digest == entries[0]["digest"]


def test_a_broken_config_is_named(registry: FakeRegistry, client: RegistryClient) -> None:
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, registry.add_blob("app", b"{}"), 2),
        "layers": [],
    }
    registry.add_manifest("app", manifest, OCI_MANIFEST, "1")
    with pytest.raises(DocumentError, match="required field 'os' is missing"):
        _ = load(client, registry).platforms


def test_a_size_is_what_a_pull_transfers(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [
        add_image(registry, "app", "linux/amd64", layers=(b"1234567890", b"12345")),
        add_image(registry, "app", "linux/arm64", layers=(b"123",)),
    ]
    add_index(registry, "app", "1", entries=[*entries, attestation(registry, "app", entries[0]["digest"])])
    image = load(client, registry)
    # A config of add_image, by platform: {"os": "linux", "architecture": "amd64", "rootfs": …}.
    config = len('{"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}')
    assert image.sizes == {AMD64: config + 15, ARM64: config + 3}
    assert list(image.sizes) == [AMD64, ARM64]
    assert image.for_platform(ARM64).size == config + 3
    assert registry.asked("GET", "/blobs/") == []


def test_a_layer_that_is_there_twice_is_pulled_once(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=(b"12345", b"123", b"12345"))
    image = load(client, registry).for_platform(AMD64)
    assert image.size == image.manifest.config.size + 8


def test_shared_layers_name_the_platforms_that_have_them(registry: FakeRegistry, client: RegistryClient) -> None:
    layers = {
        "linux/amd64": (b"all", b"amd64", b"64 bit"),
        "linux/arm64": (b"arm64", b"64 bit", b"all", b"64 bit"),
        "linux/arm/v7": (b"arm", b"arm", b"all"),
    }
    entries = [add_image(registry, "app", name, layers=contents) for name, contents in layers.items()]
    add_index(registry, "app", "1", entries=[*entries, attestation(registry, "app", entries[0]["digest"])])
    image = load(client, registry)
    first = image.for_platform(AMD64).layers
    assert image.shared_layers == {first[0].digest: (AMD64, ARM64, ARMV7), first[2].digest: (AMD64, ARM64)}
    assert list(image.shared_layers) == [first[0].digest, first[2].digest]
    assert registry.asked("GET", "/blobs/") == []


def test_one_image_under_two_platforms_shares_all_its_layers(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64")
    twin = {**entry, "platform": {"os": "linux", "architecture": "arm64"}}
    add_index(registry, "app", "1", entries=[entry, twin])
    image = load(client, registry)
    assert image.shared_layers == {layer.digest: (AMD64, ARM64) for layer in image.for_platform(AMD64).layers}


def test_of_a_repeated_platform_the_first_entry_counts(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [add_image(registry, "app", "linux/amd64", layers=(layer,)) for layer in (b"1", b"12345")]
    add_index(registry, "app", "1", entries=entries)
    image = load(client, registry)
    assert image.sizes == {AMD64: image.for_platform(AMD64).size}
    assert image.for_platform(AMD64).layers[0].size == 1
    assert image.shared_layers == {}


class Engine:
    def run(self, image: PlatformImage, args: Sequence[str] | None, **options: Any) -> CommandResult:
        said = " ".join(f"{name}={value}" for name, value in options.items() if value)
        return CommandResult(tuple(args or ()), 0, Output(said.encode()), Output(), 0.0, image.platform)

    def start(
        self, image: PlatformImage, args: Sequence[str] | None, **options: Any
    ) -> AbstractContextManager[Service]:
        raise NotImplementedError(f"{args} {options}")


def test_running_is_the_engines_work(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    image = MultiArchImage.load(client, ref(registry), Engine()).for_platform(AMD64)
    assert image.run(["true"], user="1000", timeout=5).stdout == "user=1000 timeout=5 emulator_crash=raise"
    assert image.run().args == ()


def test_without_an_engine_nothing_runs(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    with pytest.raises(MultiArchError, match="there is no engine"):
        load(client, registry).for_platform(AMD64).run(["true"])
