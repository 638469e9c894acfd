"""Files that are kept open while many pieces of them are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.spool import OpenFiles, SpoolFile

MOST = 32
"""As many are kept open, whatever an image has."""


def opened(folder: Path) -> int:
    """Return how many of the folder's files this process has open."""
    return sum(os.path.realpath(handle).startswith(f"{folder}/") for handle in Path("/proc/self/fd").iterdir())


def test_however_many_files_are_read_few_are_open_and_none_afterwards(tmp_path: Path) -> None:
    files = []
    for number in range(2 * MOST + 5):
        path = tmp_path / str(number)
        path.write_bytes(b"number %d" % number)
        files.append(SpoolFile(path, path.stat().st_size))
    with OpenFiles() as kept:
        for _ in range(2):
            for number, file in enumerate(files):
                assert kept.read_at(file, 7, 10) == b"%d" % number
                assert kept.read_at(file, 0, 6) == b"number"
                assert 1 <= opened(tmp_path) <= MOST
    assert opened(tmp_path) == 0


def test_a_file_that_is_gone_is_told_as_it_is_of_the_file_itself(tmp_path: Path) -> None:
    with OpenFiles() as kept, pytest.raises(LayerError, match="its temporary file is gone"):
        kept.read_at(SpoolFile(tmp_path / "gone", 5), 0, 5)
