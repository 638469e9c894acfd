"""Layers that the processes of a run share: each made once, whoever dies meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.layers import LayerStore
from pytest_multiarch.image.limits import LayerLimits
from pytest_multiarch.image.shelf import BorrowedFolder, Shelf
from pytest_multiarch.image.spool import SpoolFolder
from pytest_multiarch.image.unpacked import Compression, Unpacked
from tests.unit.files.common import NAME, MemoryReader, file, tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = "sha256:" + "a" * 64
FACTS = Unpacked(4, "sha256:" + "b" * 64, Compression.GZIP)

# Another process that begins to make the layer, says so, and never ends. Its argument: the folder.
MAKER = f"""
import sys, threading
from pathlib import Path
from pytest_multiarch.image.shelf import BorrowedFolder, Shelf

def make(target):
    target.write_bytes(b"ha")
    print("making", flush=True)
    threading.Event().wait()

Shelf(BorrowedFolder(lambda: Path(sys.argv[1]))).take({DIGEST!r}, make)
"""


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[SpoolFolder]:
    folder = SpoolFolder(tmp_path)
    yield folder
    folder.close()


def borrowed(owned: SpoolFolder) -> Shelf:
    return Shelf(BorrowedFolder(lambda: owned.path))


def whole(target: Path) -> Unpacked:
    target.write_bytes(b"data")
    return FACTS


def never(target: Path) -> Unpacked:
    pytest.fail(f"{target} was made again")


def test_what_one_has_made_the_others_take(owned: SpoolFolder) -> None:
    assert Shelf(owned).take(DIGEST, whole)[0] == FACTS
    unpacked, content = borrowed(owned).take(DIGEST, never)
    assert unpacked == FACTS
    assert content.read_at(0, 4) == b"data"


def test_who_comes_while_it_is_made_waits(owned: SpoolFolder) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(target: Path) -> Unpacked:
        begun.set()
        assert go_on.wait(20)
        return whole(target)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Shelf(owned).take, DIGEST, slowly)
        assert begun.wait(20)
        second = pool.submit(borrowed(owned).take, DIGEST, never)
        go_on.set()
        assert first.result(20)[0] == second.result(20)[0] == FACTS


def test_what_fails_leaves_nothing_and_the_next_one_tries(owned: SpoolFolder) -> None:
    def fail(target: Path) -> Unpacked:
        target.write_bytes(b"ha")
        raise LayerError("unpack it", "it is broken")

    with pytest.raises(LayerError, match="it is broken"):
        Shelf(owned).take(DIGEST, fail)
    assert borrowed(owned).take(DIGEST, whole)[1].read_at(0, 4) == b"data"


def test_what_a_killed_process_was_making_is_made_anew(owned: SpoolFolder) -> None:
    maker = subprocess.Popen([sys.executable, "-c", MAKER, str(owned.path)], stdout=subprocess.PIPE, text=True)
    with maker, ThreadPoolExecutor(1) as pool:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "making\n"
        waiting = pool.submit(borrowed(owned).take, DIGEST, whole)
        maker.kill()
        assert waiting.result(20)[1].read_at(0, 4) == b"data"


def test_facts_that_were_not_written_to_their_end_are_none(owned: SpoolFolder) -> None:
    shelf = Shelf(owned)
    _, content = shelf.take(DIGEST, whole)
    facts = content.path.with_name(content.path.name + ".json")
    facts.write_text(facts.read_text()[:-3])
    content.path.write_bytes(b"ha")
    assert shelf.take(DIGEST, whole)[1].read_at(0, 4) == b"data"


def test_a_borrowed_folder_is_asked_for_once_and_stays(owned: SpoolFolder) -> None:
    asked = []

    def ask() -> Path:
        asked.append(1)
        return owned.path

    shelf = Shelf(BorrowedFolder(ask))
    assert asked == []
    shelf.take(DIGEST, whole)
    shelf.take(DIGEST, never)
    shelf.close()
    assert asked == [1]
    assert owned.path.is_dir()
    with pytest.raises(LayerError, match="closed"):
        shelf.take(DIGEST, never)


def test_a_folder_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match=r"cannot write .*gone: No such file"):
        Shelf(BorrowedFolder(lambda: tmp_path / "gone")).take(DIGEST, whole)


def test_two_stores_fetch_a_layer_once_and_each_counts_it() -> None:
    reader = MemoryReader()
    data = tar(file("a", b"x"))
    layer = reader.add(data)
    with LayerStore() as owner:
        owner.layer(reader, NAME, layer)
        with LayerStore(BorrowedFolder(lambda: owner.folder)) as other:
            assert other.layer(reader, NAME, layer).content.read_at(0, len(data)) == data
        assert reader.asked == [layer.digest]
        small = LayerLimits(total=len(data) - 1)
        with LayerStore(BorrowedFolder(lambda: owner.folder), small) as other, pytest.raises(LayerError):
            other.layer(reader, NAME, layer)
