"""Whatever a file holds: an answer or a DocumentError, in bounded time."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.elf import fits, read_elf, read_elf_header
from pytest_multiarch.platforms import Platform
from tests.unit.elf.build import DYN, REL, SHT_ARM_ATTRIBUTES, SHT_DYNSYM, Built, arm_attributes, go_build_info
from tests.unit.elf.build import property_note as note

if TYPE_CHECKING:
    from pytest_multiarch.image.elf import ElfFile

quietly = settings(
    derandomize=True, database=None, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow]
)
PLATFORM = Platform.parse("linux/arm/v7")

REAL = [path.read_bytes() for path in sorted((Path(__file__).parent / "data").glob("*.pie"))]
SECTIONS = [
    (".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, arm_attributes({6: 10, 28: 1})),
    (".go.buildinfo", 1, 3, go_build_info(GOARM="7")),
    (".dynsym", SHT_DYNSYM, 2, bytes(64)),
]
MADE = [
    bytes(Built(machine=40, bits=32, type=DYN, interpreter="/lib/ld.so", sections=SECTIONS).needs("libc.so.6")),
    bytes(Built(type=DYN, interpreter="/lib/ld.so", notes=note(4), sections=SECTIONS[1:]).needs("libc.so.6")),
    bytes(Built(type=REL, sections=[(".note.gnu.property", 7, 2, note(4))])),
]
files = st.sampled_from(REAL + MADE)


def read_or_refused(data: bytes) -> ElfFile | None:
    try:
        header = read_elf_header(data, "x")
    except DocumentError:
        header = None
    try:
        found = read_elf(data, "x")
    except DocumentError:
        return None
    assert read_elf(io.BytesIO(data), "x") == found
    for one in (header, found):
        if one is not None:
            assert isinstance(fits(one, PLATFORM), tuple)
    return found


@quietly
@given(files, st.data())
def test_flipped_bits(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        # Most of what steers the reading is in the headers.
        place = draw.draw(st.integers(0, min(len(data), 400) - 1) | st.integers(0, len(data) - 1))
        changed[place] ^= draw.draw(st.integers(1, 255))
    read_or_refused(bytes(changed))


@quietly
@given(files, st.data())
def test_words_that_are_far_too_large(data: bytes, draw: st.DataObject) -> None:
    place = draw.draw(st.integers(16, len(data) - 8))
    word = draw.draw(st.sampled_from([b"\xff" * 8, b"\xff" * 4, b"\0" * 8, struct.pack("<Q", 1 << 62), b"\xff\xff"]))
    read_or_refused(data[:place] + word + data[place + len(word) :])


@quietly
@given(files, st.data())
def test_files_that_are_cut_off(data: bytes, draw: st.DataObject) -> None:
    assert read_or_refused(data[: draw.draw(st.integers(0, len(data) - 1))]) is None


@quietly
@given(st.binary(max_size=400))
def test_anything_after_the_magic(data: bytes) -> None:
    read_or_refused(b"\x7fELF" + data)


@quietly
@given(st.binary(max_size=200))
def test_any_arm_attributes(data: bytes) -> None:
    read_or_refused(bytes(Built(machine=40, bits=32, sections=[(".ARM.attributes", SHT_ARM_ATTRIBUTES, 0, data)])))


@quietly
@given(st.binary(max_size=200))
def test_any_go_build_information(data: bytes) -> None:
    section = (".go.buildinfo", 1, 3, b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16) + data)
    read_or_refused(bytes(Built(machine=40, bits=32, sections=[section])))


@quietly
@given(st.binary(max_size=200))
def test_any_notes(data: bytes) -> None:
    read_or_refused(bytes(Built(notes=data + b"\0")))


def many_notes() -> bytes:
    return bytes(Built(type=REL, sections=[(f".n{n}", 7, 2, note(0)) for n in range(3000)]))


def overlapping_names() -> bytes:
    return bytes(Built(type=DYN, names=b"a" * 4000 + b"\0", dynamic=[(1, n % 100) for n in range(1024)]))


def many_dynamic_entries() -> bytes:
    return bytes(Built(type=DYN, dynamic=[(21, 0)] * 60_000))


def endless_properties() -> bytes:
    empty = struct.pack("<III", 4, 60_000, 5) + b"GNU\0" + bytes(60_000)
    data = bytes(Built(notes=empty))
    # Every one of a thousand program headers is the same note.
    head = bytearray(data[:64])
    table = data[64 + 56 : 64 + 112] * 1100
    struct.pack_into("<Q", head, 32, len(data))
    struct.pack_into("<Q", head, 40, 0)
    struct.pack_into("<HHH", head, 56, 1100, 64, 0)
    return bytes(head) + data[64:] + table


@pytest.mark.parametrize("made", [many_notes, overlapping_names, many_dynamic_entries, endless_properties])
def test_what_is_made_to_take_long_does_not(made: object) -> None:
    assert callable(made)
    data = made()
    start = time.process_time()
    read_or_refused(data)
    assert time.process_time() - start < 3


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.write_bytes(MADE[1])
    with path.open("r+b") as stream:
        stream.truncate(8 << 30)
        elf = read_elf(stream, "sparse")
    assert elf is not None
    assert elf.needed == ("libc.so.6",)
