"""Whatever a database holds: packages or a DocumentError."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.packages import (
    Distribution,
    read_apk,
    read_distributions,
    read_dpkg,
    read_rpm,
    wheel_fits,
)
from pytest_multiarch.platforms import Platform
from tests.unit.packages.test_dpkg_and_apk import INSTALLED, STATUS
from tests.unit.packages.test_rpm import NDB, SAMPLE, SQLITE
from tests.unit.packages.trees import Tree, bash, ndb, sqlite

if TYPE_CHECKING:
    from pytest_multiarch.image.packages import (
        Package,
    )

quietly = settings(derandomize=True, database=None, deadline=None, max_examples=300)
PLATFORM = Platform.parse("linux/arm/v7")


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 5))):
        changed[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(changed[: draw(st.integers(0, len(data)) | st.just(len(data)))])


def check(packages: tuple[Package, ...]) -> None:
    for one in packages:
        assert one.name
        assert one.version
        assert f"{one.name}{one.version}{one.architecture}".isprintable()


@quietly
@given(damaged(STATUS.encode()) | st.binary(max_size=200))
def test_dpkg(data: bytes) -> None:
    try:
        check(read_dpkg(Tree({"/var/lib/dpkg/status": data})))
    except DocumentError:
        return


@quietly
@given(damaged(INSTALLED.encode()) | st.binary(max_size=200))
def test_apk(data: bytes) -> None:
    try:
        check(read_apk(Tree({"/lib/apk/db/installed": data})))
    except DocumentError:
        return


@quietly
@given(damaged(bash(epoch=1, source="bash-5-1.src.rpm")) | damaged(SAMPLE) | st.binary(max_size=100))
def test_rpm_headers(data: bytes) -> None:
    try:
        check(read_rpm(Tree({NDB: ndb([data])})))
    except DocumentError:
        return


@quietly
@given(damaged(ndb([bash()])) | damaged(ndb([bash()])[:64]))
def test_ndb(data: bytes) -> None:
    try:
        check(read_rpm(Tree({NDB: data})))
    except DocumentError:
        return


with tempfile.TemporaryDirectory() as folder:
    DATABASE = sqlite(Path(folder), [bash(), SAMPLE])


@settings(quietly, max_examples=100)
@given(damaged(DATABASE), damaged(DATABASE[:200]))
def test_sqlite(data: bytes, beginning: bytes) -> None:
    for one in (data, beginning + DATABASE[len(beginning) :]):
        with suppress(DocumentError):
            check(read_rpm(Tree({SQLITE: one})))


def test_sqlite_with_a_schema_that_is_no_text() -> None:
    broken = DATABASE.replace(b"CREATE TABLE", b"CREATE TABL\xf3")
    assert broken != DATABASE
    with pytest.raises(DocumentError, match="SQLite says"):
        read_rpm(Tree({SQLITE: broken}))


@quietly
@given(damaged(b"Name: x\nVersion: 1\n\n"), damaged(b"Wheel-Version: 1.0\nTag: cp311-cp311-linux_armv7l\n"))
def test_python_distributions(metadata: bytes, wheel: bytes) -> None:
    tree = Tree({"/x.dist-info/METADATA": metadata, "/x.dist-info/WHEEL": wheel})
    try:
        found = read_distributions(tree)
    except DocumentError:
        return
    for one in found:
        assert isinstance(one, Distribution)
        wheel_fits(one.tags, PLATFORM)


@pytest.mark.parametrize(
    "data", [b"\n" * 5_000_000, b"a:\n" * 1_000_000, b" \n" * 1_000_000, b"Package: x\nVersion: 1\n\n" * 100_000]
)
def test_large_texts_take_no_longer_than_their_size(data: bytes) -> None:
    start = time.process_time()
    for path, read in (("/var/lib/dpkg/status", read_dpkg), ("/lib/apk/db/installed", read_apk)):
        with suppress(DocumentError):
            read(Tree({path: data}))
    assert time.process_time() - start < 10


def test_a_query_without_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pytest_multiarch.image.packages.rpm_sqlite._SECONDS", -1.0)
    monkeypatch.setattr("pytest_multiarch.image.packages.rpm_sqlite._STEPS", 1)
    with pytest.raises(DocumentError, match="SQLite says: interrupted"):
        read_rpm(Tree({SQLITE: sqlite(tmp_path, [bash()] * 100)}))
