"""rpm's databases."""

from __future__ import annotations

import sqlite3 as database
import struct
import tempfile
from pathlib import Path

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.packages import Package, read_rpm
from tests.unit.packages.trees import ARCH, NAME, RELEASE, VERSION, Tree, bash, header, ndb, sqlite

SQLITE, NDB = "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/Packages.db"
BASH = Package("bash", "5.1.8-9.el9", "x86_64", "rpm")
SAMPLE = (Path(__file__).parent / "data" / "sample-libs.header").read_bytes()


def read(*headers: bytes) -> tuple[Package, ...]:
    return read_rpm(Tree({NDB: ndb(list(headers))}))


def test_what_rpm_itself_wrote_is_read(tmp_path: Path) -> None:
    expected = (Package("sample-libs", "2:1.0-3", "x86_64", "rpm", "sample"),)
    assert read_rpm(Tree({SQLITE: sqlite(tmp_path, [SAMPLE])})) == expected
    assert read(SAMPLE) == expected


def test_an_sqlite_database_is_read(tmp_path: Path) -> None:
    headers = [bash(), bash(name="openssl-libs", epoch=1, source="openssl-3.0.7-1.el9.src.rpm")]
    assert read_rpm(Tree({SQLITE: sqlite(tmp_path, headers)})) == (
        BASH,
        Package("openssl-libs", "1:5.1.8-9.el9", "x86_64", "rpm", "openssl"),
    )


def test_what_is_only_in_sqlites_log_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "rpmdb.sqlite"
    path.write_bytes(sqlite(tmp_path, [bash()]))
    connection = database.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    with connection:
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (bash(name="zsh"),))
    log = path.with_name("rpmdb.sqlite-wal").read_bytes()
    files: dict[str, bytes | str] = {SQLITE: path.read_bytes(), f"{SQLITE}-wal": log}
    connection.close()
    assert [one.name for one in read_rpm(Tree(files))] == ["bash", "zsh"]


def test_an_ndb_is_read() -> None:
    assert read(bash(), bash(name="zsh", source="zsh-5-1.src.rpm")) == (
        BASH,
        Package("zsh", "5.1.8-9.el9", "x86_64", "rpm"),
    )


def test_a_database_that_two_paths_lead_to_counts_once() -> None:
    data = ndb([bash()])
    assert read_rpm(Tree({NDB: data, "/var/lib/rpm/Packages.db": data})) == (BASH,)


def test_keys_are_no_packages() -> None:
    assert read(bash(name="gpg-pubkey"), bash()) == (BASH,)


def test_a_package_without_architecture_or_source_has_none() -> None:
    assert read(header({NAME: "x", VERSION: "1", RELEASE: "1"})) == (Package("x", "1-1", "", "rpm"),)


def test_a_berkeley_db_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"it is a Berkeley DB, which only rpm before 4\.16 writes"):
        read_rpm(Tree({"/var/lib/rpm/Packages": bytes(4096)}))


def long_name() -> bytes:
    return header({NAME: "x" * 2000, VERSION: "1", RELEASE: "1"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0\0\0", "3 bytes, too few for a header"),
        (b"\xff" * 8, "4294967295 tags and 4294967295 bytes of data do not fit into its 8 bytes"),
        (bash()[:-1], "do not fit"),
        (header({VERSION: "1", RELEASE: "1"}), "the name is missing"),
        (header({NAME: "x", RELEASE: "1"}), "the version is missing"),
        (header({NAME: "x", VERSION: "1"}), "the release is missing"),
        (header({NAME: "x y", VERSION: "1", RELEASE: "1"}), "the name cannot be 'x y'"),
        (header({NAME: "x", VERSION: "1", RELEASE: "1", ARCH: "\a"}), "the architecture cannot be"),
        (long_name(), "the text of tag 1000 does not end"),
        (struct.pack(">IIIIiI", 1, 4, NAME, 6, 4, 1) + b"abcd", "tag 1000 points outside of its data"),
        (struct.pack(">IIIIiI", 1, 4, NAME, 6, -1, 1) + b"abcd", "tag 1000 points outside of its data"),
        (struct.pack(">IIIIiI", 1, 4, NAME, 4, 2, 1) + b"abcd", "tag 1000 points outside of its data"),
        (struct.pack(">IIIIiI", 1, 4, NAME, 6, 0, 1) + b"abcd", "the text of tag 1000 does not end"),
        (struct.pack(">IIIIiI", 1, 4, NAME, 7, 0, 4) + b"abcd", "tag 1000 has type 7"),
    ],
)
def test_a_broken_header_is_refused_with_its_number(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=f"Packages.db: header 2: .*{message}"):
        read(bash(), data)


def changed(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


GOOD = ndb([bash()])
SLOT = 32 + 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "beginning: it is not rpm's ndb"),
        (changed(GOOD, 0, b"X"), "beginning: it is not rpm's ndb"),
        (changed(GOOD, 4, b"\1"), "beginning: version 1 of ndb"),
        (changed(GOOD, 12, b"\0\0\0\0"), "beginning: 0 pages of slots do not fit"),
        (changed(GOOD, 12, b"\xff\xff\xff\xff"), "beginning: 4294967295 pages of slots do not fit"),
        (changed(GOOD, SLOT, b"X"), "slot at 0x30: it is no slot"),
        (changed(GOOD, SLOT + 8, b"\xff\xff\xff\xff"), "header 1: there is none at"),
        (changed(GOOD, SLOT + 4, b"\7"), "header 7: there is none at"),
        (changed(GOOD, SLOT + 12, b"\1"), "header 1: its .* bytes are more than its slot has"),
        (changed(GOOD, SLOT + 12, b"\xff\xff\xff\xff"), "slot at 0x30: the slots point to more than there is"),
    ],
)
def test_a_broken_ndb_is_refused_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_rpm(Tree({NDB: data}))


def test_headers_that_share_their_place_are_refused() -> None:
    slot = GOOD[SLOT : SLOT + 16]
    with pytest.raises(DocumentError, match="the slots point to more than there is"):
        read_rpm(Tree({NDB: changed(GOOD, SLOT, slot * 200)}))


@pytest.mark.parametrize("data", [b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_what_is_no_sqlite_database_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"read the package database /var/lib/rpm/rpmdb\.sqlite: "):
        read_rpm(Tree({SQLITE: data}))


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB AS (zeroblob(9)))",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, other BLOB)",
        "CREATE TABLE Others (hnum INTEGER PRIMARY KEY, blob BLOB)",
        "CREATE VIEW Packages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS hnum, zeroblob(9) AS blob FROM n",
    ],
)
def test_a_table_that_is_not_rpms_is_refused(tmp_path: Path, table: str) -> None:
    data = sqlite(tmp_path, [], table=table)
    with pytest.raises(DocumentError, match="it has no table Packages as rpm makes it"):
        read_rpm(Tree({SQLITE: data}))


def test_a_row_that_is_no_header_is_refused(tmp_path: Path) -> None:
    data = sqlite(tmp_path, [7])
    with pytest.raises(DocumentError, match="table Packages: a row that is no header"):
        read_rpm(Tree({SQLITE: data}))


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = sqlite(tmp_path, [bash(), b"broken"])
    with pytest.raises(DocumentError) as caught:
        read_rpm(Tree({SQLITE: data}))
    # The error is still held, and with it everything that its frames hold.
    assert [one.name for one in tmp_path.iterdir()] == ["made.sqlite"]
    assert caught.value.found
