"""What the kernel shows of its registrations, and what packages describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.binfmt import Registrations, read_descriptions, read_registrations
from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pathlib import Path

# As the kernel and Debian's qemu-user-static have them.
AARCH64 = """\
enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
DESCRIBED = (
    r":qemu-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    r":/usr/libexec/qemu-binfmt/aarch64-binfmt-P:OPF"
)


def program(platform: str) -> bytes:
    found = probe_program(Platform.parse(platform))
    assert found is not None
    return found


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """Return a folder that looks as binfmt_misc does."""
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").write_text("")
    (tmp_path / "any-name").write_text(AARCH64)
    (tmp_path / "python3").write_text("enabled\ninterpreter /usr/bin/python3\nflags: \nextension .pyc\n")
    return tmp_path


def test_a_format_is_found_by_the_programs_first_bytes_and_not_by_its_name(kernel: Path) -> None:
    registrations = read_registrations(kernel)
    found = registrations.taking(program("linux/arm64"))
    assert found is not None
    assert (found.name, found.interpreter, found.flags, found.enabled) == (
        "any-name",
        "/usr/libexec/qemu-binfmt/aarch64-binfmt-P",
        "POF",
        True,
    )
    assert found.works_in_containers
    for other in ("linux/arm/v7", "linux/amd64", "linux/riscv64", "linux/s390x"):
        assert registrations.taking(program(other)) is None


def test_a_format_that_is_on_comes_before_one_that_is_off(kernel: Path) -> None:
    (kernel / "a-first").write_text(AARCH64.replace("enabled", "disabled"))
    found = read_registrations(kernel).taking(program("linux/arm64"))
    assert found is not None
    assert found.name == "any-name"
    (kernel / "any-name").unlink()
    found = read_registrations(kernel).taking(program("linux/arm64"))
    assert found is not None
    assert not found.enabled


def test_a_format_without_f_is_of_no_use_in_containers(kernel: Path) -> None:
    (kernel / "any-name").write_text(AARCH64.replace("POF", "PO"))
    found = read_registrations(kernel).taking(program("linux/arm64"))
    assert found is not None
    assert not found.works_in_containers


def test_all_of_it_may_be_switched_off(kernel: Path) -> None:
    (kernel / "status").write_text("disabled\n")
    assert not read_registrations(kernel).enabled


def test_a_kernel_without_binfmt_misc_is_not_readable(tmp_path: Path) -> None:
    assert read_registrations(tmp_path / "none") == Registrations(readable=False)


def test_magic_may_begin_later_and_have_no_mask(kernel: Path) -> None:
    (kernel / "any-name").write_text("enabled\ninterpreter /x\nflags: F\noffset 18\nmagic b700\n")
    found = read_registrations(kernel).taking(program("linux/arm64"))
    assert found is not None
    assert found.offset == 18
    assert not found.takes(b"short")


def test_descriptions_are_read_as_binfmt_d_says(tmp_path: Path) -> None:
    first, last = tmp_path / "etc", tmp_path / "lib"
    first.mkdir()
    last.mkdir()
    (last / "qemu-aarch64.conf").write_text(f"# a comment\n; another\n\n{DESCRIBED}\n")
    (last / "python.conf").write_text(":python3:E::pyc::/usr/bin/python3:\n")
    (one,) = read_descriptions(first, last)
    assert (one.name, one.flags, one.line) == ("qemu-aarch64", "OPF", DESCRIBED)
    assert one.takes(program("linux/arm64"))
    assert not one.takes(program("linux/ppc64le"))
    # A file of the same name in a more important folder takes its place.
    (first / "qemu-aarch64.conf").write_text("")
    assert read_descriptions(first, last) == ()
