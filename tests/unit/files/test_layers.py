"""The layer store: once for each digest, checked, bounded, and gone afterwards."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zstandard

from pytest_multiarch.errors import DocumentError, IntegrityError, LayerError, MultiArchError, NotInImage, RegistryError
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.limits import LayerLimits
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.spool import SpoolFolder
from pytest_multiarch.image.unpacked import Compression
from pytest_multiarch.oci import DOCKER_LAYER_GZIP, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import Fault
from tests.unit.files.common import NAME, MemoryBlob, MemoryReader, add_image, directory, file, hard_link, tar, tree_of
from tests.unit.images import FOREIGN, add_index, descriptor
from tests.unit.registry.common import ref

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.image.registry import RegistryClient
    from tests.unit.fake_registry import FakeRegistry

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
SHARED = tar(directory("etc"), file("etc/shared", b"shared"))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("media_type", [OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER_GZIP])
def test_layers_of_every_compression_are_read(registry: FakeRegistry, client: RegistryClient, media_type: str) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED, tar(file("a", b"x"))], media_type=media_type)
    files = MultiArchImage.load(client, ref(registry)).for_platform(AMD64).files
    assert files.read_bytes("/etc/shared") == b"shared"
    assert files.read_bytes("/a") == b"x"
    assert files.layers[1].diff_id == files.layers[1].digest or files.layers[1].compression is not Compression.NONE


def test_the_content_decides_where_the_media_type_is_wrong() -> None:
    reader = MemoryReader()
    for data, media_type, found in (
        (gzip.compress(SHARED), OCI_LAYER, Compression.GZIP),
        (zstandard.compress(SHARED), OCI_LAYER_GZIP, Compression.ZSTD),
        (SHARED, OCI_LAYER_ZSTD, Compression.NONE),
        (SHARED + bytes(512), "application/vnd.example.layer", Compression.NONE),
    ):
        layer = reader.layers.layer(reader, NAME, reader.add(data, media_type))
        assert (layer.compression, sorted(layer.tree.root.children)) == (found, ["etc"])
    reader.layers.close()


def test_gzip_and_zstd_in_several_pieces_are_one_layer() -> None:
    data = SHARED + bytes(1000)
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00" + b"note"
    with MemoryReader().layers as store:
        reader = MemoryReader()
        for whole in (
            b"".join(gzip.compress(data[start : start + 700]) for start in range(0, len(data), 700)),
            gzip.compress(b"") + gzip.compress(data) + gzip.compress(b""),
            b"".join(zstandard.compress(data[start : start + 700]) for start in range(0, len(data), 700)),
            skippable + zstandard.compress(data) + skippable,
        ):
            layer = store.layer(reader, NAME, reader.add(whole))
            assert layer.content.read_at(0, layer.size) == data


def test_a_shared_layer_is_fetched_once_for_all_platforms(registry: FakeRegistry, client: RegistryClient) -> None:
    entries = [
        add_image(registry, "app", "linux/amd64", layers=[SHARED, tar(file("a", b"amd64"))]),
        add_image(registry, "app", "linux/arm64", layers=[SHARED, tar(file("a", b"arm64"))]),
    ]
    add_index(registry, "app", "1", entries=entries)
    image = MultiArchImage.load(client, ref(registry))
    for platform, said in ((AMD64, "amd64"), (ARM64, "arm64")):
        files = image.for_platform(platform).files
        assert (files.read_text("a"), files.read_text("etc/shared")) == (said, "shared")
    asked = [one.path for one in registry.asked("GET", "/blobs/")]
    assert len(asked) == len(set(asked)) == 2 + 3
    assert image.for_platform(AMD64).files.layers[0] is image.for_platform(ARM64).files.layers[0]


def test_two_images_of_one_client_share_their_layers(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED])
    images = [MultiArchImage.load(client, ref(registry)).for_platform(AMD64) for _ in range(2)]
    assert all(image.files.exists("/etc/shared") for image in images)
    assert len(registry.asked("GET", images[0].layers[0].digest)) == 1


def test_a_store_can_be_handed_in(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED])
    with LayerStore() as store:
        files = MultiArchImage.load(client, ref(registry), layers=store).for_platform(AMD64).files
        client.close()
        assert files.exists("etc/shared")
        assert files.read_text("etc/shared") == "shared"
    with pytest.raises(LayerError, match="temporary file is gone"):
        files.read_text("etc/shared")
    assert files.exists("etc/shared")


def test_threads_that_ask_for_one_layer_fetch_it_once() -> None:
    reader = MemoryReader()
    described = reader.add(gzip.compress(tar(*(file(f"f{number}", bytes(1000)) for number in range(300)))))
    start = threading.Barrier(8)

    def ask(_: int) -> int:
        start.wait()
        return id(reader.layers.layer(reader, NAME, described))

    with reader.layers, ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert reader.asked == [described.digest]


def test_temporary_files_are_private_and_go_with_their_owner(temporary: Path) -> None:
    reader = MemoryReader()
    assert list(temporary.iterdir()) == []
    reader.layers.layer(reader, NAME, reader.add(SHARED))
    [folder] = temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.stat().st_size for path in folder.iterdir() if not path.suffix) == [0, len(SHARED)]
    reader.layers.close()
    assert list(temporary.iterdir()) == []
    with pytest.raises(LayerError, match="its store is closed"):
        reader.layers.layer(reader, NAME, reader.add(tar(file("other"))))
    reader.layers.close()


def test_a_store_that_nobody_closes_is_removed_with_its_object(temporary: Path) -> None:
    reader = MemoryReader()
    reader.layers.layer(reader, NAME, reader.add(SHARED))
    assert len(list(temporary.iterdir())) == 1
    reader.layers = LayerStore()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_leaves_the_next_one_removes(temporary: Path) -> None:
    program = """
        import os, pathlib, signal, sys
        from pytest_multiarch.image.spool import SpoolFolder
        folder = SpoolFolder(pathlib.Path(sys.argv[1]))
        (folder.path / "layer").write_bytes(b"x")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(temporary)], check=False, timeout=60)
    [left] = temporary.iterdir()
    mine = MemoryReader()
    mine.layers.layer(mine, NAME, mine.add(SHARED))
    assert not left.exists()
    second = MemoryReader()
    second.layers.layer(second, NAME, second.add(SHARED))
    assert len(list(temporary.iterdir())) == 2  # the living are left alone
    mine.layers.close()
    second.layers.close()


def test_what_others_add_while_the_folder_is_removed_keeps_nothing_of_it(temporary: Path) -> None:
    for _ in range(20):
        folder = SpoolFolder(temporary)
        path = folder.path
        begun = threading.Event()

        def add(path: Path = path, begun: threading.Event = begun) -> None:
            with suppress(FileNotFoundError):
                for number in range(100_000):
                    (path / f"layer-{number}").touch()
                    begun.set()

        adding = threading.Thread(target=add)
        adding.start()
        assert begun.wait(20)
        folder.close()
        adding.join()
        assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("age", "left"), [(5, 1), (3600, 0)], ids=["being made", "left"])
def test_a_folder_without_a_lock_is_left_alone_only_while_it_may_be_being_made(
    temporary: Path, age: float, left: int
) -> None:
    unlocked = temporary / "pytest-multiarch-layers-unlocked"
    unlocked.mkdir()
    (unlocked / "sha256-a.json").touch()
    then = time.time() - age
    os.utime(unlocked, (then, then))
    with MemoryReader().layers as layers:
        assert layers.folder.exists()
    assert len(list(temporary.iterdir())) == left


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_does_not_remove_its_parents_files(temporary: Path) -> None:
    reader = MemoryReader()
    layer = reader.layers.layer(reader, NAME, reader.add(SHARED))
    child = os.fork()
    if not child:
        reader.layers.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert layer.content.read_at(0, 10) == SHARED[:10]
    reader.layers.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    reader = MemoryReader()
    with (
        LayerStore(tmp_path / "nowhere") as store,
        pytest.raises(LayerError, match=r"make a folder for unpacked layers in .*nowhere"),
    ):
        store.layer(reader, NAME, reader.add(SHARED))


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = MemoryReader()

    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: Full())
    with reader.layers, pytest.raises(LayerError, match="No space left on device\nName a larger disk in TMPDIR"):
        reader.layers.layer(reader, NAME, reader.add(SHARED))


def test_a_wrong_blob_is_no_layer(registry: FakeRegistry, client: RegistryClient) -> None:
    entry = add_image(registry, "app", "linux/amd64", "1", layers=[SHARED])
    image = MultiArchImage.load(client, ref(registry)).for_platform(AMD64)
    assert image.digest == entry["digest"]
    [layer] = image.layers
    packed = bytearray(registry.blobs["app", layer.digest])
    packed[len(packed) // 2] ^= 0xFF
    registry.blobs["app", layer.digest] = bytes(packed)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="content has digest"):
            _ = image.files
    assert len(registry.asked("GET", layer.digest)) == 1  # it will not become better


def test_a_layer_that_is_damaged_in_one_place_is_taken_from_another() -> None:
    good, damaged = MemoryReader(), MemoryReader()
    described = good.add(gzip.compress(SHARED))
    started, go_on = threading.Event(), threading.Event()

    class Damaged(MemoryBlob):
        def finish(self) -> None:
            started.set()
            assert go_on.wait(20)
            raise IntegrityError("read", "other content")

    damaged.blob = lambda repository, descriptor: Damaged(b"damaged")  # type: ignore[method-assign]
    elsewhere = Reference.parse("registry.test/elsewhere")
    with LayerStore() as store, ThreadPoolExecutor(2) as pool:
        refused = pool.submit(store.layer, damaged, elsewhere, described)
        assert started.wait(20)
        waiting = pool.submit(store.layer, good, NAME, described)
        go_on.set()
        with pytest.raises(IntegrityError, match="other content"):
            refused.result(20)
        assert waiting.result(20).size == len(SHARED)
        with pytest.raises(IntegrityError, match="other content"):
            store.layer(damaged, elsewhere, described)
    assert good.asked == [described.digest]


def test_a_registry_that_fails_may_be_asked_again(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED])
    image = MultiArchImage.load(client, ref(registry)).for_platform(AMD64)
    registry.fail("GET", image.layers[0].digest, *[Fault(status=403)] * 2)
    with pytest.raises(RegistryError, match="HTTP 403"):
        _ = image.files
    registry.faults.clear()
    assert image.files.exists("etc/shared")


def test_content_that_the_config_does_not_know_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED], diff_ids=["sha256:" + "0" * 64])
    with pytest.raises(IntegrityError, match=r"diff id sha256:\w+, the image's config says sha256:0000"):
        _ = MultiArchImage.load(client, ref(registry)).for_platform(AMD64).files


def test_diff_ids_of_another_algorithm_are_checked(registry: FakeRegistry, client: RegistryClient) -> None:
    right = f"sha512:{hashlib.sha512(SHARED).hexdigest()}"
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED], diff_ids=[right])
    assert MultiArchImage.load(client, ref(registry)).for_platform(AMD64).files.exists("etc")
    add_image(registry, "app", "linux/amd64", "2", layers=[SHARED], diff_ids=["sha512:" + "0" * 128])
    with pytest.raises(IntegrityError, match="diff id sha512:"):
        _ = MultiArchImage.load(client, ref(registry, "app:2")).for_platform(AMD64).files


def test_a_config_of_another_image_is_refused(registry: FakeRegistry, client: RegistryClient) -> None:
    add_image(registry, "app", "linux/amd64", "1", layers=[SHARED], diff_ids=[])
    with pytest.raises(DocumentError, match="its manifest names 1 layers, its config 0"):
        _ = MultiArchImage.load(client, ref(registry)).for_platform(AMD64).files


def test_foreign_layers_are_named_and_not_fetched(registry: FakeRegistry, client: RegistryClient) -> None:
    base = descriptor(FOREIGN, "sha256:" + "f" * 64, 7, urls=["https://example.com/base"])
    add_image(registry, "app", "windows/amd64", "1", layers=[SHARED], foreign=base)
    image = MultiArchImage.load(client, ref(registry)).for_platform(Platform.parse("windows/amd64"))
    assert [layer.digest for layer in image.files.foreign] == [base["digest"]]
    assert image.files.exists("etc/shared")
    with pytest.raises(NotInImage, match="1 foreign layers were not read: sha256:ffff"):
        image.files.stat("/Windows")
    assert registry.asked("GET", "ffff") == []
    with pytest.raises(LayerError, match=r"may not be distributed.*\nIt can be had from https://example.com/base"):
        client.layers.layer(client, ref(registry), image.layers[0])


def test_encrypted_and_oddly_compressed_layers_are_named() -> None:
    reader = MemoryReader()
    with reader.layers as store:
        with pytest.raises(LayerError, match="it is encrypted"):
            store.layer(reader, NAME, reader.add(b"secret", OCI_LAYER_GZIP + "+encrypted"))
        with pytest.raises(LayerError, match="compressed with xz"):
            store.layer(reader, NAME, reader.add(b"\xfd7zXZ\x00...."))
        with pytest.raises(LayerError, match="no tar header"):
            _ = store.layer(reader, NAME, reader.add(b"{}" * 512, "application/vnd.in-toto+json")).tree


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (LayerLimits(layer=1_000_000), "more than 1,000,000 bytes\nIf it is no attack, raise LayerLimits.layer"),
        (LayerLimits(ratio=50, ratio_from=100_000), r"more than 50 times as many\n.*LayerLimits.ratio"),
        (LayerLimits(total=1_000_000), r"more than 1,000,000 bytes\n.*LayerLimits.total"),
    ],
    ids=["layer", "ratio", "total"],
)
def test_bombs_are_stopped(pack: Callable[[bytes], bytes], limits: LayerLimits, said: str, temporary: Path) -> None:
    reader = MemoryReader()
    bomb = reader.add(pack(bytes(20_000_000)))
    with LayerStore(limits=limits) as store:
        with pytest.raises(LayerError, match=said):
            store.layer(reader, NAME, bomb)
        [folder] = temporary.iterdir()
        assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == ["lock"]
        assert store.layer(reader, NAME, reader.add(gzip.compress(SHARED))).size == len(SHARED)


def test_a_layer_larger_than_the_limit_is_not_even_fetched() -> None:
    reader = MemoryReader()
    with LayerStore(limits=LayerLimits(layer=1000)) as store, pytest.raises(LayerError, match="more than 1,000 bytes"):
        store.layer(reader, NAME, reader.add(bytes(1001)))
    assert reader.asked == []


def test_entries_are_bounded() -> None:
    few = LayerLimits(entries=100)
    with tree_of([file(f"f{number}") for number in range(90)], limits=few) as files:
        assert len(list(files.walk())) == 90
    for layer in (
        [file(f"f{number}") for number in range(101)],
        [file("/".join("x" * 101))],
        [file("target"), *(hard_link(f"l{number}", "lower") for number in range(60))],
    ):
        with pytest.raises(LayerError, match="more than 100 entries"), tree_of([file("lower")], layer, limits=few):
            pass


def test_entries_of_all_layers_together_are_bounded() -> None:
    few = LayerLimits(entries=100, all_entries=150)
    layers = [[file(f"{layer}-{number}") for number in range(70)] for layer in range(3)]
    with tree_of(*layers[:2], limits=few) as files:
        assert len(list(files.walk())) == 140
    said = r"layers of this run have more than 150 entries\n.*raise LayerLimits.all_entries"
    with pytest.raises(LayerError, match=said), tree_of(*layers, limits=few):
        pass


def test_entries_of_a_layer_that_is_refused_do_not_count_for_others() -> None:
    reader = MemoryReader()
    with LayerStore(limits=LayerLimits(entries=100, all_entries=150)) as store:
        for layer in (
            tar(*(file(f"{number}") for number in range(101))),
            tar(*(file(f"{number}") for number in range(60)), file("0/x")),
        ):
            with pytest.raises(LayerError):
                store.all(reader, NAME, [reader.add(layer)])
        whole = reader.add(tar(*(file(f"{number}") for number in range(99))))
        for _ in range(2):
            [kept] = store.all(reader, NAME, [whole])
            assert len(kept.tree.root.children) == 99


def test_closing_stops_whoever_fetches() -> None:
    reader = MemoryReader()
    described = reader.add(SHARED)
    _ = reader.layers.layer(reader, NAME, described)
    reader.layers.close()
    with pytest.raises(MultiArchError, match="closed"):
        reader.layers.layer(reader, NAME, reader.add(tar(file("x"))))
