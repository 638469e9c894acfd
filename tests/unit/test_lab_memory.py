from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import memory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record what would be mounted: mounting takes root, and the test machine's own folders are not for trying."""
    calls: list[list[str]] = []
    monkeypatch.setattr(memory, "run", lambda args, **_: calls.append([str(arg) for arg in args]))
    return calls


def test_an_empty_folder_goes_into_memory_where_there_is_enough(tmp_path: Path, mounts: list[list[str]]) -> None:
    folder = tmp_path / "data"
    assert memory.mount(folder, total=16 * 2**30) is True
    assert folder.is_dir()
    assert [call[:3] + call[-1:] for call in mounts] == [["mount", "-t", "tmpfs", str(folder)]]


def test_a_folder_that_holds_something_stays_on_disk(tmp_path: Path, mounts: list[list[str]]) -> None:
    (tmp_path / "image").touch()
    assert memory.mount(tmp_path, total=16 * 2**30) is False
    assert mounts == []


def test_a_machine_with_little_memory_keeps_its_data_on_disk(tmp_path: Path, mounts: list[list[str]]) -> None:
    assert memory.mount(tmp_path, total=8 * 2**30) is False
    assert mounts == []


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       24684096 kB\nMemFree:        1 kB\n", encoding="ascii")
    assert memory.total_memory(meminfo) == 24684096 * 1024
