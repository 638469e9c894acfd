"""The benchmarks' own tools: what they measure has to be what they say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks.measuring import BenchmarkError, Sample, Subject, in_child, summary
from benchmarks.subjects import audit_layout
from benchmarks.synthetic import PLATFORMS, write_image

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def test_medians_do_not_follow_one_slow_turn() -> None:
    found = summary([Sample(1.0, 0.5, 10), Sample(90.0, 0.7, 30), Sample(2.0, 0.6, 20)])
    assert (found.wall, found.cpu, found.peak, found.fastest, found.slowest) == (2.0, 0.6, 20, 1.0, 90.0)


def test_a_subject_is_measured_in_a_process_of_its_own() -> None:
    sample = in_child(Subject("os:getpid"))
    assert sample.value != os.getpid()
    assert sample.peak > MIB


def test_a_subject_that_fails_is_told_with_its_error() -> None:
    with pytest.raises(BenchmarkError, match="no-such-folder"):
        in_child(Subject("os:listdir", ("/no-such-folder",)))


def test_the_synthetic_image_is_as_large_as_it_says_and_shared_by_its_platforms(tmp_path: Path) -> None:
    place = write_image(tmp_path / "image", 8 * MIB, layers=2, small_files=200)
    found = audit_layout(place, list(PLATFORMS))
    assert found["layers"] == 2 + len(PLATFORMS)
    assert found["unpacked"] >= 8 * MIB
    assert found["findings"] == 0
