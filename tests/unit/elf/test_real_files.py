"""One program, compiled and linked for eleven platforms."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from pytest_multiarch.image.elf import (
    HEADER_BYTES,
    ElfType,
    FloatAbi,
    expected,
    fits,
    read_elf,
    read_elf_header,
)
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pytest_multiarch.image.elf import ElfFile

DATA = Path(__file__).parent / "data"
INTERPRETERS = {
    "386": "/lib/ld-linux.so.2",
    "amd64": "/lib64/ld-linux-x86-64.so.2",
    "arm-v5": "/lib/ld-linux.so.3",
    "arm-v6": "/lib/ld-linux-armhf.so.3",
    "arm-v7": "/lib/ld-linux-armhf.so.3",
    "arm64": "/lib/ld-linux-aarch64.so.1",
    "loong64": "/lib64/ld-linux-loongarch-lp64d.so.1",
    "mips64le": "/lib64/ld.so.1",
    "ppc64le": "/lib64/ld64.so.2",
    "riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
    "s390x": "/lib/ld64.so.1",
}
# Where another platform's program runs as well.
ALSO = {"arm-v5": {"arm-v6"}, "arm-v6": {"arm-v7"}}


def program(name: str) -> bytes:
    return (DATA / f"{name}.pie").read_bytes()


def read(name: str) -> ElfFile:
    found = read_elf(program(name), f"{name}.pie")
    assert found is not None
    return found


def platform(name: str) -> Platform:
    return Platform.parse("linux/" + name.replace("-", "/"))


@pytest.mark.parametrize("name", INTERPRETERS)
def test_a_program_is_read_as_it_was_linked(name: str) -> None:
    elf = read(name)
    assert (elf.type, elf.is_pie, elf.is_executable) == (ElfType.DYN, True, True)
    assert not elf.is_static
    assert not elf.is_shared_library
    assert elf.interpreter == INTERPRETERS[name]
    assert elf.needed == ("libc.so.6",)
    assert (elf.soname, elf.rpath, elf.runpath) == ("", "", "$ORIGIN/../lib")
    assert elf.complete
    assert not elf.debug_only


@pytest.mark.parametrize("name", INTERPRETERS)
def test_a_stream_is_read_like_bytes(name: str) -> None:
    with (DATA / f"{name}.pie").open("rb") as stream:
        assert read_elf(stream, f"{name}.pie") == read(name)


@pytest.mark.parametrize("name", INTERPRETERS)
def test_the_beginning_is_enough_to_tell_the_machine(name: str) -> None:
    beginning = read_elf_header(program(name)[:HEADER_BYTES], name)
    short = read_elf_header(program(name)[:512], name)
    whole = read(name)
    assert beginning is not None
    assert not beginning.complete
    assert beginning.interpreter == whole.interpreter
    for one in (beginning, short):
        assert one is not None
        assert (one.bits, one.byte_order, one.machine, one.flags) == (
            whole.bits,
            whole.byte_order,
            whole.machine,
            whole.flags,
        )
        assert fits(one, platform(name)) == ()


@pytest.mark.parametrize("name", INTERPRETERS)
def test_a_program_fits_its_own_platform_and_those_that_run_it_as_well(name: str) -> None:
    fitting = {other for other in INTERPRETERS if not fits(read(name), platform(other))}
    assert fitting == {name} | ALSO.get(name, set())


@pytest.mark.parametrize("name", INTERPRETERS)
def test_a_program_is_what_its_platform_promises(name: str) -> None:
    elf, promised = read(name), expected(platform(name))
    assert promised is not None
    assert (elf.machine, elf.bits, elf.byte_order) == (promised.machine, promised.bits, promised.byte_order)
    assert not promised.float_abis or elf.float_abi in promised.float_abis


@pytest.mark.parametrize("name", INTERPRETERS)
def test_pyelftools_reads_the_same(name: str) -> None:
    elf = read(name)
    other = ELFFile(io.BytesIO(program(name)))
    assert (other.elfclass, other.little_endian) == (elf.bits, elf.byte_order == "little")
    assert other["e_flags"] == elf.flags
    assert other["e_type"] == f"ET_{elf.type.name}"
    names: dict[str, list[str]] = {"DT_NEEDED": [], "DT_RUNPATH": []}
    for segment in other.iter_segments():
        if isinstance(segment, InterpSegment):
            assert segment.get_interp_name() == elf.interpreter
        if isinstance(segment, DynamicSegment):
            tags: list[Any] = list(segment.iter_tags())
            names["DT_NEEDED"] += [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
            names["DT_RUNPATH"] += [tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"]
    assert names == {"DT_NEEDED": list(elf.needed), "DT_RUNPATH": [elf.runpath]}


@pytest.mark.parametrize(
    ("name", "cpu", "floats"),
    [("arm-v5", "v5TE", FloatAbi.SOFT), ("arm-v6", "v6", FloatAbi.HARD), ("arm-v7", "v7", FloatAbi.HARD)],
)
def test_arm_programs_name_their_processor_and_float_abi(name: str, cpu: str, floats: FloatAbi) -> None:
    elf = read(name)
    assert elf.arm_cpu is not None
    assert (elf.arm_cpu.name, elf.arm_cpu.version) == (cpu, int(cpu[1]))
    assert elf.float_abi is floats
    beginning = read_elf_header(program(name), name)
    assert beginning is not None
    assert beginning.float_abi is floats


def test_other_processors_flags_are_read() -> None:
    assert read("ppc64le").ppc64_abi == 2
    assert read("riscv64").riscv_compressed
    assert read("riscv64").float_abi is FloatAbi.DOUBLE
    assert read("loong64").float_abi is FloatAbi.DOUBLE
    assert read("mips64le").mips_architecture == "MIPS64r2"
    assert read("amd64").ppc64_abi == 0
    assert read("amd64").mips_architecture == ""
    assert not read("amd64").riscv_compressed
