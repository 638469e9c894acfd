"""Gzip, by ISA-L and by zlib: both must take and refuse the same."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import sys
import zlib
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image import unpacking
from pytest_multiarch.image.limits import LayerLimits
from pytest_multiarch.image.unpacked import Compression, Unpacked
from pytest_multiarch.image.unpacking import unpack
from tests.unit.files.common import MemoryBlob

if TYPE_CHECKING:
    from pathlib import Path

LONG = b"".join(
    hashlib.sha256(b"%d" % number).digest() for number in range(40_000)
)  # what no compression makes shorter
CONTENT = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(100)) * 300  # more than one piece


@pytest.fixture(autouse=True, params=["isal.isal_zlib", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpack with this library."""
    monkeypatch.setattr(unpacking, "_zlib", pytest.importorskip(request.param))


def unpacked(data: bytes, target: Path) -> Unpacked:
    return unpack(MemoryBlob(data), target, "layer 1", LayerLimits(), lambda _: None)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(CONTENT),
        gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:]),
        b"".join(gzip.compress(CONTENT[start : start + 50_000], 0) for start in range(0, len(CONTENT), 50_000)),
    ],
    ids=["one", "three", "many stored"],
)
def test_members_become_one_file(data: bytes, tmp_path: Path) -> None:
    found = unpacked(data, tmp_path / "layer")
    assert (tmp_path / "layer").read_bytes() == CONTENT
    diff_id = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert found == Unpacked(len(CONTENT), diff_id, Compression.GZIP)


def test_short_members_after_a_long_one_become_one_file(tmp_path: Path) -> None:
    short = [LONG[start : start + 100] for start in range(0, 400_000, 100)]
    contents = [LONG, *short, LONG, *short]
    unpacked(b"".join(gzip.compress(content, 1) for content in contents), tmp_path / "layer")
    assert (tmp_path / "layer").read_bytes() == b"".join(contents)


@pytest.mark.parametrize("cut", [4, 9, 12, 700, -8, -1])
def test_data_that_is_cut_off_is_refused(cut: int, tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="gzip data ends too early"):
        unpacked(gzip.compress(CONTENT)[:cut], tmp_path / "layer")


@pytest.mark.parametrize("place", [3, -6, -2], ids=["flags", "checksum", "length"])
def test_data_that_is_damaged_is_refused(place: int, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(CONTENT))
    packed[place] ^= 0xFF
    with pytest.raises(LayerError, match=r"unpack layer 1: its gzip data (is broken|ends too early)"):
        unpacked(bytes(packed), tmp_path / "layer")


def test_what_follows_the_last_member_must_be_a_member(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="gzip data is broken"):
        unpacked(gzip.compress(CONTENT) + b"more of it than a header", tmp_path / "layer")


def test_zlib_does_it_where_there_is_no_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    monkeypatch.delitem(sys.modules, "isal.isal_zlib", raising=False)
    spec = importlib.util.spec_from_file_location("unpacking_alone", unpacking.__file__)
    assert spec is not None
    assert spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, alone)  # dataclasses look their module up
    spec.loader.exec_module(alone)
    assert alone._zlib is zlib
