"""Machines: what the kernel calls a platform's hardware, and which platform this process's machine is."""

from __future__ import annotations

import platform as running
import sys

import pytest

from pytest_multiarch.errors import InvalidPlatform
from pytest_multiarch.platforms import Platform


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("linux/amd64", "x86_64"),
        ("linux/amd64/v3", "x86_64"),
        ("linux/386", "i686"),
        ("linux/arm64", "aarch64"),
        ("linux/arm64/v9", "aarch64"),
        ("linux/arm/v8", "armv8l"),
        ("linux/arm/v7", "armv7l"),
        ("linux/arm/v6", "armv6l"),
        ("linux/arm/v5", "armv5tel"),
        ("linux/ppc64le", "ppc64le"),
        ("linux/ppc64", "ppc64"),
        ("linux/s390x", "s390x"),
        ("linux/riscv64", "riscv64"),
        ("linux/loong64", "loongarch64"),
        ("linux/mips64le", "mips64"),
        ("linux/mips64", "mips64"),
        ("linux/mipsle", "mips"),
        ("linux/mips", "mips"),
    ],
)
def test_says_what_the_kernel_calls_the_hardware(name: str, machine: str) -> None:
    assert Platform.parse(name).machine == machine


@pytest.mark.parametrize(("fields", "machine"), [(("linux", "vax"), "vax"), (("linux", "arm", "v2"), "arm")])
def test_calls_unknown_hardware_by_its_architecture(fields: tuple[str, ...], machine: str) -> None:
    assert Platform.from_fields(*fields).machine == machine


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("i386", "linux/386"),
        ("i586", "linux/386"),
        ("i686", "linux/386"),
        ("aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("ARM64", "linux/arm64"),
        ("armv8l", "linux/arm/v8"),
        ("armv7l", "linux/arm/v7"),
        ("armv6l", "linux/arm/v6"),
        ("armv5tel", "linux/arm/v5"),
        ("armv5tejl", "linux/arm/v5"),
        ("ppc64le", "linux/ppc64le"),
        ("s390x", "linux/s390x"),
        ("riscv64", "linux/riscv64"),
        ("loongarch64", "linux/loong64"),
    ],
)
def test_finds_the_platform_of_linux_containers_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    monkeypatch.setattr(running, "machine", lambda: machine)

    assert str(Platform.host()) == name
    assert Platform.parse("linux") == Platform.host()


@pytest.mark.parametrize(
    ("machine", "byteorder", "name"),
    [
        ("mips64", "little", "linux/mips64le"),
        ("mips64", "big", "linux/mips64"),
        ("mips", "little", "linux/mipsle"),
        ("mips", "big", "linux/mips"),
    ],
)
def test_tells_the_two_byte_orders_of_mips_apart(
    monkeypatch: pytest.MonkeyPatch, machine: str, byteorder: str, name: str
) -> None:
    monkeypatch.setattr(running, "machine", lambda: machine)
    monkeypatch.setattr(sys, "byteorder", byteorder)

    assert str(Platform.host()) == name


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_runs_linux_containers_on_every_system(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(running, "system", lambda: system)
    monkeypatch.setattr(running, "machine", lambda: "arm64")

    assert Platform.host() == Platform.parse("linux/arm64")


@pytest.mark.parametrize("machine", ["", "armv7b", "vax", "sun4u"])
def test_says_so_if_it_does_not_know_the_machine(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(running, "machine", lambda: machine)

    with pytest.raises(InvalidPlatform) as refusal:
        Platform.host()

    assert refusal.value.headline == f"reading this machine's platform: no known architecture is called {machine!r}"
    assert "linux/amd64" in refusal.value.hint


@pytest.mark.parametrize("name", ["amd64", "arm64", "arm/v5", "arm/v6", "arm/v7", "arm/v8", "386", "loong64", "s390x"])
def test_finds_back_the_platform_whose_machine_it_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    one = Platform.parse(f"linux/{name}")
    monkeypatch.setattr(running, "machine", lambda: one.machine)

    assert Platform.host() == one


@pytest.mark.parametrize(
    ("platform", "host", "machine"),
    [
        ("linux/amd64", "linux/amd64", "x86_64"),
        ("linux/386", "linux/amd64", "x86_64"),
        ("linux/amd64/v3", "linux/amd64", "x86_64"),
        ("linux/arm/v7", "linux/arm64", "aarch64"),
        ("linux/arm/v6", "linux/arm/v7", "armv7l"),
        ("linux/arm64", "linux/amd64", "aarch64"),
        ("linux/arm/v6", "linux/amd64", "armv7l"),
        ("linux/s390x", "linux/arm64", "s390x"),
        ("linux/mips64le", "linux/amd64", "mips64"),
    ],
)
def test_what_uname_says_is_the_hosts_word_where_its_hardware_runs_it(platform: str, host: str, machine: str) -> None:
    assert Platform.parse(platform).kernel_machine(Platform.parse(host)) == machine


def test_what_uname_says_under_an_emulator_is_the_emulators_word() -> None:
    arm64 = Platform.parse("linux/arm64")
    assert Platform.parse("linux/arm/v7").kernel_machine(arm64, emulated=True) == "armv7l"
    assert Platform.parse("linux/386").kernel_machine(Platform.parse("linux/amd64"), emulated=True) == "i686"
