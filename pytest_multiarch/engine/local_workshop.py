"""The workshop itself, in the process that owns the run: registry, builder, builds, pulls, each started at its first use."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.engine import build
from pytest_multiarch.engine import builder as buildx
from pytest_multiarch.engine.bases import copy_bases
from pytest_multiarch.engine.belongings import Belongings
from pytest_multiarch.engine.builds import Build
from pytest_multiarch.engine.cleanup import remove, sweep_folder
from pytest_multiarch.engine.layouts import copy_platform, look_at
from pytest_multiarch.engine.overlay import make_overlay
from pytest_multiarch.engine.pulls import Pulls
from pytest_multiarch.engine.registry import container_class, free_port, start_registry
from pytest_multiarch.engine.sources import PublishedImage, never
from pytest_multiarch.errors import BuildError, MultiArchError
from pytest_multiarch.image.credentials import DockerCredentials
from pytest_multiarch.image.layout import LayoutLocation
from pytest_multiarch.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from pytest_multiarch.engine.bases import Bases
    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.credentials import Credentials
    from pytest_multiarch.image.layout import LayoutClient
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.platforms import Platform

T = TypeVar("T")


class LocalWorkshop:
    """Make, own and remove what a run makes once. Implements `Workshop`; `close` belongs to the owner alone."""

    def __init__(self, options: EngineOptions, listener: BuildListener) -> None:
        self.belongings = Belongings(options, listener.note)
        self._options = options
        self._listener = listener
        self._lock = threading.RLock()
        # Two pools: a build waits for registry and builder, and however many wait, these must come to their turn.
        self._starts = ThreadPoolExecutor(max_workers=8, thread_name_prefix="multiarch-start")
        self._builds = ThreadPoolExecutor(max_workers=16, thread_name_prefix="multiarch-build")
        self._brought = ThreadPoolExecutor(max_workers=8, thread_name_prefix="multiarch-pull")
        self._stopping = threading.Event()
        self._started: dict[str, Future[object]] = {}
        self._builders = 1
        self._by_key: dict[tuple[object, ...], Build] = {}
        self._by_name: dict[str, Build] = {}
        self._layouts: dict[LayoutLocation, tuple[LayoutClient, Reference]] = {}
        self._adopted: list[Path] = []
        self._users: dict[str, Credentials | None] = {}
        self._pulls = Pulls(self.belongings.daemons.of, self.belongings.book, self._credentials_for)

    def check(self, *, builds: bool, runs: bool, image: str = "") -> None:
        """Look for what the run needs. Raises `UsageProblem`."""
        daemons = self.belongings.daemons
        is_layout = LayoutLocation.is_one(image)
        if is_layout:
            look_at(lambda: self._layout(LayoutLocation.parse(image)))
        if builds or runs:
            daemons.main()
        if builds:
            environ = daemons.main().environ
            buildx.buildx_version(environ)
            if self._options.builder not in ("auto", "container", "docker"):
                buildx.find_builder(self._options.builder, environ)
        if not (builds or (runs and is_layout)):
            return
        daemons.of_nodes()
        if self._options.registry_port is not None:
            free_port(self._options.registry_port)

    def start(self) -> None:
        """Let registry and builder start, side by side."""
        self._registry()
        self._builder()

    def registry(self) -> Registry:
        """Return the throwaway registry, once it is up."""
        return self._registry().result()

    def builder(self) -> Builder:
        """Return the builder, once it is up."""
        return self._builder().result()

    def build(self, spec: BuildSpec, platforms: Sequence[Platform]) -> str:
        """Start building for the platforms, each on its own, and return the tag; equal specifications are built once."""
        spec.check()
        with self._lock:
            key = (spec.key, tuple(platforms))
            if key not in self._by_key:
                made = self._start_build(spec, tuple(platforms), f"{spec.name}-{len(self._by_key)}:latest")
                self._by_key[key] = self._by_name[made.name] = made
            return self._by_key[key].name

    def built(self, name: str, platform: Platform) -> BuiltPlatform:
        """Return what one platform's build has pushed, once it has."""
        return self._by_name[name].platform(platform)

    def index(self, name: str) -> str:
        """Return the digest of a build's index, once all its platforms are pushed."""
        return self._by_name[name].index()

    def bring(self, name: str, platforms: Sequence[Platform]) -> None:
        """Let the daemon pull platforms of a build as soon as each is pushed."""
        for platform in platforms:
            self._brought.submit(self._bring, self._by_name[name], platform)

    def end_building(self) -> None:
        """Hear that nothing else will be built."""
        self._starts.submit(self._retire_builder)

    def fetch(self, reference: str, platform: Platform) -> None:
        """Pull an image by digest, if the daemon does not have it from this run."""
        self._pulls.fetch(reference, platform)

    def copied(self, layout: LayoutLocation, image: Reference, platform: Platform) -> Reference:
        """Copy a platform of a layout into the throwaway registry, once, and return its reference there."""
        target = self._client()
        with self._lock:
            if layout not in self._layouts:
                home = Reference.parse(f"{self.registry().host}/layout-{len(self._layouts)}")
                self._layouts[layout] = self.belongings.readers.of_layout(layout), home
            source, home = self._layouts[layout]
        return self._once(f"copy of {image}", lambda: copy_platform(source, image, platform, target, home)).result()

    def adopt(self, folder: Path) -> None:
        """Close the book in this folder at the end, should its own process not have lived to do so."""
        with self._lock:
            self._adopted.append(folder)

    def stop(self) -> None:
        """End builds, and whoever waits for them."""
        self._stopping.set()
        for pool in (self._brought, self._builds, self._starts):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (self._brought, self._builds, self._starts):
            pool.shutdown(wait=True)

    def close(self) -> list[str]:
        """Remove all that was started, and return what could not be removed, a line each."""
        self.stop()
        # What was adopted goes first: an image does not go while a container uses it.
        return self.belongings.close(lambda engine: [line for folder in self._adopted for line in sweep_folder(folder)])

    def _once(self, name: str, make: Callable[[], T]) -> Future[T]:
        with self._lock:
            if name not in self._started:
                self._started[name] = self._starts.submit(make)
            return self._started[name]  # type: ignore[return-value]

    def _registry(self) -> Future[Registry]:
        engine, book = self.belongings.daemons.main(), self.belongings.book()
        container_class()
        image, port = self._options.registry_image, self._options.registry_port
        return self._once("registry", lambda: start_registry(engine, book, image=image, port=port))

    def _builder(self) -> Future[Builder]:
        engine, book = self.belongings.daemons.main(), self.belongings.book()
        with self._lock:
            name = f"{book.prefix}-builder" + (f"-{self._builders}" if self._builders > 1 else "")
            return self._once(f"builder {self._builders}", lambda: self._make_builder(engine, book, name))

    def _make_builder(self, engine: Engine, book: Ledger, name: str) -> Builder:
        environ = engine.environ
        choice = self._options.builder
        if choice == "docker":
            return buildx.daemon_builder(book, environ)
        if choice not in ("auto", "container"):
            return buildx.existing_builder(choice, book, environ)
        image = self._options.buildkit_image
        belongings = self.belongings
        try:
            return buildx.create_builder(
                engine,
                book,
                environ,
                image=image,
                mirrors=belongings.mirrors(),
                nodes=belongings.daemons.of_nodes(),
                name=name,
            )
        except buildx.ImageUnavailable as error:
            if choice == "container" or engine.facts.store != "containerd":
                raise
            self._listener.note(f"the daemon's own BuildKit builds instead: {image} cannot be had ({error.found})")
            return buildx.daemon_builder(book, environ)

    def _retire_builder(self) -> None:
        """Remove a builder that nobody needs any more, which takes longest of all at the end, while tests still run."""
        while True:
            with self._lock:
                builds = [future for build in self._by_name.values() for future in build.platforms.values()]
                number = f"builder {self._builders}"
                if all(future.done() for future in builds):
                    self._builders += 1  # should somebody ask after all, another one is made
                    break
            for future in builds:
                with suppress(MultiArchError, CancelledError):  # not `wait`: it sleeps through a pool's cancelling
                    future.result()
        started = self._started.get(number)
        if started is None or self._stopping.is_set():
            return
        with suppress(MultiArchError):  # one that did not start has told those who needed it
            builder: Builder = started.result()  # type: ignore[assignment]
            node = f"buildx_buildkit_{builder.name}"
            ledger, daemons = self.belongings.book(), self.belongings.daemons
            engines = {"": daemons.main(), **{engine.endpoint: engine for _, engine in daemons.of_nodes()}}
            for daemon, engine in engines.items():
                entries = ledger.entries()
                remove(engine, ledger, [one for one in entries if one.daemon == daemon and one.name.startswith(node)])

    def _layout(self, location: LayoutLocation) -> PublishedImage:
        client = self.belongings.readers.of_layout(location)
        return PublishedImage(client, client.reference, never)

    def _client(self) -> RegistryClient:
        registry = self._registry()
        return self._once("client", lambda: self.belongings.readers.of_registry(registry.result())).result()

    def _start_build(self, spec: BuildSpec, platforms: tuple[Platform, ...], name: str) -> Build:
        registry, builder = self._registry(), self._builder()
        overlay = self._once("overlay", lambda: self._overlay(registry.result()))
        bases = self._builds.submit(self._copy_bases, spec, platforms, registry)

        def home() -> tuple[RegistryClient, Reference]:
            return self._client(), Reference.parse(f"{registry.result().host}/{name}")

        def build_one(platform: Platform) -> BuiltPlatform:
            _, reference = home()
            ready, found = builder.result(), bases.result()
            if not ready.pushes_by_digest:
                self.belongings.book().add("image", build.platform_tag(reference.name, platform))
            try:
                return build.build_platform(
                    ready,
                    spec,
                    platform,
                    name=reference.name,
                    folder=self.belongings.book().folder,
                    docker_config=overlay.result(),
                    contexts=found.contexts,
                    limit=self.belongings.supports.build_limit(platform),
                    listener=self._listener,
                    stopping=self._stopping,
                )
            except BuildError as error:
                # Only now: the stage that stands on such an image may be one that this platform does not use.
                raise found.fault_behind(error, platform) or error from None

        return Build(name, {one: self._builds.submit(build_one, one) for one in platforms}, home)

    def _copy_bases(self, spec: BuildSpec, platforms: Sequence[Platform], registry: Future[Registry]) -> Bases:
        return copy_bases(
            spec,
            platforms,
            source=self.belongings.readers.users(),
            target=self._client(),
            registry=registry.result(),
            builders_own=self.belongings.daemons.main().facts.platform,
            listener=self._listener,
        )

    def _bring(self, build: Build, platform: Platform) -> None:
        with suppress(MultiArchError):  # the tests that need it come to the same, and tell it
            self.fetch(build.reference(platform), platform)

    def _overlay(self, registry: Registry) -> Path:
        login = (registry.credentials.username, registry.credentials.secret)
        return make_overlay(self.belongings.book().folder, {registry.host: login})

    def _credentials_for(self, host: str) -> Credentials | None:
        with self._lock:
            registry = self._started.get("registry")
        if registry is not None and registry.done() and registry.exception() is None:
            ours: Registry = registry.result()  # type: ignore[assignment]
            if ours.host == host:
                return ours.credentials
        return self._users_credentials(host)

    def _users_credentials(self, host: str) -> Credentials | None:
        with self._lock:
            if host not in self._users:
                try:
                    self._users[host] = DockerCredentials.from_environment().find(host)
                except MultiArchError as error:
                    # As `docker pull` does: a helper that fails leaves the pull without credentials, and the registry judges.
                    self._listener.note(error.headline)
                    self._users[host] = None
            return self._users[host]
