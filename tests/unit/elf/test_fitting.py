"""Which files fit which platforms, where one program for each does not show it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_multiarch import _platform_names as names
from pytest_multiarch.image.elf import ArmCpu, ElfFile, ElfType, FloatAbi, expected, fits, is_chosen_at_run_time
from pytest_multiarch.platforms import Platform

AMD64 = ElfFile("x", 64, "little", 62, ElfType.DYN, 0, 0, 0, complete=True)
I386 = replace(AMD64, bits=32, machine=3)
ARM = replace(AMD64, bits=32, machine=40, flags=0x05000400, float_abi=FloatAbi.HARD, arm_cpu=ArmCpu("v7", 7, "A"))
SOFT = replace(ARM, float_abi=FloatAbi.SOFT, arm_cpu=ArmCpu("v5TE", 5))
V6 = replace(ARM, arm_cpu=ArmCpu("v6KZ", 6))
PPC64LE = replace(AMD64, machine=21, flags=2)
RISCV64 = replace(AMD64, machine=243, flags=5, float_abi=FloatAbi.DOUBLE)


def reasons(elf: ElfFile, platform: str) -> tuple[str, ...]:
    return fits(elf, Platform.parse(platform))


@pytest.mark.parametrize(
    ("elf", "platform", "reason"),
    [
        (AMD64, "linux/arm64", "it is for x86-64, linux/arm64 runs AArch64"),
        (I386, "linux/amd64", "it is for x86, linux/amd64 runs x86-64"),
        (replace(AMD64, machine=999), "linux/amd64", "it is for machine 999, linux/amd64 runs x86-64"),
        (replace(AMD64, bits=32), "linux/amd64", "it has 32 bits, linux/amd64 runs 64"),
        (replace(PPC64LE, byte_order="big"), "linux/ppc64le", "it is big-endian, linux/ppc64le is little-endian"),
        (replace(PPC64LE, flags=1), "linux/ppc64le", "its ELF ABI is version 1, linux/ppc64le uses version 2"),
        (ARM, "linux/arm/v6", "it needs arm v7, linux/arm/v6 promises v6"),
        (replace(V6, arm_cpu=ArmCpu("v5TE", 5)), "linux/arm/v5", "it is hard-float, linux/arm/v5 is soft-float"),
        (SOFT, "linux/arm/v7", "it is soft-float, linux/arm/v7 is hard-float"),
        (
            replace(RISCV64, float_abi=FloatAbi.SINGLE),
            "linux/riscv64",
            "it is single-float, linux/riscv64 is double-float",
        ),
        (
            replace(ARM, arm_cpu=ArmCpu("v7E-M", 7, "M")),
            "linux/arm/v7",
            "it is for a microcontroller (v7E-M), linux/arm/v7 is not one",
        ),
        (replace(AMD64, isa_level=3), "linux/amd64", "it needs x86-64-v3, linux/amd64 promises x86-64-v1"),
        (replace(AMD64, isa_level=4), "linux/amd64/v3", "it needs x86-64-v4, linux/amd64/v3 promises x86-64-v3"),
        (replace(I386, isa_level=2), "linux/386", "it needs x86-64-v2, linux/386 promises no level of x86-64"),
    ],
)
def test_the_reason_is_named(elf: ElfFile, platform: str, reason: str) -> None:
    assert reasons(elf, platform) == (reason,)


@pytest.mark.parametrize(
    ("elf", "platform"),
    [
        (SOFT, "linux/arm/v5"),
        (SOFT, "linux/arm/v6"),  # Debian's arm/v5, which BuildKit takes for arm/v6
        (V6, "linux/arm/v6"),
        (V6, "linux/arm/v7"),
        (ARM, "linux/arm/v8"),
        (replace(ARM, float_abi=FloatAbi.UNKNOWN), "linux/arm/v7"),
        (replace(ARM, float_abi=FloatAbi.EITHER), "linux/arm/v7"),
        (replace(ARM, arm_cpu=None), "linux/arm/v6"),
        (replace(PPC64LE, flags=0), "linux/ppc64le"),
        (replace(AMD64, isa_level=1), "linux/amd64"),
        (replace(AMD64, isa_level=3), "linux/amd64/v3"),
        (replace(AMD64, isa_level=2), "linux/amd64/v3"),
        (replace(I386, isa_level=1), "linux/386"),
    ],
)
def test_what_runs_there_fits(elf: ElfFile, platform: str) -> None:
    assert reasons(elf, platform) == ()


def test_a_file_with_several_faults_has_several_reasons() -> None:
    faulty = replace(ARM, byte_order="big", float_abi=FloatAbi.HARD, arm_cpu=ArmCpu("v7", 7))
    assert len(reasons(faulty, "linux/arm/v5")) == 3


def test_a_soft_float_program_that_loads_nothing_runs_everywhere() -> None:
    static = replace(SOFT, type=ElfType.EXEC)
    assert static.is_static
    assert reasons(static, "linux/arm/v7") == ()
    assert reasons(replace(static, interpreter="/lib/ld-linux.so.3"), "linux/arm/v7") != ()
    # Of its beginning alone it cannot be told that it loads nothing.
    assert reasons(replace(static, complete=False, has_dynamic=True), "linux/arm/v7") != ()


def test_a_library_that_looks_at_the_processor_first_may_have_parts_for_later_ones() -> None:
    assert reasons(replace(ARM, asks_machine=True, arm_cpu=ArmCpu("v8-A", 8, "A")), "linux/arm/v7") == ()


def test_relocatable_files_need_only_the_right_machine() -> None:
    module = replace(SOFT, type=ElfType.REL)
    assert reasons(module, "linux/arm/v7") == ()
    assert reasons(module, "linux/arm64") != ()


@pytest.mark.parametrize("machine", [0, 190, 224, 247])
def test_code_for_devices_and_for_no_machine_fits_everywhere(machine: int) -> None:
    assert reasons(replace(AMD64, machine=machine), "linux/arm/v7") == ()


@pytest.mark.parametrize("platform", ["windows/amd64", "wasi/wasm", "linux/amd64p32", "darwin/arm64"])
def test_nothing_is_promised_where_no_elf_files_run(platform: str) -> None:
    assert expected(Platform.parse(platform)) is None
    assert reasons(ARM, platform) == ()


def test_nothing_is_promised_for_an_unknown_variant_of_arm() -> None:
    assert expected(Platform.from_fields("linux", "arm", "v99")) is None


@pytest.mark.parametrize("architecture", sorted(names.LINUX_PORTS))
def test_every_linux_port_promises_something(architecture: str) -> None:
    for variant in ("", *names.VARIANTS.get(architecture, ())):
        promised = expected(Platform.from_fields("linux", architecture, variant))
        assert promised is not None
        assert promised.machine_name


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libz.so.1", True),
        ("/lib64/glibc-hwcaps/x86-64-v2/libfoo.so", True),
        ("usr/lib/arm-linux-gnueabihf/neon/vfp/libavcodec.so.58", True),
        ("/lib/x86_64-linux-gnu/libz.so.1", False),
        ("opt/haswell/libz.so.1", False),
        ("usr/lib/x86_64-linux-gnu/glibc-hwcaps", False),
    ],
)
def test_libraries_for_later_processors_are_told_by_their_folder(path: str, chosen: bool) -> None:
    assert is_chosen_at_run_time(path) is chosen
