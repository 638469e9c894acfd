"""The one owner: each thing made once and at its first use, all of it closed, in order. What it starts is stood in for."""

from __future__ import annotations

import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from pytest_multiarch.engine import belongings, build, local_workshop, site
from pytest_multiarch.engine import builder as buildx
from pytest_multiarch.engine.bases import Bases, BaseUse
from pytest_multiarch.engine.build import BuiltPlatform
from pytest_multiarch.engine.builder import Builder, ImageUnavailable
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.emulation import Supports
from pytest_multiarch.engine.environment import Environment
from pytest_multiarch.engine.options import EngineOptions, Node
from pytest_multiarch.engine.registry import Registry
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import (
    BuildError,
    EngineError,
    EngineUnavailable,
    InvalidReference,
    LayerError,
    MultiArchError,
    UsageProblem,
)
from pytest_multiarch.image.copying import CopiedImage
from pytest_multiarch.image.credentials import Credentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.platforms import Platform
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, file, tar
from tests.unit.files.layouts import write_layout
from tests.unit.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from pytest_multiarch.engine.bases import FoundBases
    from pytest_multiarch.engine.ledger import Ledger, Owned
    from pytest_multiarch.engine.progress import Step
    from pytest_multiarch.image.platform_image import PlatformImage

T = TypeVar("T")
AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
REGISTRY = Registry("localhost:5001", "http://127.0.0.1:5001", Credentials("u", "p"))


class Listener:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def build_started(self, platform: Platform) -> None: ...

    def build_step(self, platform: Platform, step: Step) -> None: ...

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def wait(self, future: Future[T], what: str = "") -> T:
        return future.result(20)


class World:
    """Stand in for all that an environment starts, and note the order in which it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[str] = []
        self.lock = threading.Lock()
        self.store = "containerd"
        self.problems: list[str] = []
        self.left_behind: list[str] = []
        self.engine_error: Exception | None = None
        self.registry_error: Exception | None = None
        self.builder_error: Exception | None = None
        self.contexts: dict[str, str] = {}
        self.copies: dict[str, CopiedImage] = {}
        self.foundation = ""
        self.groups: list[list[Platform]] = []
        self.pulled: list[str] = []
        self.there: set[str] = set()
        self.build: Callable[[Platform, dict[str, Any]], None] = lambda platform, options: None
        self.builds: list[tuple[Builder, BuildSpec, Platform, dict[str, Any]]] = []
        self.ledger: Ledger | None = None
        self.nodes: object = None
        self.emulated: tuple[Platform, ...] = ()
        monkeypatch.setattr(Supports, "_look", lambda _, platform: self._look(platform))
        self.plain_names = True
        self.adopted: tuple[Path, ...] = ()
        monkeypatch.setattr(Engine, "connect", self._connect)
        monkeypatch.setattr(Engine, "at", self._at)
        monkeypatch.setattr(belongings, "sweep_abandoned", self._sweep)
        monkeypatch.setattr(belongings, "Watchdog", self._watchdog)
        monkeypatch.setattr(site, "container_class", lambda: None)
        monkeypatch.setattr(site, "start_registry", self._start_registry)
        monkeypatch.setattr(site, "remove", self._remove)
        monkeypatch.setattr(local_workshop, "find_bases", self._find_bases)
        monkeypatch.setattr(belongings, "close_book", self._close_book)
        monkeypatch.setattr(buildx, "create_builder", self._create_builder)
        monkeypatch.setattr(buildx, "daemon_builder", lambda book, environ: Builder("default", "docker", {}))
        monkeypatch.setattr(buildx, "existing_builder", lambda name, book, environ: Builder(name, "other", {}))
        monkeypatch.setattr(build, "build_platform", self._build_platform)
        monkeypatch.setattr(buildx, "buildx_version", self._buildx_version)
        monkeypatch.setattr(buildx, "find_builder", lambda name, environ: self.note(f"builder {name} looked for"))

    def note(self, event: str) -> None:
        with self.lock:
            self.events.append(event)

    def count(self, event: str) -> int:
        return self.events.count(event)

    def _buildx_version(self, environ: object) -> tuple[int, ...]:
        self.note("buildx asked")
        return (0, 13, 1)

    def _look(self, platform: Platform) -> Support:
        return Support(platform, "emulated" if platform in self.emulated else "native")

    def _engine(self, endpoint: str) -> Engine:
        facts = SimpleNamespace(store=self.store, mirrors=("https://mirror",), platform=AMD64, version="26.1.5")
        close = lambda: self.note(f"engine {endpoint} closed".replace("  ", " "))  # noqa: E731

        def pull(reference: str, *, platform: Platform, credentials: Credentials | None) -> None:
            self.note(f"pulled {'without' if credentials is None else 'with'} credentials")
            self.pulled.append(reference)

        there = {"has_image": lambda reference: reference in self.there, "pull": pull, "is_elsewhere": False}
        return cast("Engine", SimpleNamespace(environ={}, facts=facts, endpoint=endpoint, close=close, **there))

    def _connect(self, patience: object = None) -> Engine:
        self.note("engine connected")
        if self.engine_error is not None:
            raise self.engine_error
        return self._engine("")

    def _at(self, endpoint: str, patience: object = None) -> Engine:
        self.note(f"engine {endpoint} connected")
        return self._engine(endpoint)

    def _sweep(self) -> list[str]:
        self.note("dead runs swept")
        return self.left_behind

    def _watchdog(self, folder: Path) -> Any:
        assert (folder / "owner.json").exists()
        self.note("watchdog started")
        return SimpleNamespace(
            dismiss=lambda: self.note("watchdog dismissed"), abandon=lambda: self.note("watchdog left to it")
        )

    def _start_registry(
        self, engine: Engine, ledger: Ledger, load: object, *, image: str, port: int | None, **_: Any
    ) -> Registry:
        self.note("registry started")
        self.ledger = ledger
        if self.registry_error is not None:
            raise self.registry_error
        return REGISTRY

    def _create_builder(self, engine: Engine, ledger: Ledger, environ: object, **options: Any) -> Builder:
        self.note("builder started")
        self.nodes = options["nodes"]
        if self.builder_error is not None:
            raise self.builder_error
        ledger.add("volume", f"buildx_buildkit_{options['name']}0_state")
        ledger.add("container", f"buildx_buildkit_{options['name']}0")
        return Builder("throwaway" if self.plain_names else options["name"], "docker-container", {})

    def _remove(self, engine: Engine, ledger: Ledger, entries: Sequence[Owned]) -> list[str]:
        for owned in entries:
            self.note(f"{owned.kind} removed")
            ledger.strike(owned)
        return []

    def _find_bases(self, spec: BuildSpec, platforms: Sequence[Platform], **options: Any) -> FoundBases:
        def send(group: Sequence[Platform], *_: object) -> Bases:
            self.note("bases copied")
            users = {name: BaseUse((), AMD64) for name in self.copies}
            of_group = {"group": " ".join(map(str, group))} if self.groups else {}
            return Bases({**self.contexts, **of_group}, self.copies, users, self.foundation)

        return cast("FoundBases", SimpleNamespace(groups=lambda platforms: self.groups or [platforms], send=send))

    def _build_platform(self, builder: Builder, spec: BuildSpec, platform: Platform, **options: Any) -> BuiltPlatform:
        self.note(f"{platform} built")
        with self.lock:
            self.builds.append((builder, spec, platform, options))
        self.build(platform, options)
        return BuiltPlatform(platform, "sha256:" + "1" * 64, 1.0)

    def _close_book(self, engine: Engine, ledger: Ledger, others: Callable[[], object] = lambda: None) -> list[str]:
        others()
        self.note("book closed")
        self.adopted = ledger.adopted()
        ledger.remove_folder()
        return self.problems


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    return World(monkeypatch)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def make(world: World, listener: Listener) -> Iterator[Callable[..., Environment]]:
    made = []

    def make_environment(**options: Any) -> Environment:
        defaults: dict[str, Any] = {
            "builder": "auto",
            "mirrors": (),
            "registry_image": "registry:2",
            "registry_port": None,
            "buildkit_image": "moby/buildkit",
            "build_timeout": 60.0,
            "command_timeout": 60.0,
        }
        made.append(Environment(EngineOptions(**{**defaults, **options}), listener, lambda result: None))
        return made[-1]

    yield make_environment
    for environment in made:
        environment.close()


@pytest.fixture
def spec(tmp_path: Path) -> BuildSpec:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return BuildSpec(context=folder)


def together(count: int, call: Callable[[], T]) -> list[T]:
    """Call from several threads at the same moment and return what each of them got."""
    barrier = threading.Barrier(count)

    def meet() -> T:
        barrier.wait(10)
        return call()

    with ThreadPoolExecutor(count) as pool:
        return [future.result(20) for future in [pool.submit(meet) for _ in range(count)]]


def test_an_environment_that_is_not_used_starts_nothing(make: Callable[..., Environment], world: World) -> None:
    environment = make()
    assert environment.close() == []
    assert environment.close() == []
    assert world.events == []


def test_the_daemon_is_connected_to_once(make: Callable[..., Environment], world: World) -> None:
    environment = make()
    engines = together(8, environment.engine)
    assert all(engine is engines[0] for engine in engines)
    assert world.count("engine connected") == 1


def test_a_daemon_that_did_not_answer_is_asked_again(make: Callable[..., Environment], world: World) -> None:
    environment = make()
    world.engine_error = EngineUnavailable("connecting")
    with pytest.raises(EngineUnavailable):
        environment.engine()
    world.engine_error = None
    environment.engine()
    assert world.count("engine connected") == 2


@pytest.mark.parametrize(("thing", "event"), [("registry", "registry started"), ("builder", "builder started")])
def test_registry_and_builder_are_started_once(
    make: Callable[..., Environment], world: World, thing: str, event: str
) -> None:
    environment = make()
    found = together(8, getattr(environment, thing))
    assert all(one is found[0] for one in found)
    assert world.count(event) == 1
    assert world.count("watchdog started") == 1


def test_the_book_is_open_and_watched_before_anything_is_started(
    make: Callable[..., Environment], world: World
) -> None:
    make().registry()
    assert world.events == ["engine connected", "dead runs swept", "watchdog started", "registry started"]


def test_what_an_earlier_run_left_is_told(make: Callable[..., Environment], world: World, listener: Listener) -> None:
    world.left_behind = ["removing the container x: busy"]
    make().registry()
    assert listener.notes == ["cleaning up after an earlier run: removing the container x: busy"]


def test_a_registry_that_does_not_start_is_tried_once_and_fails_whoever_needs_it(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    environment = make()
    world.registry_error = EngineError("starting the registry", "no space")
    for call in (environment.registry, environment.registry, lambda: environment.build(spec, [AMD64]).platform(AMD64)):
        with pytest.raises(EngineError, match="no space"):
            call()
    assert world.count("registry started") == 1


def test_equal_specifications_are_built_once(make: Callable[..., Environment], world: World, spec: BuildSpec) -> None:
    environment = make()
    images = together(6, lambda: environment.build(spec, [AMD64, ARM64]))
    assert all(image is images[0] for image in images)
    assert environment.build(BuildSpec(context=spec.context), (AMD64, ARM64)) is images[0]
    wait_until(lambda: len(world.builds) == 2)
    assert environment.close() == []
    assert world.count("linux/amd64 built") == world.count("linux/arm64 built") == 1
    assert world.count("bases copied") == 1


def test_other_specifications_and_other_platforms_are_other_images(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    environment = make()
    one = environment.build(spec, [AMD64])
    assert environment.build(spec, [ARM64]) is not one
    assert environment.build(BuildSpec(context=spec.context, target="x"), [AMD64]) is not one
    wait_until(lambda: len(world.builds) == 3)
    names = {options["name"] for _, _, _, options in world.builds}
    assert len(names) == 3
    assert all(name.startswith("localhost:5001/context-") for name in names)
    assert world.count("builder started") == 1


def test_the_build_of_an_emulated_platform_may_take_longer(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    both_have_begun = threading.Barrier(3)
    world.emulated = (ARM64,)

    def build(platform: Platform, options: dict[str, Any]) -> None:
        both_have_begun.wait(10)

    world.build = build
    make(emulation_factor=7.0).build(spec, [AMD64, ARM64])
    both_have_begun.wait(10)
    assert {str(platform): options["limit"] for _, _, platform, options in world.builds} == {
        "linux/amd64": 60,
        "linux/arm64": 420,
    }


def test_each_platform_is_built_on_its_own(make: Callable[..., Environment], world: World, spec: BuildSpec) -> None:
    side_by_side = threading.Barrier(2)

    def build(platform: Platform, options: dict[str, Any]) -> None:
        side_by_side.wait(10)
        if platform == ARM64:
            raise BuildError("building", "arm64 broke")

    world.build = build
    world.contexts = {"debian": "docker-image://copy"}
    environment = make()
    image = environment.build(spec, [AMD64, ARM64])
    with pytest.raises(BuildError, match="arm64 broke"):
        image.platform(ARM64)
    with pytest.raises(BuildError, match="arm64 broke"):
        image.image()
    builder, built, _, options = world.builds[0]
    assert (builder.name, built) == ("throwaway", spec)
    assert options["contexts"] == {"debian": "docker-image://copy"}
    assert options["limit"] == 60
    assert (options["docker_config"] / "config.json").exists()
    assert world.count("linux/amd64 built") == 1


def test_a_platform_that_was_not_asked_for_is_told(
    make: Callable[..., Environment], spec: BuildSpec, world: World
) -> None:
    with pytest.raises(BuildError, match="this run builds linux/amd64") as caught:
        make().build(spec, [AMD64]).platform(ARM64)
    assert "--multiarch-platforms" in caught.value.hint


def test_a_missing_context_starts_nothing(make: Callable[..., Environment], world: World, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem):
        make().build(BuildSpec(context=tmp_path / "nowhere"), [AMD64])
    assert world.events == []


@pytest.mark.parametrize(
    ("choice", "name", "started"),
    [("auto", "throwaway", 1), ("container", "throwaway", 1), ("docker", "default", 0), ("mine", "mine", 0)],
)
def test_the_builder_is_the_one_that_was_chosen(
    make: Callable[..., Environment], world: World, choice: str, name: str, started: int
) -> None:
    assert make(builder=choice).builder().name == name
    assert world.count("builder started") == started


def test_without_the_buildkit_image_the_daemons_own_builds_and_the_user_is_told(
    make: Callable[..., Environment], world: World, listener: Listener
) -> None:
    world.builder_error = ImageUnavailable("starting a builder", "no such host")
    assert make().builder().name == "default"
    assert listener.notes == ["the daemon's own BuildKit builds instead: moby/buildkit cannot be had (no such host)"]


@pytest.mark.parametrize(
    ("choice", "store", "error"),
    [
        ("container", "containerd", ImageUnavailable("starting", "no such host")),
        ("auto", "classic", ImageUnavailable("starting", "no such host")),
        ("auto", "containerd", BuildError("starting", "no such network")),
    ],
)
def test_nothing_else_makes_the_daemons_own_build(
    make: Callable[..., Environment], world: World, choice: str, store: str, error: Exception
) -> None:
    world.builder_error, world.store = error, store
    with pytest.raises(type(error)):
        make(builder=choice).builder()


def test_what_the_daemons_own_buildkit_keeps_stands_in_the_book(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    found: list[str] = []

    def look(platform: Platform, options: dict[str, Any]) -> None:
        assert world.ledger is not None
        found.extend(owned.name for owned in world.ledger.entries())

    world.build = look
    environment = make(builder="docker")
    environment.build(spec, [ARM64])
    wait_until(lambda: found)
    assert found == ["localhost:5001/context-0:linux-arm64"]


def test_closing_goes_backwards_and_only_once(make: Callable[..., Environment], world: World, spec: BuildSpec) -> None:
    environment = make(nodes=(Node(ARM64, "ssh://pi"),))
    environment.engine_for(ARM64)
    environment.build(spec, [AMD64])
    before = len(world.events)
    assert environment.close() == []
    closing = [event for event in world.events[before:] if "clos" in event or "watchdog" in event]
    assert closing == ["book closed", "watchdog dismissed", "engine ssh://pi closed", "engine closed"]
    assert environment.close() == []
    assert world.count("book closed") == 1


def test_what_could_not_be_removed_is_told_and_left_to_the_watchdog(
    make: Callable[..., Environment], world: World
) -> None:
    world.problems = ["removing the volume v: busy"]
    environment = make()
    environment.registry()
    assert environment.close() == ["removing the volume v: busy"]
    assert world.events[-3:] == ["book closed", "watchdog left to it", "engine closed"]


def test_closing_ends_builds_before_it_removes_what_they_use(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    building = threading.Event()

    def build(platform: Platform, options: dict[str, Any]) -> None:
        building.set()
        assert options["stopping"].wait(20)
        world.note("build ended")
        raise BuildError("building", "stopped")

    world.build = build
    environment = make()
    environment.build(spec, [AMD64])
    assert building.wait(10)
    environment.close()
    assert world.events.index("build ended") < world.events.index("book closed")


def test_a_published_image_takes_no_daemon(make: Callable[..., Environment], world: World) -> None:
    world.engine_error = EngineUnavailable("connecting")
    environment = make()
    image = environment.published("localhost:5001/app:1")
    assert environment.published("localhost:5001/app:1") is image
    assert environment.published("localhost:5001/app:2") is not image
    assert world.count("watchdog started") == 0


def test_what_two_images_share_is_fetched_once_and_goes_with_the_environment(
    make: Callable[..., Environment], world: World, tmp_path: Path
) -> None:
    environment = make()
    shared = tar(file("shared", b"same"))
    with FakeRegistry().running() as registry:
        for name in ("app", "other"):
            add_image(registry, name, "linux/arm64", "1", layers=[shared, tar(file("own", name.encode()))])
        images = [environment.published(f"{registry.host}/{name}:1").platform(ARM64) for name in ("app", "other")]
        assert [image.files.read_text("own") for image in images] == ["app", "other"]
        assert images[0].layers[0] == images[1].layers[0]
        assert len(registry.asked("GET", images[0].layers[0].digest)) == 1
    assert len(list(tmp_path.iterdir())) == 1
    environment.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LayerError, match="temporary file is gone"):
        images[0].files.read_text("shared")


def test_credentials_that_cannot_be_read_are_told_and_the_run_goes_on_without(
    make: Callable[..., Environment], world: World, listener: Listener, tmp_path: Path
) -> None:
    # As `docker pull` does: the registry judges.
    (tmp_path / "docker-config").mkdir()
    (tmp_path / "docker-config" / "config.json").write_text('{"credHelpers": {"localhost:5001": "no-such-helper"}}')
    running = make().published("localhost:5001/app:1").running
    for digit in "ab":
        reference = Reference.parse("localhost:5001/app@sha256:" + digit * 64)
        running.bring(
            cast("PlatformImage", SimpleNamespace(reference=reference, digest=reference.digest, platform=AMD64))
        )
    (note,) = listener.notes
    assert "no-such-helper" in note
    assert world.count("pulled without credentials") == 2


def test_a_published_image_is_the_same_however_it_is_written(make: Callable[..., Environment], world: World) -> None:
    environment = make()
    assert environment.published("debian:12") is environment.published("docker.io/library/debian:12")


def test_a_layout_takes_no_daemon_and_is_opened_once(
    make: Callable[..., Environment], world: World, tmp_path: Path
) -> None:
    world.engine_error = EngineUnavailable("connecting")
    write_layout(tmp_path / "out", "v1", "v2")
    location = f"oci-layout://{tmp_path}/out"
    environment = make()
    source = environment.published(f"{location}:v1")
    assert environment.published(f"{location}:v1") is source
    assert environment.published(f"{location}:v2") is not source
    environment.check(builds=False, runs=False, image=f"{location}:v1")
    assert source.platform(ARM64).files.read_text("which") == "linux/arm64"
    assert world.events == []
    with pytest.raises(UsageProblem, match="out:v3: the layout names v1, v2"):
        environment.check(builds=False, runs=False, image=f"{location}:v3")


def test_a_layouts_first_run_brings_the_registry_and_one_platform(
    make: Callable[..., Environment], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_layout(tmp_path / "out")
    with FakeRegistry().running() as registry:
        monkeypatch.setattr(
            site,
            "start_registry",
            lambda *_, **__: Registry(registry.host, registry.url, Credentials("u", "p")),
        )
        source = make().published(f"oci-layout://{tmp_path}/out")
        images = [source.platform(platform) for platform in (AMD64, ARM64)]
        assert world.count("engine connected") == 0
        found = [source.running._find(images[1]) for _ in range(2)]
        assert [str(one) for one in found] == [f"{registry.host}/layout-0@{images[1].digest}"] * 2
        assert source.running is source.running
        assert len(registry.asked("PUT", images[1].digest)) == 1
        assert registry.asked("PUT", images[0].digest) == []


def test_what_is_no_reference_is_refused(make: Callable[..., Environment]) -> None:
    with pytest.raises(InvalidReference):
        make().published("Not/A Reference")


def test_a_node_runs_its_platform_and_builds_it(make: Callable[..., Environment], world: World) -> None:
    node = Node(ARM64, "ssh://pi")
    environment = make(nodes=(node,))
    assert [engine.endpoint for engine in together(4, lambda: environment.engine_for(ARM64))] == ["ssh://pi"] * 4
    assert environment.engine_for(AMD64) is environment.engine()
    environment.builder()
    assert world.nodes == [(node, environment.engine_for(ARM64))]
    assert world.count("engine ssh://pi connected") == 1


@pytest.mark.parametrize(
    ("options", "builds", "runs", "expected"),
    [
        ({}, False, False, []),
        ({}, False, True, ["engine connected"]),
        ({}, True, True, ["engine connected", "buildx asked"]),
        ({"builder": "mine"}, True, False, ["engine connected", "buildx asked", "builder mine looked for"]),
        ({"builder": "docker"}, True, False, ["engine connected", "buildx asked"]),
        (
            {"nodes": (Node(ARM64, "ssh://pi"),)},
            True,
            False,
            ["engine connected", "buildx asked", "engine ssh://pi connected"],
        ),
    ],
)
def test_what_a_run_needs_is_looked_for_and_nothing_is_started(
    make: Callable[..., Environment],
    world: World,
    options: dict[str, Any],
    builds: bool,
    runs: bool,
    expected: list[str],
) -> None:
    make(**options).check(builds=builds, runs=runs)
    assert sorted(world.events[:2]) == sorted(expected[:2])  # side by side
    assert world.events[2:] == expected[2:]


@pytest.mark.parametrize(("builds", "end"), [(True, "image store, buildx 0.13.1"), (False, "image store")])
def test_the_line_on_the_engine_has_what_one_look_at_buildx_gave(
    make: Callable[..., Environment], world: World, builds: bool, end: str
) -> None:
    environment = make()
    assert environment.describe_engine() == ""
    environment.check(builds=builds, runs=True)
    assert environment.describe_engine().endswith(end)
    assert world.count("buildx asked") == builds


def test_a_layout_that_runs_needs_the_registry_and_no_builder(
    make: Callable[..., Environment], world: World, tmp_path: Path
) -> None:
    write_layout(tmp_path / "out")
    image = f"oci-layout://{tmp_path}/out"
    environment = make(builder="mine", nodes=(Node(ARM64, "ssh://pi"),))
    environment.check(builds=False, runs=True, image=image)
    assert world.events == ["engine connected", "engine ssh://pi connected"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        make(registry_port=port).check(builds=False, runs=True, image="localhost:5001/app:1")
        make(registry_port=port).check(builds=False, runs=False, image=image)
        with pytest.raises(UsageProblem, match=rf"binding the registry to 127\.0\.0\.1:{port}"):
            make(registry_port=port).check(builds=False, runs=True, image=image)


def test_a_port_that_is_taken_is_told_before_the_first_test(make: Callable[..., Environment], world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageProblem, match=rf"binding the registry to 127\.0\.0\.1:{port}"):
            make(registry_port=port).check(builds=True, runs=True)


def test_registry_and_builder_start_before_testcontainers_is_loaded(
    make: Callable[..., Environment], world: World, spec: BuildSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> type:
        wait_until(lambda: world.count("registry started") == world.count("builder started") == 1)
        world.note("loaded")
        return object

    monkeypatch.setattr(site, "container_class", load)
    environment = make()
    environment.check(builds=True, runs=True)
    environment.prepare(spec, [AMD64], first=[AMD64], warm=[], run=[])
    wait_until(lambda: len(world.builds) == 1)
    assert world.count("loaded") == 1


def test_a_build_is_started_without_waiting_for_registry_and_builder(
    make: Callable[..., Environment], world: World, spec: BuildSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = threading.Event()

    def start_late(*args: Any, **options: Any) -> Registry:
        assert up.wait(20)
        return REGISTRY

    monkeypatch.setattr(site, "start_registry", start_late)
    environment = make()
    environment.prepare(spec, [AMD64, ARM64], first=[AMD64, ARM64], warm=[], run=[])
    wait_until(lambda: world.count("builder started") == 1)
    assert world.builds == []
    up.set()
    wait_until(lambda: len(world.builds) == 2)


def test_a_platform_that_no_test_is_for_is_built_when_it_is_asked_for(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    environment = make()
    environment.prepare(spec, [AMD64, ARM64], first=[ARM64], warm=[], run=[])
    source = environment.build(spec, [AMD64, ARM64])
    environment.end_building()
    wait_until(lambda: world.count("linux/arm64 built") == 1)
    assert world.count("linux/amd64 built") == 0
    with pytest.raises(MultiArchError):  # nothing has been pushed for real
        source.platform(AMD64)
    assert world.count("linux/amd64 built") == 1


def test_each_platform_is_built_with_the_bases_of_its_own_group(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    world.groups = [[AMD64], [ARM64]]
    make().build(spec, [AMD64, ARM64])
    wait_until(lambda: len(world.builds) == 2)
    given = {platform: options["contexts"]["group"] for _, _, platform, options in world.builds}
    assert given == {AMD64: "linux/amd64", ARM64: "linux/arm64"}
    assert world.count("bases copied") == 2


def stands_on_python(world: World) -> dict[Platform, str]:
    """Let the image stand on one that is copied; return what its platforms are pulled by."""
    home = Reference.parse(f"{REGISTRY.host}/base/library/python:3")
    digests = {AMD64: "sha256:" + "a" * 64, ARM64: "sha256:" + "b" * 64}
    world.copies = {
        "python:3": CopiedImage(
            home,
            "sha256:" + "c" * 64,
            chosen=tuple(digests.items()),
            configs=tuple((digest, f"config of {platform}") for platform, digest in digests.items()),
        )
    }
    world.foundation = "python:3"
    return {platform: str(home.with_digest(digest)) for platform, digest in digests.items()}


def test_what_a_platform_stands_on_is_pulled_while_it_is_built_and_the_next_ones_after_it(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    below = stands_on_python(world)
    gates = {AMD64: threading.Event(), ARM64: threading.Event()}

    def build(platform: Platform, options: dict[str, Any]) -> None:
        assert gates[platform].wait(20)

    world.build = build
    environment = make()
    environment.prepare(spec, [AMD64, ARM64], first=[AMD64, ARM64], warm=[AMD64], run=[ARM64])
    wait_until(lambda: world.pulled == [below[AMD64]])
    assert world.count("pulled with credentials") == 1
    gates[AMD64].set()
    wait_until(lambda: below[ARM64] in world.pulled)
    gates[ARM64].set()


def test_what_a_platform_stands_on_is_not_pulled_where_nothing_runs_or_it_is_built_already(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    below = stands_on_python(world)
    environment = make()
    environment.prepare(spec, [AMD64, ARM64], first=[AMD64, ARM64], warm=[], run=[])
    source = environment.build(spec, [AMD64, ARM64])
    wait_until(lambda: len(world.builds) == 2)
    wait_until(lambda: not source.is_awaited(None))
    environment.prepare(spec, [AMD64, ARM64], first=[AMD64, ARM64], warm=[ARM64], run=[])
    environment.close()
    assert not set(below.values()) & set(world.pulled)


def test_what_the_daemon_has_under_another_name_is_not_pulled_under_one_that_it_would_go_with(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    below = stands_on_python(world)
    world.there = {f"config of {AMD64}"}
    gate = threading.Event()

    def build(platform: Platform, options: dict[str, Any]) -> None:
        assert platform == AMD64 or gate.wait(20)

    world.build = build
    make().prepare(spec, [AMD64, ARM64], first=[AMD64, ARM64], warm=[AMD64, ARM64], run=[])
    wait_until(lambda: below[ARM64] in world.pulled)
    gate.set()
    assert below[AMD64] not in world.pulled


def test_a_build_that_fails_keeps_nothing_of_the_others_back(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    below = stands_on_python(world)
    gate = threading.Event()

    def build(platform: Platform, options: dict[str, Any]) -> None:
        if platform == AMD64:
            raise BuildError("building", "it failed")
        assert gate.wait(20)

    world.build = build
    make().prepare(spec, [AMD64, ARM64], first=[AMD64, ARM64], warm=[AMD64, ARM64], run=[])
    wait_until(lambda: below[ARM64] in world.pulled)
    gate.set()


def test_a_builder_goes_once_all_is_built_and_comes_again_for_whoever_asks(
    make: Callable[..., Environment], world: World, spec: BuildSpec
) -> None:
    world.plain_names = False
    going_on = threading.Event()

    def build(platform: Platform, options: dict[str, Any]) -> None:
        assert going_on.wait(20)

    world.build = build
    environment = make()
    environment.build(spec, [AMD64])
    environment.end_building()
    wait_until(lambda: world.count("linux/amd64 built") == 1)
    assert world.count("container removed") == 0
    going_on.set()
    wait_until(lambda: world.count("container removed") == world.count("volume removed") == 1)
    assert world.ledger is not None
    assert world.ledger.entries() == ()
    again = environment.builder()
    assert again.name == f"{world.ledger.prefix}-builder-2"
    assert environment.builder() is again
    assert world.count("builder started") == 2


@pytest.mark.parametrize("choice", ["docker", "mine"])
def test_a_builder_that_is_not_the_runs_own_stays(
    make: Callable[..., Environment], world: World, spec: BuildSpec, choice: str
) -> None:
    environment = make(builder=choice)
    environment.build(spec, [AMD64])
    environment.end_building()
    environment.close()
    assert world.count("container removed") == 0


OPTIONS = EngineOptions(
    builder="auto",
    mirrors=(),
    registry_image="registry:2",
    registry_port=None,
    buildkit_image="moby/buildkit",
    build_timeout=60.0,
    command_timeout=60.0,
)


def test_another_process_asks_the_owner_and_keeps_a_book_of_its_own(
    world: World, spec: BuildSpec, listener: Listener
) -> None:
    workshop = local_workshop.LocalWorkshop(OPTIONS, listener)
    others = [Environment(OPTIONS, listener, lambda result: None, workshop) for _ in range(2)]
    for other in others:
        other.prepare(spec, [AMD64], first=[AMD64], warm=[AMD64], run=[])
        assert other.registry() is workshop.registry()
    wait_until(lambda: len(world.builds) == 1)
    assert world.count("registry started") == world.count("builder started") == 1
    assert world.count("watchdog started") == 1
    assert others[0].build(spec, [AMD64]).running is not None
    assert world.count("watchdog started") == 2
    assert world.count("dead runs swept") == 1  # the owner sweeps, and it alone
    assert others[1].close() == []
    assert world.count("book closed") == 0  # it has started nothing
    # The first one dies: its book is among those that the owner's closes first.
    assert workshop.close() == []
    assert len(world.adopted) == 1
    assert (world.adopted[0] / "owner.json").exists()
    others[0].close()


def test_what_another_process_has_started_is_removed_by_the_owner_once_it_ends(
    world: World, spec: BuildSpec, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Path] = []
    monkeypatch.setattr(local_workshop, "sweep_folder", lambda folder, **options: swept.append(folder))
    workshop = local_workshop.LocalWorkshop(OPTIONS, listener)
    other = Environment(OPTIONS, listener, lambda result: None, workshop)
    other.build(spec, [AMD64]).running  # noqa: B018 - opens its book
    assert other.close() == []
    assert workshop.close() == []
    assert list(world.adopted) == swept
    assert len(swept) == 1
    assert world.count("book closed") == 1  # the owner's own


def test_another_process_removes_what_it_has_started_where_the_owner_is_gone(
    world: World, spec: BuildSpec, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(folder: Path) -> None:
        raise EngineError("asking the process that owns this run (release)", "it is gone")

    workshop = local_workshop.LocalWorkshop(OPTIONS, listener)
    monkeypatch.setattr(workshop, "release", gone)
    other = Environment(OPTIONS, listener, lambda result: None, workshop)
    other.build(spec, [AMD64]).running  # noqa: B018 - opens its book
    assert other.close() == []
    assert world.count("book closed") == 1
    workshop.close()


@pytest.mark.parametrize("changes", [False, True])
def test_what_is_changed_while_it_is_built_is_not_taken_for_what_was_built(
    make: Callable[..., Environment], spec: BuildSpec, monkeypatch: pytest.MonkeyPatch, *, changes: bool
) -> None:
    remembered: dict[str, str] = {}
    kept = SimpleNamespace(
        registry=lambda *_: REGISTRY,
        builder=lambda *_: Builder("kept", "docker-container", {}),
        digest_of=lambda _: "",
        remember=remembered.__setitem__,
        close=lambda *_: [],
    )
    digests = ["after" if changes else "before", "before"]
    monkeypatch.setattr(site.Site, "kept", lambda _: kept)
    monkeypatch.setattr(local_workshop, "files_digest", lambda _: digests.pop())
    monkeypatch.setattr(local_workshop, "platform_digest", lambda spec, files, *_: files)
    environment = make()
    environment.build(spec, [AMD64])
    wait_until(lambda: not digests)
    environment.close()
    assert remembered == ({} if changes else {"before": "sha256:" + "1" * 64})
