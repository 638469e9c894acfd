"""OCI layouts on disk, as folder and as archive: the same images as from a registry."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_multiarch.errors import (
    DocumentError,
    IntegrityError,
    InvalidReference,
    MultiArchError,
    NotInRegistry,
    RegistryError,
    UsageProblem,
)
from pytest_multiarch.image.copying import copy_image
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layout import LayoutClient
from pytest_multiarch.image.layout_location import LayoutLocation
from pytest_multiarch.oci import OCI_LAYER, OCI_MANIFEST
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, file, tar
from tests.unit.files.layouts import CONTAINERD, REF_NAME, entry_of, two_platforms, write_archive, write_folder
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.image.registry import RegistryClient

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")


@pytest.fixture
def stored() -> FakeRegistry:
    """Hold, without a server, an index of two platforms and an attestation."""
    return two_platforms()


@pytest.fixture
def digest(stored: FakeRegistry) -> str:
    return f"sha256:{hashlib.sha256(stored.manifests['app', '1'][0]).hexdigest()}"


@pytest.fixture
def folder(stored: FakeRegistry, digest: str, tmp_path: Path) -> Path:
    names = {CONTAINERD: "docker.io/library/app:1", REF_NAME: "1"}
    return write_folder(stored, tmp_path / "out", {**entry_of(stored, digest), "annotations": names})


@pytest.fixture(params=["folder", "archive", "archive with ./"])
def location(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"oci-layout://{folder}"
    prefix = "./" if request.param.endswith("./") else ""
    return f"oci-archive://{write_archive(folder, tmp_path / 'out.tar', prefix)}"


@pytest.mark.parametrize("tag", ["", ":1"])
def test_what_buildx_writes_is_read_like_a_registry(location: str, tag: str, digest: str) -> None:
    with LayoutClient(location + tag) as client:
        image = MultiArchImage.load(client, client.reference)
        assert image.digest == digest
        assert image.platforms == (AMD64, ARM64)
        assert len(image.attestations) == 1
        for platform in image.platforms:
            files = image.for_platform(platform).files
            assert files.read_text("which") == str(platform)
            assert files.read_text("/etc/shared") == "shared"
        assert str(image.reference) == location + tag
        assert str(image.for_platform(ARM64)) == f"{location} for linux/arm64"


def test_a_digest_names_any_manifest_of_the_layout(location: str, digest: str) -> None:
    with LayoutClient(f"{location}@{digest}") as client:
        image = MultiArchImage.load(client, client.reference)
        inner = image.for_platform(ARM64).digest
    with LayoutClient(f"{location}:1@{inner}") as client:
        assert MultiArchImage.load(client, client.reference).platforms == (ARM64,)
        head = client.head_manifest(client.reference)
        assert (head.digest, head.media_type) == (inner, OCI_MANIFEST)
        assert client.blob_exists(client.reference, inner)
        assert not client.blob_exists(client.reference, "sha256:" + "0" * 64)


def test_a_layout_can_be_copied_to_a_registry(
    location: str, digest: str, registry: FakeRegistry, client: RegistryClient
) -> None:
    with LayoutClient(location) as layout:
        copied = copy_image(layout, layout.reference, client, ref(registry, "copy"), "1", [AMD64, ARM64])
    image = MultiArchImage.load(client, copied.reference)
    assert image.for_platform(ARM64).files.read_text("which") == "linux/arm64"


@pytest.mark.parametrize(
    ("names", "tag", "found"),
    [
        ({REF_NAME: "v1"}, "v1", True),
        ({REF_NAME: "docker.io/library/app:v1"}, "v1", True),
        ({CONTAINERD: "docker.io/library/app:v1"}, "v1", True),
        ({REF_NAME: "v1"}, "v2", False),
        ({CONTAINERD: "localhost:5000/app"}, "5000", False),
        ({}, "v1", False),
    ],
)
def test_tags_are_found_in_either_annotation(
    stored: FakeRegistry, digest: str, tmp_path: Path, names: dict[str, str], tag: str, found: bool
) -> None:
    write_folder(stored, tmp_path / "l", {**entry_of(stored, digest), "annotations": names})
    with LayoutClient(f"oci-layout://{tmp_path / 'l'}:{tag}") as client:
        if found:
            assert client.manifest(client.reference).digest == digest
            return
        with pytest.raises(NotInRegistry, match=r"look for oci-layout://.*:\w+: the layout (names|has no names)"):
            client.manifest(client.reference)


def test_several_images_need_a_tag(stored: FakeRegistry, tmp_path: Path) -> None:
    manifests = [
        key for (_, key), (_, kind) in stored.manifests.items() if key.startswith("sha256:") and kind == OCI_MANIFEST
    ]
    entries = [
        {**entry_of(stored, one, OCI_MANIFEST), "annotations": {REF_NAME: name, CONTAINERD: f"docker.io/x/{name}:1"}}
        for one, name in zip(manifests[:2], ("a", "b"), strict=True)
    ]
    write_folder(stored, tmp_path / "l", *entries)
    with LayoutClient(f"oci-layout://{tmp_path / 'l'}") as client:
        for reference in (client.reference, client.reference.with_tag("1")):
            with pytest.raises(
                UsageProblem, match=r"the layout has 2 images: a, b, docker.io/x/a:1, docker.io/x/b:1\nName one"
            ):
                client.manifest(reference)
        assert client.manifest(client.reference.with_tag("b")).digest == manifests[1]


def test_an_index_of_platforms_without_names_is_the_image(stored: FakeRegistry, tmp_path: Path) -> None:
    # What ko and crane write: the platforms stand in index.json itself.
    data = json.loads(stored.manifests["app", "1"][0])
    write_folder(stored, tmp_path / "l", *data["manifests"])
    with LayoutClient(f"oci-layout://{tmp_path / 'l'}") as client:
        image = MultiArchImage.load(client, client.reference)
        assert image.platforms == (AMD64, ARM64)
        assert image.for_platform(AMD64).files.read_text("which") == "linux/amd64"
        assert client.manifest(client.reference.with_digest(image.digest)).digest == image.digest


def test_a_layout_of_links_is_read(folder: Path, tmp_path: Path) -> None:
    # As bazel's rules_oci writes them.
    (tmp_path / "links" / "blobs").mkdir(parents=True)
    for name in ("oci-layout", "index.json", "blobs/sha256"):
        (tmp_path / "links" / name).symlink_to(folder / name)
    with LayoutClient(f"oci-layout://{tmp_path / 'links'}") as client:
        assert MultiArchImage.load(client, client.reference).platforms == (AMD64, ARM64)


def spoil(folder: Path, digest: str, data: bytes | None) -> None:
    path = folder / "blobs" / "sha256" / digest.partition(":")[2]
    path.unlink()
    if data is not None:
        path.write_bytes(data)


def test_documents_and_blobs_are_checked(folder: Path, digest: str) -> None:
    with LayoutClient(f"oci-layout://{folder}") as client:
        image = MultiArchImage.load(client, client.reference)
        arm = image.for_platform(ARM64)
        top, upper = arm.layers
        path = folder / "blobs" / "sha256" / upper.digest.partition(":")[2]
        content = path.read_bytes()
        spoil(folder, upper.digest, bytes(len(content)))
        with pytest.raises(IntegrityError, match=r"content has digest .*\nThe layout is damaged"):
            _ = arm.files
        spoil(folder, top.digest, bytes(top.size + 1))
        with pytest.raises(IntegrityError, match="more than the"):
            client.read_blob(client.reference, top)
        spoil(folder, top.digest, b"")
        with pytest.raises(IntegrityError, match="0 bytes where"):
            client.read_blob(client.reference, top)
        spoil(folder, top.digest, None)
        with pytest.raises(NotInRegistry, match="the layout has no blobs/sha256/"):
            client.blob(client.reference, top)
        with pytest.raises(DocumentError, match="more than the 10"):
            client.read_blob(client.reference, top, 10)
        spoil(folder, digest, b"{}")
        with pytest.raises(IntegrityError, match="2 bytes where"):
            client.manifest(client.reference)
        spoil(folder, digest, b" " * 5_000_000)
        with pytest.raises(DocumentError, match="more than the 4194304"):
            client.manifest(client.reference)


def test_reading_in_pieces_gives_the_whole(folder: Path) -> None:
    with LayoutClient(f"oci-layout://{folder}") as client:
        config = MultiArchImage.load(client, client.reference).for_platform(AMD64).manifest.config
        whole = client.read_blob(client.reference, config)
        with client.blob(client.reference, config) as blob:
            assert blob.read(5) + b"".join(blob) == whole
        with client.blob(client.reference, config) as blob:
            assert blob.read(5) == whole[:5]
            blob.finish()
            assert blob.read() == b""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: (path / "oci-layout").unlink(), "no OCI layout: it has no oci-layout"),
        (lambda path: (path / "index.json").unlink(), "no OCI layout: it has no index.json"),
        (lambda path: (path / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}'), "expected '1.0.0'"),
        (lambda path: (path / "oci-layout").write_text("[]"), "expected an object"),
        (lambda path: (path / "index.json").write_text("{"), "not JSON"),
        (
            lambda path: (path / "index.json").write_text('{"schemaVersion":2,"config":{},"layers":[]}'),
            "expected an index, found a manifest",
        ),
        (lambda path: (path / "index.json").write_bytes(b" " * 5_000_000), "more than the 4194304"),
    ],
)
@pytest.mark.parametrize("kind", ["oci-layout", "oci-archive"])
def test_what_is_no_layout_is_refused(folder: Path, change: Any, said: str, kind: str, tmp_path: Path) -> None:
    change(folder)
    path = folder if kind == "oci-layout" else write_archive(folder, tmp_path / "a.tar")
    with pytest.raises(DocumentError, match=said):
        LayoutClient(f"{kind}://{path}")


def test_special_files_do_not_hang(folder: Path) -> None:
    (folder / "index.json").unlink()
    os.mkfifo(folder / "index.json")
    with pytest.raises(DocumentError, match="no regular file"):
        LayoutClient(f"oci-layout://{folder}")
    (folder / "index.json").unlink()
    (folder / "index.json").symlink_to("index.json")
    with pytest.raises(DocumentError, match="symbolic links"):
        LayoutClient(f"oci-layout://{folder}")


def test_paths_that_hold_nothing_are_the_users_to_mend(folder: Path, tmp_path: Path) -> None:
    archive = write_archive(folder, tmp_path / "a.tar")
    for text, said in (
        (f"oci-layout://{tmp_path}/none", "there is no such folder"),
        (f"oci-archive://{tmp_path}/none.tar", "there is no such file"),
        (f"oci-layout://{archive}", "no folder\nUse oci-archive://"),
        (f"oci-archive://{folder}", "no file\nUse oci-layout://"),
    ):
        with pytest.raises(UsageProblem, match=said):
            LayoutClient(text)
    (tmp_path / "a.tgz").write_bytes(b"\x1f\x8b" + bytes(100))
    with pytest.raises(DocumentError, match="the archive itself is compressed"):
        LayoutClient(f"oci-archive://{tmp_path}/a.tgz")


def test_names_in_an_archive_are_never_paths(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"imageLayoutVersion": "1.0.0"}')
    for kind, target in ((tarfile.SYMTYPE, str(secret)), (tarfile.LNKTYPE, "x"), (tarfile.CHRTYPE, "")):
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            archive.add(folder / "index.json", "index.json")
            archive.add(folder / "oci-layout", "../oci-layout")
            archive.add(folder / "oci-layout", "x")
            info = tarfile.TarInfo("oci-layout")
            info.type, info.linkname = kind, target
            archive.addfile(info)
        with pytest.raises(DocumentError, match="it has no oci-layout"):
            LayoutClient(f"oci-archive://{tmp_path}/a.tar")


def test_an_archive_that_goes_away_is_an_error(folder: Path, tmp_path: Path) -> None:
    archive = write_archive(folder, tmp_path / "a.tar")
    with LayoutClient(f"oci-archive://{archive}") as client:
        archive.unlink()
        with pytest.raises(RegistryError, match="No such file"):
            client.manifest(client.reference)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci-layout://out", ("oci-layout", "out", "", "")),
        ("oci-layout://out:1.2", ("oci-layout", "out", "1.2", "")),
        ("oci-layout:///a/b.c:v-1_x", ("oci-layout", "/a/b.c", "v-1_x", "")),
        ("oci-archive://a:b/c.tar", ("oci-archive", "a:b/c.tar", "", "")),
        (f"oci-archive://c.tar:1@sha256:{'0' * 64}", ("oci-archive", "c.tar", "1", f"sha256:{'0' * 64}")),
        (f"oci-archive://c.tar@sha256:{'0' * 64}", ("oci-archive", "c.tar", "", f"sha256:{'0' * 64}")),
        ("oci-layout://me@home/out", ("oci-layout", "me@home/out", "", "")),
    ],
)
def test_locations_are_read(text: str, expected: tuple[str, str, str, str]) -> None:
    location = LayoutLocation.parse(text)
    assert (location.scheme, str(location.path), location.tag, location.digest) == expected
    assert str(location.reference) == text
    assert LayoutLocation.is_one(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "out",
        "oci://out",
        "oci-layout://",
        "oci-layout://:1",
        "oci-layout://a@sha256:12",
        "oci-layout://a\0b",
        "oci-layout:out",
    ],
)
def test_what_names_no_layout_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        LayoutLocation.parse(text)
    assert LayoutLocation.is_one(text) == text.startswith("oci-layout://")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_archives_give_errors_of_ours(data: st.DataObject, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    content = bytearray(write_archive(folder, path).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) * 8 - 1), max_size=4)):
        content[place // 8] ^= 1 << place % 8
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        with LayoutClient(f"oci-archive://{path}") as client:
            image = MultiArchImage.load(client, client.reference)
            for platform in image.platforms:
                assert image.for_platform(platform).files.read_text("which") == str(platform)
    except MultiArchError as error:
        refusal = error
        assert refusal.found


def test_a_layer_of_a_layout_may_be_large(tmp_path: Path) -> None:
    registry = FakeRegistry()
    content = os.urandom(3_000_000)
    image = add_image(registry, "app", "linux/amd64", layers=[tar(file("big", content))], media_type=OCI_LAYER)
    write_folder(registry, tmp_path / "l", {key: value for key, value in image.items() if key != "platform"})
    with LayoutClient(f"oci-layout://{tmp_path / 'l'}") as client:
        found = MultiArchImage.load(client, client.reference).for_platform(AMD64)
        assert found.files.read_bytes("big") == content
        with pytest.raises(MultiArchError, match="there is no engine"):
            found.run(["true"])
