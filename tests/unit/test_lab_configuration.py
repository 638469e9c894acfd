from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lab import configuration
from lab.console import LabError
from lab.paths import MIRROR_URL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "docker" / "daemon.json"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_a_machine_without_configuration_gets_the_mirror_and_the_containerd_store(file: Path, record: Path) -> None:
    configuration.ensure_main(file, record)
    assert read(file) == {
        "features": {"containerd-snapshotter": True},
        "labels": ["pytest-multiarch.lab=written-by-python3-m-lab-up"],
        "registry-mirrors": [MIRROR_URL],
    }


def test_what_the_user_configured_stays_and_comes_after_the_mirror() -> None:
    merged = configuration.merge(
        {
            "features": {"containerd-snapshotter": False, "buildkit": True},
            "labels": ["rack=7"],
            "mtu": 1400,
            "registry-mirrors": ["https://mirror.example"],
        }
    )
    assert merged == {
        "features": {"containerd-snapshotter": False, "buildkit": True},
        "labels": ["rack=7", "pytest-multiarch.lab=extended-by-python3-m-lab-up"],
        "mtu": 1400,
        "registry-mirrors": [MIRROR_URL, "https://mirror.example"],
    }


def test_merging_twice_changes_nothing_more() -> None:
    once = configuration.merge({"mtu": 1400})
    assert configuration.merge(once) == once


def test_a_value_of_another_kind_is_refused_by_its_name() -> None:
    with pytest.raises(LabError, match=r"'registry-mirrors' is 'https://mirror.example'"):
        configuration.merge({"registry-mirrors": "https://mirror.example"})


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_dockerd_would_not_read_is_refused_and_left(file: Path, record: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(LabError, match=r"reading .*daemon\.json"):
        configuration.ensure_main(file, record)
    assert file.read_text() == text


def test_taking_it_back_restores_the_users_file_to_the_byte(file: Path, record: Path) -> None:
    file.parent.mkdir()
    file.write_text('{ "mtu":1400 }')
    configuration.ensure_main(file, record)
    assert read(file)["registry-mirrors"] == [MIRROR_URL]
    assert configuration.restore_main(file, record)
    assert file.read_text() == '{ "mtu":1400 }'
    assert not record.exists()


def test_taking_it_back_removes_a_file_that_was_not_there(file: Path, record: Path) -> None:
    configuration.ensure_main(file, record)
    assert configuration.restore_main(file, record)
    assert not file.exists()


def test_a_file_edited_since_is_left_as_it_is(file: Path, record: Path) -> None:
    configuration.ensure_main(file, record)
    file.write_text('{"debug": true}')
    assert not configuration.restore_main(file, record)
    assert file.read_text() == '{"debug": true}'


def test_a_second_run_keeps_the_users_file_in_the_record(file: Path, record: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"mtu": 1400}')
    configuration.ensure_main(file, record)
    configuration.ensure_main(file, record)
    configuration.restore_main(file, record)
    assert file.read_text() == '{"mtu": 1400}'


def test_a_run_killed_between_record_and_file_is_made_up_for(file: Path, record: Path) -> None:
    configuration.ensure_main(file, record)
    file.unlink()
    configuration.ensure_main(file, record)
    assert read(file)["registry-mirrors"] == [MIRROR_URL]
    assert configuration.restore_main(file, record)
    assert not file.exists()


def test_the_labs_own_file_for_another_port_is_written_anew(file: Path, record: Path) -> None:
    configuration.ensure_main(file, record)
    other = file.read_text().replace(MIRROR_URL, "http://127.0.0.1:1")
    file.write_text(other)
    record.unlink()
    configuration.ensure_main(file, record)
    assert read(file)["registry-mirrors"] == [MIRROR_URL]
