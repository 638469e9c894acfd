"""Whatever a layer holds: the right answer or an error of ours, in bounded time and memory, and nothing written elsewhere."""

from __future__ import annotations

import gzip
import io
import resource
import subprocess
import sys
import tarfile
import textwrap
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pytest_multiarch.errors import LayerError, LinkLoop, MultiArchError, NotInImage
from pytest_multiarch.image.filesystem import ImageFiles
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.limits import EntryBudget, LayerLimits
from pytest_multiarch.image.members import Member
from pytest_multiarch.image.tar import TarReader
from tests.unit.files.common import (
    NAME,
    MemoryReader,
    directory,
    file,
    hard_link,
    node,
    opaque,
    symlink,
    tar,
    tree_of,
    whiteout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.files.common import Entry

SMALL = LayerLimits(layer=2_000_000, total=8_000_000, ratio_from=1_000_000, entries=5000)
SAMPLE = tar(
    directory("usr/lib", mode=0o755),
    file("usr/lib/a.so", b"\x7fELF" + bytes(900), mode=0o755),
    symlink("lib", "usr/lib"),
    hard_link("usr/lib/b.so", "usr/lib/a.so"),
    node("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
    file("n" * 150, b"long name"),
    whiteout("gone"),
    opaque("opt"),
)
PACKED = {"plain": SAMPLE, "gzip": gzip.compress(SAMPLE, mtime=0), "zstd": zstandard.compress(SAMPLE)}

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def look(*layers: bytes, limits: LayerLimits = SMALL) -> None:
    """Read everything that these layers hold; only errors of ours may come out."""
    reader = MemoryReader()
    with LayerStore(limits=limits) as store:
        try:
            files = ImageFiles("app", store.all(reader, NAME, [reader.add(layer) for layer in layers]))
        except MultiArchError as error:
            refusal = error
        else:
            for entry in files.walk():
                assert files.exists(entry.path) or entry.is_symlink
                assert files.stat(entry.path, follow=False) == entry
                if entry.is_file:
                    assert len(files.read_start(entry.path, 2000)) == min(2000, entry.size)
            files.glob("/**/*")
            return
    assert refusal.found
    assert all(line.isprintable() for line in str(refusal).split("\n"))


@pytest.mark.parametrize("kind", PACKED)
@quick
@given(data=st.data())
def test_cut_off_layers(kind: str, data: st.DataObject) -> None:
    packed = PACKED[kind]
    look(packed[: data.draw(st.integers(0, len(packed) - 1))])


@pytest.mark.parametrize("kind", PACKED)
@quick
@given(data=st.data())
def test_layers_with_flipped_bits(kind: str, data: st.DataObject) -> None:
    packed = bytearray(PACKED[kind])
    for place in data.draw(st.lists(st.integers(0, len(packed) * 8 - 1), min_size=1, max_size=4)):
        packed[place // 8] ^= 1 << place % 8
    look(bytes(packed))


@quick
@given(
    junk=st.binary(max_size=3000),
    start=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", PACKED["gzip"], PACKED["zstd"], SAMPLE]),
)
def test_layers_of_junk(junk: bytes, start: bytes) -> None:
    look(start + junk)


@quick
@given(place=st.integers(0, 511), value=st.binary(min_size=1, max_size=30), which=st.integers(0, 3))
def test_headers_that_lie_and_have_the_right_checksum(place: int, value: bytes, which: int) -> None:
    positions = (0, 1024, 2560, 4096)
    data = bytearray(SAMPLE)
    header = bytearray(data[positions[which] : positions[which] + 512])
    header[place : place + len(value)] = value[: 512 - place]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[positions[which] : positions[which] + 512] = header
    look(bytes(data))


NAMES = st.lists(
    st.sampled_from(["a", "b", "c", "..", ".", "", ".wh.a", ".wh..wh..opq", "n" * 120]), min_size=1, max_size=5
).map("/".join)
ENTRIES = st.one_of(
    st.builds(file, NAMES, st.binary(max_size=20)),
    st.builds(directory, NAMES),
    st.builds(symlink, NAMES, NAMES.filter(bool)),
    st.builds(symlink, NAMES, NAMES.map("/{}".format)),
    st.builds(hard_link, NAMES, NAMES.filter(bool)),
    st.builds(node, NAMES, st.sampled_from([tarfile.FIFOTYPE, tarfile.CHRTYPE])),
)
LAYERS = st.lists(st.lists(ENTRIES, max_size=8).map(lambda entries: tar(*entries)), min_size=1, max_size=3)


@settings(parent=quick, max_examples=300)
@given(layers=LAYERS)
def test_any_entries_in_any_order(layers: list[bytes]) -> None:
    look(*layers)


@settings(parent=quick, max_examples=150)
@given(entries=st.lists(ENTRIES, max_size=10), format=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_archives_are_read_as_python_reads_them(entries: list[Entry], format: int) -> None:
    data = tar(*entries, format=format)
    reader = MemoryReader()
    with reader.layers as store:
        layer = store.layer(reader, NAME, reader.add(data))
        found = list(TarReader(layer.content, "x", "", EntryBudget("x", 1000)))
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            expected = archive.getmembers()
            # tarfile strips the slashes at a name's end
            assert [one.name.rstrip("/") for one in found] == [one.name.rstrip("/") for one in expected]
            for one, other in zip(found, expected, strict=True):
                assert (one.member.mode, one.member.size) == (other.mode, other.size)
                assert (one.links_to or one.member.target) == (other.linkname if other.issym() or other.islnk() else "")
                content = archive.extractfile(other) if other.isreg() else None
                assert one.member.read(100) == (content.read() if content else b"")


@settings(parent=quick, max_examples=150)
@given(
    entries=st.lists(st.one_of(st.builds(file, NAMES, st.binary(max_size=9)), st.builds(directory, NAMES)), max_size=8)
)
def test_one_layer_twice_is_the_same_as_once(entries: list[Entry]) -> None:
    data = tar(*entries)
    try:
        with tree_of(data) as once, tree_of(data, tar(), data) as twice:
            assert [entry.path for entry in once.walk()] == [entry.path for entry in twice.walk()]
    except LayerError:
        assume(False)


@contextmanager
def bounded(seconds: float, megabytes: float | None = None) -> Iterator[None]:
    """Fail where a block takes more time or memory, far above what it takes, far below what an attack would.

    Counting memory makes everything several times slower.
    """
    if megabytes is not None:
        tracemalloc.start()
    started = time.monotonic()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < seconds
    assert megabytes is None or peak < megabytes * 1_000_000


MANY = """
    import re, sys
    from pathlib import Path
    from pytest_multiarch.image.changeset import Changeset, implied_directory
    from pytest_multiarch.image.limits import EntryBudget
    from pytest_multiarch.image.spool import SpoolFile
    from pytest_multiarch.image.tar import TarReader
    from pytest_multiarch.image.tree import Directory, apply_layer, below

    def peak():  # not ru_maxrss, which begins with the parent's
        return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1000

    path = Path(sys.argv[1])
    before = peak()
    budget = EntryBudget("layer", 1_000_000)
    tree = Changeset("layer", "", budget).fold(TarReader(SpoolFile(path, path.stat().st_size), "layer", "", budget))
    root = Directory(implied_directory(""))
    apply_layer(root, tree, budget)
    print(sum(1 for _ in below("", root)), peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it")
def test_a_hundred_thousand_entries_take_less_than_a_hundred_megabytes(tmp_path: Path) -> None:
    with (tmp_path / "layer.tar").open("wb") as file:
        for number in range(100_000):
            name = f"usr/lib/python3/dist-packages/package{number % 500}/module{number}.py"
            file.write(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    command = [sys.executable, "-c", textwrap.dedent(MANY), str(tmp_path / "layer.tar")]
    with bounded(60):
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    entries, megabytes = map(int, result.stdout.split())
    assert entries == 100_504
    assert 0 < megabytes < 100


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_unpacked_in_small_pieces(pack: Callable[[bytes], bytes]) -> None:
    reader = MemoryReader()
    bomb = reader.add(pack(bytes(400_000_000)))
    limits = LayerLimits(layer=300_000_000, ratio_from=2**40)
    with LayerStore(limits=limits) as store, bounded(60, 5), pytest.raises(LayerError, match="more than 300,000,000"):
        store.layer(reader, NAME, bomb)
    with LayerStore() as store, bounded(60, 5), pytest.raises(LayerError, match="more than 250 times as many"):
        store.layer(reader, NAME, bomb)


def test_deep_nesting_is_no_trouble_up_to_the_longest_path_and_refused_beyond() -> None:
    deep = "/".join("d" * 2047)
    with bounded(30), tree_of([file(f"{deep}/f", b"x")]) as files:
        assert files.read_bytes(f"{deep}/f") == b"x"
        assert sum(1 for _ in files.walk()) == 2048
        assert len(files.glob("/**/f")) == 1
    half = "/".join("d" * 1500)
    longer = [directory(half), symlink("s", half), directory(f"s/{half}")]
    with pytest.raises(LayerError, match="deeper than 2048"), tree_of(longer):
        pass


def test_implied_directories_count_as_entries() -> None:
    many = [file("/".join([f"{number}", *("d" * 500)])) for number in range(1000)]
    limits = LayerLimits(entries=100_000)
    with bounded(30, 120), pytest.raises(LayerError, match="more than 100,000 entries"), tree_of(many, limits=limits):
        pass


def test_long_chains_of_links_are_bounded_in_time() -> None:
    detour = "x/.." + "/x/.." * 600
    chain = [directory("x"), *(symlink(f"l{number}", f"{detour}/l{number + 1}") for number in range(39))]
    inside = [directory("l39"), *(file(f"l0/f{number}") for number in range(3000))]
    below = [hard_link(f"h{number}", "l0/f") for number in range(3000)]
    limits = LayerLimits(entries=100_000)
    with (
        bounded(60),
        pytest.raises(LayerError, match="more than 100,000 entries"),
        tree_of([*chain, *inside], limits=limits),
    ):
        pass
    with (
        bounded(60),
        pytest.raises(LayerError, match="more than 100,000 entries"),
        tree_of([*chain, file("l39/f")], below, limits=limits),
    ):
        pass


def test_large_attributes_count_as_entries() -> None:
    def heavy(number: int) -> Entry:
        info, content = file(f"f{number}")
        info.pax_headers = {"SCHILY.xattr.user.x": "x" * 500_000}
        return info, content

    limits = LayerLimits(entries=10_000)
    data = tar(*(heavy(number) for number in range(20)))
    with bounded(30, 60), pytest.raises(LayerError, match="more than 10,000 entries"), tree_of(data, limits=limits):
        pass


def test_a_sparse_file_of_ten_gigabytes_is_not_read_whole() -> None:
    info, content = file("sparse", b"end")
    size = 10 * 1024**3
    info.pax_headers = {"GNU.sparse.map": f"{size - 3},3", "GNU.sparse.size": str(size), "GNU.sparse.name": "sparse"}
    with bounded(10, 5), tree_of([(info, content)]) as files:
        assert files.stat("sparse").size == size
        with pytest.raises(MultiArchError, match="more than the 67108864"):
            files.read_bytes("sparse")
        with files.open("sparse") as stream:
            stream.seek(-3, 2)
            assert stream.read() == b"end"


@pytest.mark.parametrize(
    ("holes", "stored", "begins"),
    [
        ("0,4,8,1", b"\x7fELFx", b"\x7fELF"),
        ("0,1,1,1,2,1,3,1,50,1", b"\x7fELFx", b"\x7fELF"),
        ("1,1,3,9", b"ELF567890x", b"\0E\0L"),
        ("50,2", b"xx", b"\0\0\0\0"),
    ],
)
def test_how_a_sparse_file_begins_is_told_without_its_map(
    monkeypatch: pytest.MonkeyPatch, holes: str, stored: bytes, begins: bytes
) -> None:
    opened: list[str] = []
    info, content = file("f", stored)
    info.pax_headers = {"GNU.sparse.map": holes, "GNU.sparse.size": "100", "GNU.sparse.name": "f"}
    links = [hard_link(f"l{number}", "f") for number in range(50)]
    with tree_of([(info, content), *links], [hard_link("later", "f")]) as files:
        assert files.read_start("f", 4) == begins
        monkeypatch.setattr(Member, "open", lambda member: opened.append("map"))
        assert len(list(files.files_beginning(begins))) == 52
        assert list(files.files_beginning(b"none")) == []
    assert opened == []


def test_many_whiteouts_take_no_longer_than_the_files() -> None:
    names = [f"d/{number}" for number in range(10_000)]
    with bounded(60), tree_of([file(name) for name in names], [whiteout(name) for name in names]) as files:
        assert [entry.path for entry in files.walk()] == ["/d"]


def test_many_empty_gzip_members_take_time_in_proportion() -> None:
    reader = MemoryReader()
    data = gzip.compress(b"", mtime=0) * 50_000
    with reader.layers as store, bounded(30, 10):
        assert store.layer(reader, NAME, reader.add(data)).size == 0


def test_links_out_of_the_image_lead_nowhere() -> None:
    outside = "/../" * 20 + "etc/passwd"
    with tree_of(
        [symlink("a", outside), symlink("b", "/etc/passwd"), symlink("c", "/proc/self/root/etc/passwd")]
    ) as files:
        for path in ("a", "b", "c", "../../../etc/passwd", "/proc/self/environ"):
            assert not files.exists(path)
            with pytest.raises((NotInImage, LinkLoop)):
                files.read_bytes(path)


def test_no_file_is_held_open_between_reads() -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    layers = [[file(f"f{number}", b"x")] for number in range(150)]
    with tree_of(*layers) as files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            assert all(files.read_bytes(f"f{number}") == b"x" for number in range(150))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
