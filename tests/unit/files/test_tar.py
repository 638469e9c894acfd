"""The archive's headers: what other programs write is read as they mean it, what is damaged is refused."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import LayerError
from tests.unit.files.common import directory, file, hard_link, node, symlink, tar, tree_of

if TYPE_CHECKING:
    from tests.unit.files.common import Entry

FORMATS = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}


def header(name: str = "a", **more: Any) -> bytes:
    return tar(file(name, **more))[:512]


def mended(block: bytes) -> bytes:
    """Return a header with the checksum that it should have."""
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def with_pax(entry: Entry, **records: str) -> Entry:
    entry[0].pax_headers = {key.replace("__", "."): value for key, value in records.items()}
    return entry


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_every_format_is_read(format: int) -> None:
    long = "d/" * 60 + "file"
    entries = [
        directory("dir", mode=0o1777, mtime=12),
        file("dir/a", b"12345", uid=1, gid=2, uname="u", gname="g", mode=0o640, mtime=1_600_000_000),
        symlink("link", "dir/a"),
        hard_link("hard", "dir/a", uid=1, gid=2, uname="u", gname="g", mode=0o640, mtime=1_600_000_000),
        node("dev", tarfile.CHRTYPE, devmajor=5, devminor=1),
        file(long, b"long"),
    ]
    with tree_of(tar(*entries, format=format)) as files:
        found = {entry.path: entry for entry in files.walk()}
        assert files.read_bytes("hard") == b"12345"
        assert files.read_bytes(long) == b"long"
        a = found["/dir/a"]
        assert (a.uid, a.gid, a.user, a.group, a.mode, a.mtime, a.size) == (1, 2, "u", "g", 0o640, 1_600_000_000, 5)
        assert (found["/dir"].mode, found["/dir"].mtime) == (0o1777, 12)
        assert found["/dev"].device == (5, 1)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_long_names_large_numbers_and_other_letters_are_read(format: int) -> None:
    name, target = "ü" * 70 + "/" + "n" * 300, "t" * 300
    entries = [file(name, b"x", uid=3_000_000, gid=2**40, mtime=-5), symlink("link", target)]
    with tree_of(tar(*entries, format=format)) as files:
        entry = files.stat(name)
        assert (entry.uid, entry.gid, entry.mtime) == (3_000_000, 2**40, -5)
        assert files.readlink("link") == target


def test_global_headers_do_not_count() -> None:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "77", "comment": "x"}
    ) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    with tree_of(buffer.getvalue()) as files:
        assert files.uid("a") == 0


def test_archives_of_the_seventies_are_read() -> None:
    old = bytearray(header("dir/"))
    old[156] = 0
    old[257:] = bytes(512 - 257)
    with tree_of(mended(bytes(old))) as files:
        assert files.is_dir("dir")


def test_checksums_of_signed_bytes_are_taken() -> None:
    block = bytearray(tar(file("\udce9"), format=tarfile.GNU_FORMAT)[:512])
    plain = sum(block[:148]) + 256 + sum(block[156:])
    block[148:156] = b"%06o\0 " % (plain - 256)
    with tree_of(bytes(block)) as files:
        assert [entry.path for entry in files.walk()] == ["/\udce9"]


@pytest.mark.parametrize("data", [b"", bytes(512), bytes(1024), bytes(10240), bytes(1024) + b"x" * 5000])
def test_an_empty_archive_is_an_empty_layer(data: bytes) -> None:
    with tree_of(data) as files:
        assert list(files.walk()) == []


def test_the_end_mark_may_be_missing() -> None:
    with tree_of(header()) as files:
        assert files.exists("a")


GOOD = tar(file("a", b"x" * 600), file("b", b"y"))
PAX = tar(with_pax(file("a"), comment="x" * 600))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GOOD[:700], "'a' is cut off: 600 bytes should follow"),
        (GOOD[:1600], "cut off in the middle of a header"),
        (
            GOOD[:512] + b"\xff" * 512 + GOOD[1024:1536] + b"not a header" + GOOD[1548:],
            "at byte 1536: no tar header, or a damaged one",
        ),
        (GOOD[:1536] + bytes(512) + GOOD[1536:], "a block of zeros, but more after it"),
        (PAX[:700], "middle of an extended header"),
        (PAX[:1536], "belongs to no entry"),
        (mended(header()[:156] + b"V" + header()[157:]), "unknown type 'V'"),
        (mended(header()[:124] + b"9" * 11 + b"\0" + header()[136:]), "where an octal number should be"),
        (mended(header()[:124] + b"\xff" * 12 + header()[136:]), "is cut off: -1 bytes"),
        (mended(header()[:124] + b"\x80" + b"\xff" * 11 + header()[136:]), "is cut off"),
        (
            mended(header()[:124] + b"77777777777\0" + header()[136:156] + b"x" + header()[157:]),
            "more than the 1048576",
        ),
        (mended(header()[:156] + b"2" + header()[157:]), "'a' is a link to nothing"),
        (tar(file("n" * 4097)), "a name of 4097 bytes"),
        (tar(symlink("a", "n" * 4097)), "a name of 4097 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_archives_are_refused_with_the_place(data: bytes, said: str) -> None:
    with pytest.raises(LayerError, match=said) as caught, tree_of(data):
        pass
    assert "read the archive of layer sha256:" in str(caught.value)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (b"nonsense", "without its length"),
        (b"5 a=\n", ""),
        (b"6 a=x\n", ""),
        (b"99 a=x\n", "not 'length key=value'"),
        (b"0 a=x\n", "not 'length key=value'"),
        (b"5 =x\n", "not 'length key=value'"),
        (b"11 path=a\0\n", "with a zero byte"),
        (b"9 uid=-x\n", "should be a number"),
        (b"13 mtime=nan\n", "should be a time"),
        (b"13 size=-100\n", "cut off"),
        (b"99999999999 a=x\n", "without its length"),
    ],
)
def test_records_are_checked(records: bytes, said: str) -> None:
    block = bytearray(header("pax"))
    block[156] = ord("x")
    block[124:136] = b"%011o\0" % len(records)
    data = mended(bytes(block)) + records.ljust(512, b"\0") + header("a")
    if not said:
        with tree_of(data) as files:
            assert files.exists("a")
        return
    with pytest.raises(LayerError, match=said), tree_of(data):
        pass


SPARSE = b"AAAA" + b"BB"
TEN_GIB = 10 * 1024**3


def sparse_layers() -> dict[str, bytes]:
    """Return a file of 10 GiB with six bytes in it, in every way that GNU tar has written one."""
    last = TEN_GIB - 2
    old = bytearray(header("sparse"))
    old[156] = ord("S")
    old[257:265] = b"ustar  \0"
    old[124:136] = b"%011o\0" % len(SPARSE)
    old[483:495] = b"\x80" + TEN_GIB.to_bytes(11, "big")
    old[345:386] = bytes(41)
    extended = bytearray(512)
    pairs = [(1000, 4), (5000, 0), (6000, 0), (7000, 0), (last, 2), (TEN_GIB, 0)]
    for index, (offset, length) in enumerate(pairs):
        raw = b"\x80" + offset.to_bytes(11, "big") + b"%011o\0" % length
        place, start = (old, 386 + 24 * index) if index < 4 else (extended, 24 * (index - 4))
        place[start : start + 24] = raw
    old[482] = 1
    content = SPARSE.ljust(512, b"\0")
    numbers = f"2\n1000\n4\n{last}\n2\n".encode()
    one = with_pax(
        file("GNUSparseFile.0/sparse", numbers.ljust(512, b"\0") + SPARSE),
        GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__name="sparse", GNU__sparse__realsize=str(TEN_GIB),
    )  # fmt: skip
    comma = with_pax(
        file("GNUSparseFile.0/sparse", SPARSE),
        GNU__sparse__map=f"1000,4,{last},2", GNU__sparse__name="sparse", GNU__sparse__size=str(TEN_GIB), GNU__sparse__numblocks="2",
    )  # fmt: skip
    records = b"".join(
        _record(key, value)
        for key, value in (
            ("GNU.sparse.size", str(TEN_GIB)), ("GNU.sparse.numblocks", "2"),
            ("GNU.sparse.offset", "1000"), ("GNU.sparse.numbytes", "4"),
            ("GNU.sparse.offset", str(last)), ("GNU.sparse.numbytes", "2"),
        )
    )  # fmt: skip
    block = bytearray(header("pax"))
    block[156] = ord("x")
    block[124:136] = b"%011o\0" % len(records)
    zero = mended(bytes(block)) + records.ljust(512, b"\0") + tar(file("sparse", SPARSE))
    return {
        "old": mended(bytes(old)) + bytes(extended) + content + header("after"),
        "0.0": zero,
        "0.1": tar(comma),
        "1.0": tar(one),
    }


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 2
    return f"{length}".encode() + body


@pytest.mark.parametrize("kind", ["old", "0.0", "0.1", "1.0"])
def test_sparse_files_are_read_without_their_holes_taking_room(kind: str) -> None:
    with tree_of(sparse_layers()[kind]) as files:
        assert files.stat("sparse").size == TEN_GIB
        assert files.exists("after") == (kind == "old")
        with files.open("sparse") as stream:
            assert stream.read(1004) == bytes(1000) + b"AAAA"
            assert stream.read(3) == bytes(3)
            assert stream.seek(-4, 2) == TEN_GIB - 4
            assert stream.read() == b"\0\0BB"
            assert stream.seek(5 * 1024**3) == 5 * 1024**3
            assert stream.read(100) == bytes(100)
        assert files.read_start("sparse", 1002) == bytes(1000) + b"AA"


@pytest.mark.parametrize(
    ("sparse_map", "size", "said"),
    [
        ("0,4,2,2", "100", "overlap"),
        ("5,1,0,5", "100", "overlap"),
        ("0,6", "5", "outside the file"),
        ("0,5", "100", "another size than is stored"),
        ("0,6,7", "100", "without sense"),
        ("0,x", "100", "should be a number"),
        ("0,6", "-1", "without sense"),
        ("0,-6,0,12", "100", "overlap"),
        ("0,6", "", "should be a number"),
    ],
)
def test_broken_sparse_maps_are_refused(sparse_map: str, size: str, said: str) -> None:
    entry = with_pax(file("a", SPARSE), GNU__sparse__map=sparse_map, GNU__sparse__size=size)
    with pytest.raises(LayerError, match=said), tree_of([entry]):
        pass


@pytest.mark.parametrize("numbers", [b"", b"1\n0\n", b"9999999999\n", b"-1\n", b"x\n", b"1\n0\n6"])
def test_broken_sparse_maps_before_the_content_are_refused(numbers: bytes) -> None:
    content = numbers.ljust(512, b"\0") + SPARSE
    entry = with_pax(file("a", content), GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize="100")
    with pytest.raises(LayerError, match=r"sparse map|should be a number"), tree_of([entry]):
        pass
