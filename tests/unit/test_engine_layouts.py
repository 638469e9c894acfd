"""OCI layouts under test: looked at before the first test, and copied for the daemon one platform at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.layouts import copy_platform, look_at
from pytest_multiarch.engine.sources import PublishedImage
from pytest_multiarch.errors import IntegrityError, NotInRegistry, UsageProblem
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layout import LayoutClient
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.image.transport import Limits
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.layouts import write_layout
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_multiarch.engine.running import Running

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as fake:
        yield fake


@pytest.fixture
def target() -> Iterator[RegistryClient]:
    with RegistryClient(limits=Limits(connect=2, read=2, attempts=1)) as client:
        yield client


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[LayoutClient]:
    write_layout(tmp_path / "out")
    with LayoutClient(f"oci-layout://{tmp_path / 'out'}") as client:
        yield client


def test_one_platform_is_copied_by_its_digest(
    registry: FakeRegistry, target: RegistryClient, layout: LayoutClient
) -> None:
    image = MultiArchImage.load(layout, layout.reference).for_platform(ARM64)
    found = copy_platform(layout, image.reference, ARM64, target, ref(registry, "layout-0"))
    assert str(found) == f"{registry.host}/layout-0@{image.digest}"
    copy = MultiArchImage.load(target, found).for_platform(ARM64)
    assert copy.digest == image.digest
    assert copy.files.read_text("which") == "linux/arm64"
    pushed = {path.rpartition("/")[2] for path in (one.path for one in registry.asked("PUT", "/manifests/"))}
    assert pushed == {image.digest, "linux-arm64"}


def test_a_layout_that_is_damaged_is_told_when_it_is_copied(
    registry: FakeRegistry, target: RegistryClient, layout: LayoutClient, tmp_path: Path
) -> None:
    image = MultiArchImage.load(layout, layout.reference).for_platform(ARM64)
    blob = tmp_path / "out" / "blobs" / image.layers[0].digest.replace(":", "/")
    blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(IntegrityError, match="layout is damaged"):
        copy_platform(layout, image.reference, ARM64, target, ref(registry, "layout-0"))
    assert registry.asked("PUT", "/manifests/") == []


def source(location: str) -> PublishedImage:
    def nothing_runs() -> Running:
        raise AssertionError

    client = LayoutClient(location)
    return PublishedImage(client, client.reference, nothing_runs)


def test_a_name_that_is_wrong_is_the_users_to_mend(tmp_path: Path) -> None:
    write_layout(tmp_path / "out", "v1", "v2")
    look_at(lambda: source(f"oci-layout://{tmp_path}/out:v1"))
    with pytest.raises(UsageProblem, match=r"out:v3: the layout names v1, v2") as refused:
        look_at(lambda: source(f"oci-layout://{tmp_path}/out:v3"))
    assert not isinstance(refused.value, NotInRegistry)
    with pytest.raises(UsageProblem, match=r"there is no such folder"):
        look_at(lambda: source(f"oci-layout://{tmp_path}/nowhere"))


def test_what_is_broken_is_left_to_the_tests_that_read_it(tmp_path: Path) -> None:
    digest = write_layout(tmp_path / "out")
    (tmp_path / "out" / "blobs" / digest.replace(":", "/")).write_bytes(b"{}")
    look_at(lambda: source(f"oci-layout://{tmp_path}/out"))
    (tmp_path / "out" / "index.json").write_text("[]")
    look_at(lambda: source(f"oci-layout://{tmp_path}/out"))
