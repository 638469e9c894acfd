"""An image that several runs use goes with the last of them, and one that was there before stays."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.claims import claim_image, turn
from pytest_multiarch.engine.cleanup import close_book
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.kept_books import KeptLedger, state_folder
from pytest_multiarch.engine.ledger import Ledger, Owned
from pytest_multiarch.engine.orphans import end_clients
from tests.unit.fake_engine_api import Answer, FakeEngineApi
from tests.unit.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = Owned("image", "registry:2")


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    """Return a daemon that has the image only where a test says so."""
    with FakeEngineApi().running() as fake:
        fake.on("GET", "/images/.*/json", Answer(404, json={"message": "No such image"}))
        yield fake


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


@pytest.fixture
def run(api: FakeEngineApi) -> Callable[..., Ledger]:
    """Return a function that opens the book of one more run: this process is the owner of all."""
    return lambda host=api.url: Ledger.open_new({"DOCKER_HOST": host})


def has_image(api: FakeEngineApi) -> None:
    api.on("GET", "/images/.*/json", Answer(200, json={"Id": "sha256:1"}))


def keep(api: FakeEngineApi) -> KeptLedger:
    """Return the book of what lives on for a project."""
    folder = state_folder() / "0123456789ab"
    folder.mkdir(parents=True)
    (folder / "owner.json").write_text(json.dumps({"project": "/project", "environ": {"DOCKER_HOST": api.url}}))
    return KeptLedger(folder, folder.name)


def has_died(ledger: Ledger) -> None:
    path = ledger.folder / "owner.json"
    said = json.loads(path.read_text())
    said["owner"]["started"] = "1"
    path.write_text(json.dumps(said))


def test_an_image_that_is_not_there_yet_is_the_runs(engine: Engine, run: Callable[..., Ledger]) -> None:
    ledger = run()
    assert not claim_image(engine, ledger, "registry:2")
    assert ledger.entries() == (IMAGE,)


def test_an_image_that_was_there_before_is_nobodys(
    engine: Engine, api: FakeEngineApi, run: Callable[..., Ledger]
) -> None:
    has_image(api)
    first, second = run(), run()
    assert claim_image(engine, first, "registry:2")
    assert claim_image(engine, second, "registry:2")
    assert first.entries() == second.entries() == ()


def test_an_image_of_another_run_goes_with_the_last_that_uses_it(
    engine: Engine, api: FakeEngineApi, run: Callable[..., Ledger]
) -> None:
    first, second = run(), run()
    claim_image(engine, first, "registry:2")
    has_image(api)
    assert claim_image(engine, second, "registry:2")
    assert second.entries() == (IMAGE,)
    assert close_book(engine, first) == []
    assert api.deleted == []
    assert not first.folder.exists()
    assert close_book(engine, second) == []
    assert api.deleted == ["/images/registry:2"]


def test_an_image_of_a_run_is_needed_by_what_lives_on_too(
    engine: Engine, api: FakeEngineApi, run: Callable[..., Ledger]
) -> None:
    first, kept = run(), keep(api)
    claim_image(engine, first, "registry:2")
    has_image(api)
    assert claim_image(engine, kept, "registry:2")
    assert close_book(engine, first) == []
    assert api.deleted == []
    assert close_book(engine, kept) == []
    assert api.deleted == ["/images/registry:2"]


def test_an_image_of_what_lives_on_goes_with_the_run_that_uses_it_where_it_is_pruned_before(
    engine: Engine, api: FakeEngineApi, run: Callable[..., Ledger]
) -> None:
    kept, last = keep(api), run()
    claim_image(engine, kept, "registry:2")
    has_image(api)
    claim_image(engine, last, "registry:2")
    assert close_book(engine, kept) == []
    assert api.deleted == []
    assert close_book(engine, last) == []
    assert api.deleted == ["/images/registry:2"]


def test_a_user_without_a_home_keeps_nothing(
    engine: Engine, run: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")  # as pathlib does

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    ledger = run()
    assert not claim_image(engine, ledger, "registry:2")
    assert ledger.entries() == (IMAGE,)


def test_a_dead_run_keeps_no_image_from_being_removed(
    engine: Engine, api: FakeEngineApi, run: Callable[..., Ledger]
) -> None:
    dead, living = run(), run()
    claim_image(engine, dead, "registry:2")
    has_image(api)
    has_died(dead)
    # It is known whose it was, though nobody has swept up after that run yet.
    claim_image(engine, living, "registry:2")
    assert close_book(engine, living) == []
    assert api.deleted == ["/images/registry:2"]


def test_an_image_of_another_daemon_is_another_image(
    engine: Engine, api: FakeEngineApi, run: Callable[..., Ledger]
) -> None:
    elsewhere, here = run("tcp://elsewhere:2375"), run()
    elsewhere.add("image", "registry:2")
    has_image(api)
    claim_image(engine, here, "registry:2")
    assert here.entries() == ()


def test_runs_take_turns(run: Callable[..., Ledger]) -> None:
    first, second = run(), run()
    entered = threading.Event()

    def follow() -> None:
        with turn(second):
            entered.set()

    thread = threading.Thread(target=follow)
    with turn(first):
        thread.start()
        assert not entered.wait(0.3)
    thread.join(10)
    assert entered.is_set()


def test_a_turn_that_never_comes_is_not_waited_for_for_ever(
    run: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_multiarch.engine.claims._PATIENCE", 0.1)
    ledger = run()
    with turn(ledger), turn(ledger):
        assert ledger.entries() == ()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system has no /proc")
def test_docker_clients_of_a_dead_run_are_ended_and_no_others(run: Callable[..., Ledger]) -> None:
    dead, living = run(), run()
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)"],
            env={"BUILDX_CONFIG": str(ledger.folder / "buildx")},
            stdout=subprocess.PIPE,
        )
        for ledger in (dead, living)
    ]
    try:
        for client in clients:
            assert client.stdout is not None
            assert client.stdout.readline() == b"up\n"
        end_clients(dead.folder)
        wait_until(lambda: clients[0].poll() is not None)
        assert clients[1].poll() is None
    finally:
        for client in clients:
            client.kill()
            client.communicate()
