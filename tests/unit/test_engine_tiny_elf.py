"""The program that pauses, as ELF readers see it; that it runs is shown with real containers of each architecture."""

from __future__ import annotations

import io
import platform
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile

from pytest_multiarch.engine.tiny_elf import pausing_program
from pytest_multiarch.image.elf import misfits, read_elf
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["amd64", "amd64/v3", "386", "arm/v5", "arm/v6", "arm/v7", "arm64", "ppc64le", "riscv64", "s390x"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_static_program_for_its_platform(name: str) -> None:
    target = Platform.parse(f"linux/{name}")
    program = pausing_program(target)
    assert program is not None
    elf = read_elf(program, "pausing")
    assert elf is not None
    assert elf.is_static
    assert elf.is_executable
    assert misfits(elf, target) == ()


@pytest.mark.parametrize("name", NAMES)
def test_its_one_segment_is_the_whole_file_and_holds_the_entry(name: str) -> None:
    program = pausing_program(Platform.parse(f"linux/{name}"))
    assert program is not None
    (segment,) = ELFFile(io.BytesIO(program)).iter_segments()
    header = segment.header
    assert (header.p_type, header.p_offset, header.p_filesz) == ("PT_LOAD", 0, len(program))
    entry = ELFFile(io.BytesIO(program)).header.e_entry - header.p_vaddr
    assert 0 < entry < len(program)
    # SIG_IGN, then neither flags nor a mask, right before the code.
    action = program[entry - 32 : entry]
    assert sum(action) == 1
    assert len(program) < 256


@pytest.mark.parametrize("name", ["linux/mips64le", "linux/loong64", "windows/amd64", "darwin/arm64"])
def test_there_is_none_for_other_machines(name: str) -> None:
    assert pausing_program(Platform.parse(name)) is None


@pytest.mark.skipif(platform.system() != "Linux", reason="it is a program for Linux")
def test_it_waits_here_until_it_is_ended(tmp_path: Path) -> None:
    program = pausing_program(Platform.from_fields("linux", platform.machine()))
    assert program is not None
    place = tmp_path / "pausing"
    place.write_bytes(program)
    place.chmod(0o755)
    with subprocess.Popen([place]) as running:
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.3)
        running.terminate()
        assert running.wait(20) == -signal.SIGTERM
