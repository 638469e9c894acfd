"""Closing a run's book: what is removed, in which order, and what is left."""

from __future__ import annotations

import json
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.cleanup import close_book, remove, sweep_abandoned, sweep_folder
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.ledger import Ledger
from tests.unit.fake_engine_api import Answer, FakeEngineApi
from tests.unit.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.engine.ledger import Kind

GONE: Mapping[Kind, Answer] = {"container": Answer(204), "volume": Answer(204), "image": Answer(json=[])}
has_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        yield fake


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


@pytest.fixture
def ledger(api: FakeEngineApi) -> Ledger:
    return Ledger.open_new({"DOCKER_HOST": api.url})


def conflict(message: str) -> Answer:
    return Answer(409, json={"message": message})


def abandon(ledger: Ledger) -> None:
    path = ledger.folder / "owner.json"
    said = json.loads(path.read_text())
    said["owner"]["started"] = "1"
    path.write_text(json.dumps(said))


def test_containers_go_before_what_they_may_use(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    ledger.add("container", "c")
    ledger.add("image", "i")
    ledger.add("volume", "v")
    ledger.add("container", "d")
    ledger.add("image", "j")
    assert close_book(engine, ledger) == []
    assert set(api.deleted[:2]) == {"/containers/c", "/containers/d"}
    assert set(api.deleted[2:]) == {"/volumes/v", "/images/i", "/images/j"}
    assert not ledger.folder.exists()


def test_containers_are_gone_before_the_rest_is_asked_for(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    order: list[str] = []

    def removed_slowly() -> Answer:
        assert api.closing.wait(0.2) is False
        order.append("container gone")
        return Answer(204)

    def asked_for() -> Answer:
        order.append("volume asked for")
        return Answer(204)

    api.on("DELETE", "/containers/.*", removed_slowly)
    api.on("DELETE", "/volumes/.*", asked_for)
    ledger.add("container", "c")
    ledger.add("volume", "v")
    assert close_book(engine, ledger) == []
    assert order == ["container gone", "volume asked for"]


def test_containers_go_with_their_unnamed_volumes_and_whatever_they_do(
    engine: Engine, ledger: Ledger, api: FakeEngineApi
) -> None:
    ledger.add("container", "c")
    ledger.add("image", "i")
    close_book(engine, ledger)
    (container,), (image,) = (api.asked("DELETE", f"/{kind}s/.*") for kind in ("container", "image"))
    assert (container.query["v"], container.query["force"]) == (["True"], ["True"])
    # Not by force: that would take an image from under somebody's stopped container.
    assert image.query["force"] == ["False"]


@pytest.mark.parametrize("kind", ["container", "volume", "image"])
def test_things_of_a_kind_go_side_by_side(engine: Engine, ledger: Ledger, api: FakeEngineApi, kind: Kind) -> None:
    together = threading.Barrier(3)

    def wait_for_the_others() -> Answer:
        together.wait(10)
        return GONE[kind]

    api.on("DELETE", f"/{kind}s/.*", wait_for_the_others)
    for name in "abc":
        ledger.add(kind, name)
    assert close_book(engine, ledger) == []
    assert not together.broken


def test_volumes_go_beside_images(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    together = threading.Barrier(2)

    def wait_for_the_other(kind: Kind) -> Answer:
        together.wait(10)
        return GONE[kind]

    ledger.add("volume", "v")
    ledger.add("image", "i")
    api.on("DELETE", "/volumes/v", lambda: wait_for_the_other("volume"))
    api.on("DELETE", "/images/i", lambda: wait_for_the_other("image"))
    assert close_book(engine, ledger) == []
    assert not together.broken


def test_an_empty_book_asks_nothing_of_the_daemon(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    assert close_book(engine, ledger) == []
    assert api.deleted == []
    assert not ledger.folder.exists()


@pytest.mark.parametrize("kind", ["container", "volume", "image"])
def test_what_is_not_there_counts_as_removed(engine: Engine, ledger: Ledger, api: FakeEngineApi, kind: str) -> None:
    api.on("DELETE", ".*", Answer(404, json={"message": f"No such {kind}: x"}))
    ledger.add(kind, "x")  # type: ignore[arg-type]  # one of the three
    assert close_book(engine, ledger) == []
    assert api.deleted == [f"/{kind}s/x"]
    assert not ledger.folder.exists()


def test_an_image_that_somebody_uses_by_now_is_left_to_them(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    api.on("DELETE", "/images/.*", conflict("unable to remove repository reference: container 1a is using it"))
    ledger.add("image", "x")
    assert close_book(engine, ledger) == []
    assert not ledger.folder.exists()


def test_a_container_that_the_daemon_is_removing_already_is_no_problem(
    engine: Engine, ledger: Ledger, api: FakeEngineApi
) -> None:
    api.on("DELETE", "/containers/.*", conflict("removal of container x is already in progress"))
    ledger.add("container", "x")
    assert close_book(engine, ledger) == []


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        ("container", Answer(500, json={"message": "device\nbusy"}), "removing the container x: device busy"),
        ("volume", conflict("volume is in use"), "removing the volume x: volume is in use"),
        ("image", Answer(500, json={"message": "no space"}), "removing the image x: no space"),
    ],
)
def test_what_cannot_be_removed_is_told_and_stays_in_the_book(
    engine: Engine, ledger: Ledger, api: FakeEngineApi, kind: str, answer: Answer, problem: str
) -> None:
    ledger.add("container", "fine")
    stays = ledger.add(kind, "x")  # type: ignore[arg-type]  # one of the three
    api.on("DELETE", f"/{kind}s/x", answer)
    assert close_book(engine, ledger) == [problem]
    assert ledger.folder.exists()
    assert ledger.entries() == (stays,)


def test_what_could_not_be_removed_can_be_the_next_time(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    ledger.add("volume", "x")
    api.on("DELETE", "/volumes/x", conflict("volume is in use"), Answer(204))
    assert len(close_book(engine, ledger)) == 1
    assert close_book(engine, ledger) == []
    assert not ledger.folder.exists()


def test_some_entries_can_be_removed_alone(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    one, other = ledger.add("container", "a"), ledger.add("container", "b")
    assert remove(engine, ledger, [one]) == []
    assert api.deleted == ["/containers/a"]
    assert ledger.entries() == (other,)
    assert ledger.folder.exists()


def test_what_was_started_on_a_node_is_removed_there(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    with FakeEngineApi().running(tcp=True) as node:
        ledger.add("container", "here")
        ledger.add("container", "there", node.url)
        ledger.add("volume", "there too", node.url)
        assert close_book(engine, ledger) == []
    assert api.deleted == ["/containers/here"]
    assert node.deleted == ["/containers/there", "/volumes/there too"]


def test_a_node_that_is_gone_is_told(engine: Engine, ledger: Ledger, api: FakeEngineApi, tmp_path: Path) -> None:
    ledger.add("container", "here")
    ledger.add("container", "there", f"unix://{tmp_path}/none")
    (problem,) = close_book(engine, ledger)
    assert str(tmp_path) in problem
    assert api.deleted == ["/containers/here"]
    assert ledger.folder.exists()


@has_proc
def test_a_dead_run_is_swept_with_the_daemon_that_it_used(ledger: Ledger, api: FakeEngineApi) -> None:
    ledger.add("container", "c")
    abandon(ledger)
    assert sweep_abandoned() == []
    assert api.deleted == ["/containers/c"]
    assert not ledger.folder.exists()


def test_what_other_processes_of_a_run_have_left_goes_first(engine: Engine, ledger: Ledger, api: FakeEngineApi) -> None:
    workers = [Ledger.open_new({"DOCKER_HOST": api.url}) for _ in range(3)]
    for number, worker in enumerate(workers):
        worker.add("container", f"warm-{number}")
        ledger.adopt(worker.folder)
    workers[2].remove_folder()  # it has closed its book itself
    ledger.add("image", "i")
    assert close_book(engine, ledger) == []
    assert sorted(api.deleted[:-1]) == ["/containers/warm-0", "/containers/warm-1"]
    assert api.deleted[-1] == "/images/i"
    assert not any(book.folder.exists() for book in [ledger, *workers])


def test_images_go_when_nobody_is_at_the_books_of_other_processes_any_more(
    engine: Engine, ledger: Ledger, api: FakeEngineApi
) -> None:
    for kind in ("container", "volume", "image"):
        ledger.add(kind, kind)
    seen: list[list[str]] = []

    def others() -> None:
        wait_until(lambda: "/containers/container" in api.deleted)  # its own containers are not held up
        seen.append(list(api.deleted))

    assert close_book(engine, ledger, others) == []
    assert seen == [["/containers/container"]]
    assert set(api.deleted) == {"/containers/container", "/volumes/volume", "/images/image"}


def test_a_dead_run_is_swept_with_its_other_processes_though_its_own_book_is_empty(
    ledger: Ledger, api: FakeEngineApi
) -> None:
    worker = Ledger.open_new({"DOCKER_HOST": api.url})
    worker.add("container", "warm")
    ledger.adopt(worker.folder)
    with (ledger.folder / "adopted.jsonl").open("a") as file:
        file.write('"/cut o')
    assert sweep_folder(ledger.folder) == []
    assert set(api.deleted) == {"/containers/warm"}
    assert not ledger.folder.exists()


def test_a_living_run_is_left_alone(ledger: Ledger, api: FakeEngineApi) -> None:
    ledger.add("container", "c")
    assert sweep_abandoned() == []
    assert api.deleted == []
    assert ledger.folder.exists()


def test_its_watchdog_sweeps_a_run_that_seems_to_live(ledger: Ledger, api: FakeEngineApi) -> None:
    ledger.add("container", "c")
    assert sweep_folder(ledger.folder) == []
    assert set(api.deleted) == {"/containers/c"}
    assert not ledger.folder.exists()


def test_a_connection_to_its_daemon_that_is_there_is_used_and_stays_open(
    engine: Engine, ledger: Ledger, api: FakeEngineApi
) -> None:
    ledger.add("container", "c")
    asked = len(api.asked("GET", "/info"))
    assert sweep_folder(ledger.folder, settle=(), known=engine) == []
    assert api.deleted == ["/containers/c"]
    assert len(api.asked("GET", "/info")) == asked
    assert not engine.has_image("i")
    assert len(api.asked("GET", "/images/i/json")) == 1


def test_a_connection_to_another_daemon_is_not_used(ledger: Ledger, api: FakeEngineApi) -> None:
    ledger.add("container", "c")
    with FakeEngineApi().running() as other, closing(Engine.connect({"DOCKER_HOST": other.url})) as theirs:
        assert sweep_folder(ledger.folder, settle=(), known=theirs) == []
        assert other.deleted == []
    assert api.deleted == ["/containers/c"]


def test_a_folder_that_is_gone_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep_folder(tmp_path / "pytest-multiarch-gone") == []


@has_proc
def test_a_dead_run_that_started_nothing_needs_no_daemon(tmp_path: Path) -> None:
    ledger = Ledger.open_new({"DOCKER_HOST": f"unix://{tmp_path}/none"})
    abandon(ledger)
    assert sweep_abandoned() == []
    assert not ledger.folder.exists()


@has_proc
def test_a_dead_run_whose_daemon_is_gone_is_told_and_kept(tmp_path: Path) -> None:
    ledger = Ledger.open_new({"DOCKER_HOST": f"unix://{tmp_path}/none"})
    ledger.add("container", "c")
    abandon(ledger)
    (problem,) = sweep_abandoned()
    assert ledger.run_id in problem
    assert ledger.folder.exists()


@has_proc
def test_one_dead_run_that_cannot_be_swept_does_not_keep_others(api: FakeEngineApi, tmp_path: Path) -> None:
    stuck = Ledger.open_new({"DOCKER_HOST": f"unix://{tmp_path}/none"})
    free = Ledger.open_new({"DOCKER_HOST": api.url})
    for ledger in (stuck, free):
        ledger.add("container", "c")
        abandon(ledger)
    assert len(sweep_abandoned()) == 1
    assert stuck.folder.exists()
    assert not free.folder.exists()
