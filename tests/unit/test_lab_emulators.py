from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import emulators

if TYPE_CHECKING:
    from pathlib import Path

LINE = r":qemu-arm:M::\x7fELF\x01\x01\x01:\xff\xff\xff\xff\xff\xff\xff:/usr/libexec/qemu-binfmt/arm-binfmt-P:POF"


@pytest.fixture
def descriptions(tmp_path: Path) -> Path:
    folder = tmp_path / "binfmt.d"
    folder.mkdir()
    (folder / "qemu-arm.conf").write_text(f"# comment\n; another\n\n{LINE}\n")
    (folder / "python3.11.conf").write_text(":python3.11:M::x::/usr/bin/python3.11:\n")
    return folder


def test_only_qemus_formats_are_read(descriptions: Path) -> None:
    (found,) = emulators.read_descriptions(descriptions)
    assert found == emulators.Emulator("qemu-arm", LINE)
    assert found.interpreter == "/usr/libexec/qemu-binfmt/arm-binfmt-P"


@pytest.mark.parametrize(
    ("entry", "works"),
    [
        ("enabled\ninterpreter /x\nflags: POF\n", True),
        ("enabled\ninterpreter /x\nflags: PO\n", False),  # containers have no such interpreter
        ("disabled\ninterpreter /x\nflags: POF\n", False),
        (None, False),
    ],
)
def test_an_emulator_works_in_containers_when_it_is_on_and_fixed(
    tmp_path: Path, descriptions: Path, entry: str | None, works: bool
) -> None:
    kernel = tmp_path / "kernel"
    kernel.mkdir()
    if entry is not None:
        (kernel / "qemu-arm").write_text(entry)
    assert emulators.works("qemu-arm", kernel) is works
    assert (emulators.missing(descriptions, kernel) == ()) is works
    assert emulators.registered(kernel) == (("qemu-arm",) if works else ())
