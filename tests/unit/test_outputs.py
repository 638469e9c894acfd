"""What a command wrote: the same whether it lies in memory or in a file, and short where it is shown."""

from __future__ import annotations

import gc
import os
import pickle
from pathlib import Path

import pytest

from pytest_multiarch.outputs import Output, OutputWriter

DATA = bytes(range(256)) * 40


def written(memory_limit: int) -> Output:
    writer = OutputWriter(memory_limit)
    for start in range(0, len(DATA), 1000):
        writer.write(DATA[start : start + 1000])
    assert writer.size == len(DATA)
    return writer.finish()


@pytest.mark.parametrize("memory_limit", [0, 1500, len(DATA) - 1, len(DATA), 2 * len(DATA)])
def test_every_byte_is_there_wherever_it_lies(memory_limit: int) -> None:
    output = written(memory_limit)
    assert (output.size, output.whole()) == (len(DATA), DATA)
    assert output.read_at(990, 20) == DATA[990:1010]
    assert output.read_at(len(DATA) - 3, 20) == DATA[-3:]
    assert output == Output(DATA)
    assert hash(output) == hash(Output(DATA))
    assert output != Output(DATA[:-1] + b"x")
    assert pickle.loads(pickle.dumps(output)) == output  # noqa: S301


def test_a_large_output_is_a_file_without_a_name_that_goes_with_it() -> None:
    def files() -> set[str]:
        return {os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()}  # noqa: PTH115

    gc.collect()  # what other tests have left
    before = files()
    output = written(10)
    (found,) = files() - before
    assert found.endswith(" (deleted)") or not Path(found).exists()
    del output
    gc.collect()
    assert found not in files()


def test_a_report_shows_beginning_and_end() -> None:
    writer = OutputWriter(10)
    writer.write(b"first\n" + b"." * 1000 + b"\nlast")
    output = writer.finish()
    assert output.shown(12) == "first\n\n… 999 bytes left out …\n.\nlast"
    assert output.shown(2000) == output.text()
