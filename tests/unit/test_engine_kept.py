"""What lives on between runs: found again, made anew where it is gone, used by several, pruned when nobody uses it."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_multiarch.engine import kept as module
from pytest_multiarch.engine.builder import Builder
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.kept import Kept, prune
from pytest_multiarch.engine.kept_books import state_folder
from pytest_multiarch.engine.options import EngineOptions
from pytest_multiarch.engine.registry import Registry, container_class
from pytest_multiarch.errors import EngineUnavailable
from pytest_multiarch.image.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.engine.ledger import Ledger, Owned

ENVIRON = {"DOCKER_HOST": "unix:///x"}


class World:
    """Stand in for the daemon, and count what is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.registries = 0
        self.builders = 0
        self.removed: list[str] = []
        self.answers = True
        self.builder_is_there = False
        self.engine = cast("Engine", SimpleNamespace(environ=ENVIRON, close=lambda: None))
        monkeypatch.setattr(module, "start_registry", self._start_registry)
        monkeypatch.setattr(module, "answers_again", lambda engine, name, registry: registry if self.answers else None)
        monkeypatch.setattr(module, "create_builder", self._create_builder)
        monkeypatch.setattr(module, "revive_builder", self._revive_builder)
        monkeypatch.setattr(module, "remove", self._remove)
        monkeypatch.setattr(module, "sweep_abandoned", list)
        monkeypatch.setattr(module, "close_book", self._close_book)
        monkeypatch.setattr(Engine, "connect", lambda environ: self.engine)

    def _start_registry(self, engine: Engine, ledger: Ledger, load: object, **options: Any) -> Registry:
        self.registries += 1
        ledger.add("container", f"{ledger.prefix}-registry")
        return Registry(f"localhost:{self.registries}", "http://x", Credentials("u", f"secret-{self.registries}"))

    def _create_builder(self, engine: Engine, ledger: Ledger, environ: object, *, name: str, **options: Any) -> Builder:
        self.builders += 1
        self.builder_is_there = True
        return Builder(name, "docker-container", {})

    def _revive_builder(self, name: str, ledger: Ledger, environ: object) -> Builder | None:
        return Builder(name, "docker-container", {}) if self.builder_is_there else None

    def _remove(self, engine: Engine, ledger: Ledger, entries: Sequence[Owned]) -> list[str]:
        for owned in entries:
            self.removed.append(owned.name)
            ledger.strike(owned)
        return []

    def _close_book(self, engine: Engine, ledger: Ledger) -> list[str]:
        self.removed += [owned.name for owned in ledger.entries()]
        ledger.remove_folder()
        return []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return World(monkeypatch)


@pytest.fixture
def make(world: World) -> Callable[..., Kept]:
    def make_kept(project: str = "/project", **options: Any) -> Kept:
        usual: dict[str, Any] = {
            "builder": "auto",
            "mirrors": (),
            "registry_image": "registry:2",
            "registry_port": None,
            "buildkit_image": "moby/buildkit",
            "build_timeout": 60.0,
            "command_timeout": 60.0,
        }
        return Kept(EngineOptions(**{**usual, **options}, reuse=Path(project)), ENVIRON)

    return make_kept


def close(kept: Kept, world: World, host: str = "-", used: frozenset[str] = frozenset()) -> None:
    assert kept.close(world.engine, host, used) == []


def test_the_next_run_finds_registry_and_builder_again(make: Callable[..., Kept], world: World) -> None:
    first = make()
    made = first.registry(world.engine, container_class), first.builder(world.engine, [], [])
    close(first, world)
    again = make()
    assert (again.registry(world.engine, container_class), again.builder(world.engine, [], [])) == made
    assert again.registry(world.engine, container_class).credentials == made[0].credentials
    assert (world.registries, world.builders) == (1, 1)
    close(again, world)


def test_runs_at_once_make_one_of_each(make: Callable[..., Kept], world: World) -> None:
    runs = [make() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda run: run.registry(world.engine, container_class), runs))
        list(pool.map(lambda run: run.builder(world.engine, [], []), runs))
    assert len(set(found)) == world.registries == world.builders == 1
    for run in runs:
        close(run, world)


def test_a_registry_that_is_gone_is_made_anew_and_what_it_had_is_forgotten(
    make: Callable[..., Kept], world: World
) -> None:
    kept = make()
    kept.registry(world.engine, container_class)
    kept.remember("inputs", "sha256:1")
    assert kept.digest_of("inputs") == "sha256:1"
    world.answers = False
    assert kept.registry(world.engine, container_class).credentials.secret == "secret-2"
    assert kept.digest_of("inputs") == ""
    close(kept, world)


def test_what_cannot_be_told_from_others_is_not_remembered(make: Callable[..., Kept], world: World) -> None:
    kept = make()
    kept.remember("", "sha256:1")
    assert kept.digest_of("") == kept.digest_of("other") == ""
    close(kept, world)


def test_other_projects_and_other_images_are_kept_apart(make: Callable[..., Kept], world: World) -> None:
    runs = [make(), make("/other"), make(registry_image="registry:3"), make(builder="docker")]
    assert len({run.ledger.folder for run in runs}) == len({run.ledger.prefix for run in runs}) == 4
    for run in runs:
        close(run, world)


def test_all_of_it_is_the_users_own(make: Callable[..., Kept], world: World) -> None:
    kept = make()
    kept.registry(world.engine, container_class)
    kept.remember("inputs", "sha256:1")
    assert kept.ledger.folder.stat().st_mode & 0o077 == 0
    assert (kept.ledger.folder / "registry.json").stat().st_mode & 0o077 == 0
    assert not list(kept.ledger.folder.glob("*.new"))
    close(kept, world)


def test_images_of_earlier_runs_go_and_those_in_use_stay(make: Callable[..., Kept], world: World) -> None:
    first, second = make(), make()
    for name in ("localhost:1/app@old", "localhost:1/app@new", "moby/buildkit"):
        first.ledger.add("image", name)
    close(first, world, "localhost:1", frozenset())
    assert world.removed == []  # the second may use any of them
    close(second, world, "localhost:1", frozenset(["localhost:1/app@new"]))
    assert world.removed == ["localhost:1/app@old"]


def test_prune_removes_all_but_what_a_run_uses(make: Callable[..., Kept], world: World) -> None:
    done, running = make(), make("/other")
    for kept in (done, running):
        kept.registry(world.engine, container_class)
    close(done, world)
    world.removed.clear()
    assert prune() == ["what is kept for /other is in use by a run"]
    assert world.removed == [f"{done.ledger.prefix}-registry"]
    close(running, world)
    assert prune() == []
    assert list(state_folder().iterdir()) == []
    assert prune() == []


def test_what_cannot_be_reached_stays(make: Callable[..., Kept], world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(environ: object) -> None:
        raise EngineUnavailable("connecting", "nobody is there")

    kept = make()
    kept.registry(world.engine, container_class)
    close(kept, world)
    monkeypatch.setattr(Engine, "connect", refuse)
    assert prune() == ["connecting: nobody is there (what is kept for /project is there)"]
    assert kept.ledger.folder.exists()


def test_a_folder_of_which_nothing_came_goes(make: Callable[..., Kept], world: World) -> None:
    kept = make()
    close(kept, world)
    (kept.ledger.folder / "owner.json").unlink()
    assert prune() == []
    assert not kept.ledger.folder.exists()
    again = make()
    assert again.ledger.folder.exists()
    close(again, world)


def test_a_state_folder_that_is_no_absolute_path_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", given)
        assert state_folder() == tmp_path / ".local" / "state" / "pytest-multiarch"
