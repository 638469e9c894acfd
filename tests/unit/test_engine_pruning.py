"""Pruning: what dead runs have left goes, what others have stays, and a dry run only talks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.kept_books import KeptLedger, state_folder
from pytest_multiarch.engine.ledger import Ledger, boot_id
from pytest_multiarch.engine.pruning import main
from tests.unit.fake_engine_api import Answer, FakeEngineApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DOCKER_HOST", fake.url)
        yield fake


@pytest.fixture
def names(api: FakeEngineApi) -> dict[str, str]:
    """Return names of what the daemon has: ours and others'."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    boot, dead = boot_id()[:8], process.pid
    found = {
        "warm": f"multiarch-0123abcd-{dead}-{boot}-warm-1",
        "builder": f"buildx_buildkit_multiarch-0123abcd-{dead}-{boot}-builder0",
        "elsewhere": f"multiarch-0123abcd-{os.getpid()}-00000000-registry",
        "alive": f"multiarch-0123abcd-{os.getpid()}-{boot}-warm-1",
        "kept": "multiarch-kept-0123456789ab-registry",
        "user": f"my-multiarch-0123abcd-{dead}-{boot}-warm-1",
        "users builder": "buildx_buildkit_multiarch0",
    }
    api.on("GET", "/containers/json", Answer(json=[{"Names": [f"/{name}"]} for name in found.values()]))
    api.on("GET", "/volumes", Answer(json={"Volumes": [{"Name": f"{found['builder']}_state"}, {"Name": "data"}]}))
    return found


@pytest.fixture
def dead_run(api: FakeEngineApi) -> Ledger:
    """Return the book of a run whose process is gone, with a container in it."""
    ledger = Ledger.open_new({"DOCKER_HOST": api.url})
    ledger.add("container", "left")
    said = json.loads((ledger.folder / "owner.json").read_text())
    said["owner"]["started"] = "1"
    (ledger.folder / "owner.json").write_text(json.dumps(said))
    return ledger


@pytest.mark.usefixtures("names")
def test_what_stands_in_a_dead_runs_book_is_removed_and_no_more(
    api: FakeEngineApi, dead_run: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([]) == 0
    assert api.deleted == ["/containers/left"]
    assert not dead_run.folder.exists()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"removing container left, of the run {dead_run.run_id}"
    assert {line.partition(":")[0] for line in said[1:]} == {"left alone without --all"}


def test_with_all_so_is_what_has_a_runs_name_and_no_run(
    api: FakeEngineApi, names: dict[str, str], tmp_path: Path
) -> None:
    assert main(["--all"]) == 0
    assert sorted(api.deleted) == sorted(
        [
            *(f"/containers/{names[which]}" for which in ("warm", "builder", "elsewhere")),
            f"/volumes/{names['builder']}_state",
        ]
    )
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_removes_nothing(
    api: FakeEngineApi, dead_run: Ledger, names: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--dry-run", "--all"]) == 0
    assert api.deleted == []
    assert dead_run.folder.exists()
    said = capsys.readouterr().out
    assert "would remove container left" in said
    assert f"would remove container {names['warm']}" in said
    assert names["alive"] not in said


@pytest.mark.usefixtures("names")
def test_what_is_kept_for_later_runs_goes_too(api: FakeEngineApi, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = KeptLedger(state_folder() / "0123456789ab", "0123456789ab")
    ledger.folder.mkdir(parents=True)
    said = {"environ": {"DOCKER_HOST": api.url}, "project": "/my/project"}
    (ledger.folder / "owner.json").write_text(json.dumps(said))
    ledger.add("container", f"{ledger.prefix}-registry")
    assert main(["--dry-run"]) == 0
    assert f"would remove container {ledger.prefix}-registry, kept for /my/project\n" in capsys.readouterr().out
    assert api.deleted == []
    assert main([]) == 0
    assert api.deleted == [f"/containers/{ledger.prefix}-registry"]
    assert not ledger.folder.exists()


@pytest.mark.usefixtures("dead_run", "names")
def test_what_cannot_be_removed_is_told(api: FakeEngineApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.on("DELETE", "/containers/left", Answer(500, json={"message": "it is stuck"}))
    assert main([]) == 1
    assert "removing the container left: it is stuck" in capsys.readouterr().err


def test_without_a_daemon_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    assert main([]) == 1
    assert "unix:///no/such.sock" in capsys.readouterr().err
