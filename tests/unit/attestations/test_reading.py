"""Attestations of an image in a registry: found by its digest, read when asked for, kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import DocumentError, IntegrityError, MultiArchError, PlatformMissing
from pytest_multiarch.image.attestations import STATEMENT_LIMIT, Provenance, Sbom
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layout import LayoutClient
from pytest_multiarch.oci import OCI_INDEX
from pytest_multiarch.platforms import Platform
from tests.unit.attestations.common import SPDX, V02, attest, layer, statement
from tests.unit.attestations.test_provenance import MAKEFILE
from tests.unit.attestations.test_sbom import SPDX_EXAMPLE
from tests.unit.files.layouts import entry_of, write_folder
from tests.unit.images import add_image, add_index, descriptor
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry

AMD64, ARM64 = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64"))


def of_provenance(registry: FakeRegistry, about: str, **more: Any) -> dict[str, Any]:
    return layer(registry, "app", statement(V02, {**MAKEFILE, **more}, about=about), V02)


def of_packages(registry: FakeRegistry, about: str, **more: Any) -> dict[str, Any]:
    return layer(registry, "app", statement(SPDX, {**SPDX_EXAMPLE, **more}, about=about), SPDX)


@pytest.fixture
def entry(registry: FakeRegistry) -> dict[str, Any]:
    return add_image(registry, "app", "linux/amd64")


def load(client: RegistryClient, registry: FakeRegistry, *entries: dict[str, Any]) -> MultiArchImage:
    add_index(registry, "app", "1", entries=list(entries))
    return MultiArchImage.load(client, ref(registry))


def test_each_platform_has_the_attestations_that_refer_to_it(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [add_image(registry, "app", text) for text in ("linux/amd64", "linux/arm64")]
    digests = [entry["digest"] for entry in entries]
    attested = [
        attest(registry, "app", digest, of_provenance(registry, digest, builder={"id": f"builder of {digest}"}))
        for digest in digests
    ]
    image = load(client, registry, *entries, *attested)
    for platform, digest, descriptor_ in zip((AMD64, ARM64), digests, attested, strict=True):
        (found,) = image.attestations_of(platform)
        assert found.descriptor.digest == descriptor_["digest"]
        assert found.subject_digest == digest
        (said,) = found.statements
        assert said.is_about(digest)
        assert isinstance(said.predicate, Provenance)
        assert said.predicate.builder_id == f"builder of {digest}"
        assert image.for_platform(platform).provenance == said.predicate
    with pytest.raises(PlatformMissing):
        image.attestations_of(Platform.parse("linux/s390x"))


def test_nothing_is_read_before_it_is_asked_for_and_nothing_twice(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    packages = of_packages(registry, entry["digest"])
    origin = of_provenance(registry, entry["digest"])
    about = attest(registry, "app", entry["digest"], packages, origin)
    image = load(client, registry, entry, about).for_platform(AMD64)
    assert len(registry.seen) == 1
    for _ in range(2):
        assert isinstance(image.provenance, Provenance)
    assert [one.path for one in registry.seen[1:]] == [
        f"/v2/app/manifests/{about['digest']}",
        f"/v2/app/blobs/{origin['digest']}",
    ]
    for _ in range(2):
        assert isinstance(image.sbom, Sbom)
        assert len(image.attestations[0].statements) == 2
    assert [one.path for one in registry.seen[3:]] == [f"/v2/app/blobs/{packages['digest']}"]


def test_without_attestations_there_is_nothing(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    image = load(client, registry, entry).for_platform(AMD64)
    assert (image.attestations, image.provenance, image.sbom) == ((), None, None)
    assert len(registry.seen) == 1


def test_a_bare_manifest_has_none(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1")
    assert MultiArchImage.load(client, ref(registry)).attestations_of(AMD64) == ()


def test_attestations_of_a_nested_index_are_found(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    about = attest(registry, "app", entry["digest"], of_provenance(registry, entry["digest"]))
    inner = add_index(registry, "app", entries=[entry, about])
    nested = descriptor(OCI_INDEX, inner, len(registry.manifests["app", inner][0]))
    assert load(client, registry, nested).for_platform(AMD64).provenance is not None


def test_an_oci_layout_is_read_as_a_registry_is(registry: FakeRegistry, entry: dict[str, Any], tmp_path: Path) -> None:
    layers = [of_provenance(registry, entry["digest"]), of_packages(registry, entry["digest"])]
    about = attest(registry, "app", entry["digest"], *layers)
    digest = add_index(registry, "app", entries=[entry, about])
    folder = write_folder(registry, tmp_path / "layout", entry_of(registry, digest))
    with LayoutClient(f"oci-layout://{folder}") as layout:
        image = MultiArchImage.load(layout, layout.reference).for_platform(AMD64)
        assert image.provenance is not None
        assert image.sbom is not None
        assert [one.is_about(entry["digest"]) for one in image.attestations[0].statements] == [True, True]


def test_layers_of_other_types_are_ignored(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    # attestation-storage.md: "Any unknown mediaTypes should be ignored."
    other = {**of_provenance(registry, "sha256:" + "b" * 64), "mediaType": "application/vnd.in-toto.provenance+dsse"}
    about = attest(registry, "app", entry["digest"], other)
    assert load(client, registry, entry, about).attestations_of(AMD64)[0].statements == ()


def test_a_statement_whose_descriptor_names_no_type_is_read_to_know(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    silent = layer(registry, "app", statement(SPDX, SPDX_EXAMPLE))
    image = load(client, registry, entry, attest(registry, "app", entry["digest"], silent)).for_platform(AMD64)
    assert image.provenance is None
    assert image.sbom is not None


def test_a_broken_sbom_does_not_spoil_the_provenance(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    broken = of_packages(registry, entry["digest"], packages="none")
    about = attest(registry, "app", entry["digest"], broken, of_provenance(registry, entry["digest"]))
    image = load(client, registry, entry, about).for_platform(AMD64)
    assert image.provenance is not None
    for ask in (lambda: image.sbom, lambda: image.attestations):
        with pytest.raises(DocumentError, match="/predicate/packages: expected a list") as refused:
            ask()
        assert broken["digest"] in refused.value.tried


def test_several_of_a_kind_are_not_chosen_from(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    scans = [of_packages(registry, entry["digest"], name=name) for name in ("result", "stage")]
    image = load(client, registry, entry, attest(registry, "app", entry["digest"], *scans)).for_platform(AMD64)
    with pytest.raises(MultiArchError, match="there are 2\nTake the right one out of the statements in attestations"):
        _ = image.sbom
    names = [one.predicate.name for one in image.attestations[0].statements if isinstance(one.predicate, Sbom)]
    assert names == ["result", "stage"]


def test_one_that_is_listed_twice_is_one(registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]) -> None:
    about = attest(registry, "app", entry["digest"], of_provenance(registry, entry["digest"]))
    image = load(client, registry, entry, about, about).for_platform(AMD64)
    assert image.provenance is not None


def test_a_statement_above_the_limit_is_not_fetched(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    large = {**of_packages(registry, entry["digest"]), "size": STATEMENT_LIMIT + 1}
    image = load(client, registry, entry, attest(registry, "app", entry["digest"], large)).for_platform(AMD64)
    with pytest.raises(DocumentError, match=f"{STATEMENT_LIMIT + 1} bytes, more than the {STATEMENT_LIMIT}"):
        _ = image.sbom
    assert registry.asked("GET", large["digest"]) == []


def test_an_sbom_larger_than_a_manifest_may_be_is_read(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    packages = [{"name": f"package {number}", "comment": "x" * 1000} for number in range(5000)]
    about = attest(registry, "app", entry["digest"], of_packages(registry, entry["digest"], packages=packages))
    found = load(client, registry, entry, about).for_platform(AMD64).sbom
    assert found is not None
    assert len(found.packages) == 5000


def test_statements_that_are_too_much_together_are_not_fetched(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    each = {**of_packages(registry, entry["digest"]), "size": STATEMENT_LIMIT}
    about = attest(registry, "app", entry["digest"], *[each] * 5)
    with pytest.raises(DocumentError, match=f"{5 * STATEMENT_LIMIT} bytes, more than the {4 * STATEMENT_LIMIT}"):
        load(client, registry, entry, about).attestations_of(AMD64)


def test_other_bytes_than_their_digest_says_are_refused(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    origin = of_provenance(registry, entry["digest"])
    about = attest(registry, "app", entry["digest"], origin)
    registry.blobs["app", origin["digest"]] = b"x" * origin["size"]
    with pytest.raises(IntegrityError):
        _ = load(client, registry, entry, about).for_platform(AMD64).provenance


def test_an_index_in_place_of_an_attestation_is_refused(
    registry: FakeRegistry, client: RegistryClient, entry: dict[str, Any]
) -> None:
    digest = add_index(registry, "app", entries=[])
    about = attest(registry, "app", entry["digest"])
    about.update(digest=digest, size=len(registry.manifests["app", digest][0]))
    with pytest.raises(DocumentError, match="expected a manifest, found an index"):
        load(client, registry, entry, about).attestations_of(AMD64)
