"""The programs that try a platform: files of the right machine, which the kernel's emulators and processors execute."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.image.elf import fits, read_elf
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

EMULATORS = {
    "linux/386": "qemu-i386",
    "linux/amd64": "qemu-x86_64",
    "linux/arm/v7": "qemu-arm",
    "linux/arm64": "qemu-aarch64",
    "linux/loong64": "qemu-loongarch64",
    "linux/mips": "qemu-mips",
    "linux/mips64": "qemu-mips64",
    "linux/mips64le": "qemu-mips64el",
    "linux/mipsle": "qemu-mipsel",
    "linux/ppc64": "qemu-ppc64",
    "linux/ppc64le": "qemu-ppc64le",
    "linux/riscv64": "qemu-riscv64",
    "linux/s390x": "qemu-s390x",
}


def written(path: Path, platform: str) -> Path:
    program = probe_program(Platform.parse(platform))
    assert program is not None
    path.write_bytes(program)
    path.chmod(0o755)
    return path


def emulator(name: str) -> str:
    found = shutil.which(f"{name}-static") or shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to have {name}", pytrace=False)
        pytest.skip(f"no {name} here")
    return found


@pytest.mark.parametrize("platform", EMULATORS)
def test_the_program_is_what_the_platform_promises_to_run(platform: str, tmp_path: Path) -> None:
    elf = read_elf(written(tmp_path / "probe", platform).read_bytes(), "probe")
    assert elf is not None
    assert fits(elf, Platform.parse(platform)) == ()


@pytest.mark.parametrize("platform", EMULATORS)
def test_the_program_ends_when_its_input_does(platform: str, tmp_path: Path) -> None:
    command = [emulator(EMULATORS[platform]), str(written(tmp_path / "probe", platform))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("processor", "level", "runs"),
    [
        ("qemu64", "linux/amd64/v2", False),
        ("Nehalem", "linux/amd64/v2", True),
        ("Nehalem", "linux/amd64/v3", False),
        ("Haswell", "linux/amd64/v3", True),
        ("Haswell", "linux/amd64/v4", False),
    ],
)
def test_a_level_of_amd64_runs_on_processors_of_that_level(
    processor: str, level: str, runs: bool, tmp_path: Path
) -> None:
    command = [emulator("qemu-x86_64"), "-cpu", processor, str(written(tmp_path / "probe", level))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode == 0) is runs


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/sparc64", "wasi/wasm"])
def test_for_some_platforms_there_is_none(platform: str) -> None:
    assert probe_program(Platform.parse(platform)) is None
