"""Reading blobs: in pieces, checked, and over connections that break."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import (
    DocumentError,
    IntegrityError,
    RegistryError,
)
from pytest_multiarch.image.transport import Limits
from pytest_multiarch.oci import OCI_LAYER, Descriptor
from tests.unit.fake_registry import Fault
from tests.unit.registry.common import blob_of, ref

if TYPE_CHECKING:
    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry
    from tests.unit.registry.common import Connect


def test_a_blob_comes_in_pieces_and_whole(registry: FakeRegistry, client: RegistryClient) -> None:
    data = bytes(range(256)) * 1000
    registry.add_blob("app", data)
    with client.blob(ref(registry), blob_of(data)) as stream:
        pieces = list(stream)
    assert b"".join(pieces) == data
    assert len(pieces) > 1


def test_a_blob_is_read_like_a_file(registry: FakeRegistry, client: RegistryClient) -> None:
    data = bytes(range(256)) * 1000
    registry.add_blob("app", data)
    with client.blob(ref(registry), blob_of(data)) as stream:
        assert stream.read(10) == data[:10]
        assert stream.read(100_000) == data[10:100_010]
        assert stream.read() == data[100_010:]
        assert stream.read(5) == b""


def test_an_empty_blob_is_read(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.add_blob("app", b"")
    assert client.read_blob(ref(registry), blob_of(b"")) == b""


def test_compressed_content_is_not_unpacked_on_the_way(registry: FakeRegistry, client: RegistryClient) -> None:
    data = b"\x1f\x8b not really gzip"
    registry.fail("GET", "/blobs/", Fault(200, {"Content-Encoding": "gzip"}, data))
    assert client.read_blob(ref(registry), blob_of(data)) == data
    assert registry.asked("GET")[0].headers["Accept-Encoding"] == "identity"


def test_a_blob_with_other_content_is_refused_at_its_end(registry: FakeRegistry, client: RegistryClient) -> None:
    wanted = blob_of(b"the right content")
    registry.blobs["app", wanted.digest] = b"the wrong content"
    with pytest.raises(IntegrityError, match="content has digest"), client.blob(ref(registry), wanted) as stream:
        for _ in stream:
            pass


def test_a_blob_longer_than_its_descriptor_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    data = b"x" * 1_000_000
    digest = registry.add_blob("app", data)
    with (
        pytest.raises(IntegrityError, match="more than the 10 bytes"),
        client.blob(ref(registry), Descriptor(OCI_LAYER, digest, 10)) as stream,
    ):
        stream.read()


def test_a_blob_shorter_than_its_descriptor_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob("app", b"short")
    with pytest.raises(IntegrityError, match="5 bytes where its descriptor says 10"):
        client.read_blob(ref(registry), Descriptor(OCI_LAYER, digest, 10))


def test_finishing_a_blob_checks_what_was_not_read(registry: FakeRegistry, client: RegistryClient) -> None:
    wanted = blob_of(b"the right content")
    registry.blobs["app", wanted.digest] = b"the wrong content"
    with client.blob(ref(registry), wanted) as stream:
        assert stream.read(3) == b"the"
        with pytest.raises(IntegrityError):
            stream.finish()


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_blob_that_breaks_off_is_taken_up_again(
    registry: FakeRegistry, client: RegistryClient, knows_ranges: bool
) -> None:
    data = bytes(range(256)) * 1000
    registry.add_blob("app", data)
    registry.knows_ranges = knows_ranges
    registry.fail("GET", "/blobs/", Fault(cut_after=100_000), Fault(cut_after=120_000))
    assert client.read_blob(ref(registry), blob_of(data)) == data
    assert len(registry.asked("GET", "/blobs/")) == 3


def test_a_blob_that_always_breaks_off_says_how_far_it_came(registry: FakeRegistry, client: RegistryClient) -> None:
    data = b"x" * 1000
    registry.add_blob("app", data)
    registry.knows_ranges = False
    registry.fail("GET", "/blobs/", *[Fault(cut_after=10)] * 4)
    with pytest.raises(RegistryError, match="after 10 of 1000 bytes"):
        client.read_blob(ref(registry), blob_of(data))


def test_a_registry_that_goes_on_elsewhere_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    data = b"x" * 1000
    registry.add_blob("app", data)
    registry.fail("GET", "/blobs/", Fault(cut_after=10), Fault(206, {"Content-Range": "bytes 5-999/1000"}, data[5:]))
    with pytest.raises(RegistryError, match="another byte"):
        client.read_blob(ref(registry), blob_of(data))


def test_a_large_config_is_not_read(registry: FakeRegistry, client: RegistryClient) -> None:
    with pytest.raises(DocumentError, match="5000000 bytes, more than the 4194304"):
        client.read_blob(ref(registry), Descriptor(OCI_LAYER, "sha256:" + "0" * 64, 5_000_000))
    assert registry.seen == []


def test_blobs_are_looked_for_without_being_read(registry: FakeRegistry, client: RegistryClient) -> None:
    digest = registry.add_blob("app", b"here")
    assert client.blob_exists(ref(registry), digest)
    assert not client.blob_exists(ref(registry), "sha256:" + "0" * 64)
    assert registry.asked("GET") == []


def test_several_threads_share_a_client(registry: FakeRegistry, connect: Connect) -> None:
    registry.auth = "token"
    contents = [bytes([number]) * 200_000 for number in range(16)]
    for data in contents:
        registry.add_blob("app", data)
    client = connect(limits=Limits())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda data: client.read_blob(ref(registry), blob_of(data)), contents))
    assert found == contents
    assert len(registry.token_requests) == 1
