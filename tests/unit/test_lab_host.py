from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from lab import host
from lab.console import LabError

if TYPE_CHECKING:
    from pathlib import Path

DEBIAN = host.Host(
    system="Linux",
    machine="x86_64",
    is_root=True,
    has_apt=True,
    release={"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm", "PRETTY_NAME": "Debian 12"},
)


@pytest.mark.parametrize(
    "release",
    [
        DEBIAN.release,
        {"ID": "debian", "VERSION_CODENAME": "forky"},  # testing has no VERSION_ID
        {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"},
        {"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "VERSION_ID": "6"},
    ],
)
def test_a_machine_with_apt_and_a_recent_release_can_be_set_up(release: dict[str, str]) -> None:
    host.check(dataclasses.replace(DEBIAN, release=release))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "Darwin", "release": {}}, "sets up Linux only, not Darwin"),
        ({"has_apt": False, "release": {"ID": "fedora", "PRETTY_NAME": "Fedora 42"}}, "apt, which Fedora 42 lacks"),
        ({"machine": "riscv64"}, "amd64 and arm64, not riscv64"),
        ({"release": {"ID": "debian", "VERSION_ID": "11", "PRETTY_NAME": "Debian 11"}}, "Debian 11 is too old"),
        ({"release": {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "20.04"}}, "too old"),
        ({"is_root": False}, "takes root\n.*sudo python3 -m lab up"),
    ],
)
def test_another_machine_is_told_what_is_missing(change: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        host.check(dataclasses.replace(DEBIAN, **change))


def test_os_release_is_read_with_and_without_quotes(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text("# comment=1\nID=debian\nPRETTY_NAME=\"Debian 12\"\n\nVERSION_ID='12'\n")
    assert host.read_os_release(file) == {"ID": "debian", "PRETTY_NAME": "Debian 12", "VERSION_ID": "12"}
    assert host.read_os_release(tmp_path / "missing") == {}
