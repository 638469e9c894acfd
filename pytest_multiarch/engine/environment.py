"""The one owner of all that a run starts: daemon connection, registry, builder, builds, containers. Each is made at its first use.

Everything is written into the run's book before it exists, and `close` removes what stands there; a watchdog does so
where this process cannot any more.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_multiarch.engine import build
from pytest_multiarch.engine import builder as buildx
from pytest_multiarch.engine.bases import copy_bases
from pytest_multiarch.engine.cleanup import close_book, sweep_abandoned
from pytest_multiarch.engine.daemons import Daemons
from pytest_multiarch.engine.emulation import Supports
from pytest_multiarch.engine.layouts import copying, look_at
from pytest_multiarch.engine.ledger import Ledger
from pytest_multiarch.engine.overlay import make_overlay
from pytest_multiarch.engine.progress import BuildListener
from pytest_multiarch.engine.readers import Readers
from pytest_multiarch.engine.registry import container_class, free_port, start_registry
from pytest_multiarch.engine.running import Running, as_read
from pytest_multiarch.engine.sources import BuiltImage, PublishedImage
from pytest_multiarch.engine.watchdog import Watchdog
from pytest_multiarch.errors import BuildError, EngineUnavailable, MultiArchError
from pytest_multiarch.image.credentials import DockerCredentials
from pytest_multiarch.image.layout import LayoutClient, LayoutLocation
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from pytest_multiarch.engine.bases import Bases
    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult

T = TypeVar("T")
Client = TypeVar("Client", RegistryClient, LayoutClient)


class Listener(BuildListener, Protocol):
    """Hear how builds go on, and wait for them on the main thread, where progress can be shown."""

    def wait(self, future: Future[T], what: str = "") -> T:
        """Return the future's result, showing progress until it is there; ``what`` says what else is waited for."""
        ...


class Environment:
    """Own what one run starts. Thread-safe; everything is made once, and closed once."""

    def __init__(self, options: EngineOptions, listener: Listener, on_result: Callable[[CommandResult], None]) -> None:
        self._options = options
        self._listener = listener
        self._on_result = on_result
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="multiarch")
        self._stopping = threading.Event()
        self._started: dict[str, Future[object]] = {}
        self._images: dict[tuple[object, ...], ImageSource] = {}
        self._daemons = Daemons(options.nodes)
        self._readers = Readers(self._mirrors, options.plain_http)
        self.supports = Supports(options, self._daemons.of, self._book)
        self._ledger: Ledger | None = None
        self._watchdog: Watchdog | None = None

    def check(self, *, builds: bool, runs: bool, image: str = "") -> None:
        """Look, before the first test, for what the run needs; ``image`` is the one that is tested instead of a build.

        Raises `UsageProblem`; starts nothing that has to be removed.
        """
        is_layout = LayoutLocation.is_one(image)
        if is_layout:
            look_at(lambda: self.published(image))
        if builds or runs:
            self.engine()
        if builds:
            environ = self.engine().environ
            buildx.buildx_version(environ)
            if self._options.builder not in ("auto", "container", "docker"):
                buildx.find_builder(self._options.builder, environ)
        if not (builds or (runs and is_layout)):
            return
        self._daemons.of_nodes()
        if self._options.registry_port is not None:
            free_port(self._options.registry_port)

    def engine(self) -> Engine:
        """Return the connection to the daemon. Raises `EngineUnavailable`."""
        return self._daemons.main()

    def engine_for(self, platform: Platform) -> Engine:
        """Return the daemon that runs this platform: its node's, else the main one. Raises `EngineUnavailable`."""
        return self._daemons.of(platform)

    def registry(self) -> Registry:
        """Return the throwaway registry, started at the first call."""
        return self._listener.wait(self._registry())

    def builder(self) -> Builder:
        """Return the builder, started at the first call."""
        return self._listener.wait(self._builder())

    def build(self, spec: BuildSpec, platforms: Sequence[Platform]) -> ImageSource:
        """Start building an image for the platforms, each on its own, and return it at once; equal specifications are built once.

        Raises `UsageProblem` where context or Dockerfile is not there.
        """
        spec.check()
        with self._lock:
            key = ("build", spec.key, tuple(platforms))
            if key not in self._images:
                self._images[key] = self._start_build(spec, tuple(platforms), len(self._images))
            return self._images[key]

    def published(self, text: str) -> ImageSource:
        """Return an image that is there already: in a registry, read with the user's credentials, or in an OCI layout.

        Raises `InvalidReference`; of a layout also `UsageProblem`, where it is not there, and `DocumentError`.
        """
        if LayoutLocation.is_one(text):
            return self._in_layout(LayoutLocation.parse(text))
        reference = Reference.parse(text)
        with self._lock:
            key = ("published", str(reference))
            if key not in self._images:
                make_running = self.supports.if_anything_runs(lambda: self._running(reference.registry))
                self._images[key] = PublishedImage(self._readers.users(), reference, make_running, self._readers.layers)
            return self._images[key]

    def read_files(self, image: PlatformImage) -> ImageFiles:
        """Return an image's files, fetched at the first use; where that takes long, the user sees what is read."""
        size = sum(layer.size for layer in image.layers) / 1e6
        what = f"{image.platform}: reading {len(image.layers)} layers, {size:.1f} MB"
        return self._listener.wait(self._pool.submit(lambda: image.files), what)

    def users_client(self) -> RegistryClient:
        """Return the client that reads registries with the user's credentials and mirrors."""
        return self._readers.users()

    def close(self) -> list[str]:
        """End builds, remove all that was started, and return what could not be removed, a line each."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        problems: list[str] = []
        with self._lock:
            self._readers.close()
            engine = self._daemons.connected
            if engine is not None and self._ledger is not None:
                problems = close_book(engine, self._ledger)
            if self._watchdog is not None:
                # With something left, the watchdog tries again: it may only take the daemon a moment.
                self._watchdog.abandon() if problems else self._watchdog.dismiss()
            self._daemons.close()
            self._ledger = self._watchdog = None
        return problems

    def _in_layout(self, location: LayoutLocation) -> ImageSource:
        with self._lock:
            key = ("layout", location)
            if key not in self._images:
                client = self._readers.of_layout(location)
                name = f"layout-{len(self._images)}"
                make_running = self.supports.if_anything_runs(lambda: self._running_copies(client, name))
                self._images[key] = PublishedImage(client, client.reference, make_running, self._readers.layers)
            return self._images[key]

    def _running_copies(self, source: LayoutClient, name: str) -> Running:
        """Return what runs a layout's platforms: each is copied into the throwaway registry at its first run."""
        registry = self.registry()
        target = self._readers.of_registry(registry)
        repository = Reference.parse(f"{registry.host}/{name}")
        find = copying(source, target, repository, lambda what, copy: self._listener.wait(self._once(what, copy)))
        return self._running(registry.host, registry, find)

    def _book(self) -> Ledger:
        """Return the run's book; opening it sweeps dead runs and starts the watchdog, so it comes before all that is made."""
        if self._ledger is None:
            with self._lock:
                if self._ledger is None:
                    for problem in sweep_abandoned():
                        self._listener.note(f"cleaning up after an earlier run: {problem}")
                    ledger = Ledger.open_new(self.engine().environ)
                    self._watchdog = Watchdog(ledger.folder)
                    self._ledger = ledger
        return self._ledger

    def _once(self, name: str, make: Callable[[], T]) -> Future[T]:
        with self._lock:
            if name not in self._started:
                self._started[name] = self._pool.submit(make)
            return self._started[name]  # type: ignore[return-value]

    def _registry(self) -> Future[Registry]:
        engine, book = self.engine(), self._book()
        container_class()
        return self._once(
            "registry",
            lambda: start_registry(engine, book, image=self._options.registry_image, port=self._options.registry_port),
        )

    def _builder(self) -> Future[Builder]:
        engine, book = self.engine(), self._book()
        return self._once("builder", lambda: self._make_builder(engine, book))

    def _make_builder(self, engine: Engine, book: Ledger) -> Builder:
        environ = engine.environ
        choice = self._options.builder
        if choice == "docker":
            return buildx.daemon_builder(book, environ)
        if choice not in ("auto", "container"):
            return buildx.existing_builder(choice, book, environ)
        image = self._options.buildkit_image
        try:
            return buildx.create_builder(
                engine, book, environ, image=image, mirrors=self._mirrors(), nodes=self._daemons.of_nodes()
            )
        except buildx.ImageUnavailable as error:
            if choice == "container" or engine.facts.store != "containerd":
                raise
            self._listener.note(f"the daemon's own BuildKit builds instead: {image} cannot be had ({error.found})")
            return buildx.daemon_builder(book, environ)

    def _start_build(self, spec: BuildSpec, platforms: tuple[Platform, ...], number: int) -> BuiltImage:
        registry_future, builder_future = self._registry(), self._builder()
        registry = self._listener.wait(registry_future)
        client = self._readers.of_registry(registry)
        overlay = self._overlay(registry)
        reference = Reference.parse(f"{registry.host}/{spec.name}-{number}:latest")
        bases = self._pool.submit(self._copy_bases, spec, platforms, client, registry)

        def build_one(platform: Platform) -> BuiltPlatform:
            builder, found = builder_future.result(), bases.result()
            if not builder.pushes_by_digest:
                self._book().add("image", build.platform_tag(reference.name, platform))
            try:
                return build.build_platform(
                    builder,
                    spec,
                    platform,
                    name=reference.name,
                    folder=self._book().folder,
                    docker_config=overlay,
                    contexts=found.contexts,
                    limit=self.supports.build_limit(platform),
                    listener=self._listener,
                    stopping=self._stopping,
                )
            except BuildError as error:
                # Only now: the stage that stands on such an image may be one that this platform does not use.
                raise found.fault_behind(error, platform) or error from None

        return BuiltImage(
            client,
            reference,
            self._running(registry.host, registry),
            {platform: self._pool.submit(build_one, platform) for platform in platforms},
            self._listener.wait,
            self._readers.layers,
        )

    def _copy_bases(
        self, spec: BuildSpec, platforms: Sequence[Platform], client: RegistryClient, registry: Registry
    ) -> Bases:
        return copy_bases(
            spec,
            platforms,
            source=self._readers.users(),
            target=client,
            registry=registry,
            builders_own=self.engine().facts.platform,
            listener=self._listener,
        )

    def _running(
        self,
        host: str,
        registry: Registry | None = None,
        find: Callable[[PlatformImage], Reference] = as_read,
    ) -> Running:
        try:
            credentials = (
                registry.credentials if registry is not None else DockerCredentials.from_environment().find(host)
            )
        except MultiArchError as error:
            # As `docker pull` does: a helper that fails leaves the pull without credentials, and the registry judges.
            self._listener.note(error.headline)
            credentials = None
        return Running(
            self._daemons.of,
            self._book(),
            credentials=credentials,
            limit=self._options.command_timeout,
            on_result=self._on_result,
            find=find,
            judge=self.supports.judge,
        )

    def _overlay(self, registry: Registry) -> Path:
        login = (registry.credentials.username, registry.credentials.secret)
        overlay = self._once("overlay", lambda: make_overlay(self._book().folder, {registry.host: login}))
        return self._listener.wait(overlay)

    def _mirrors(self) -> tuple[str, ...]:
        try:
            theirs = self.engine().facts.mirrors
        except EngineUnavailable:
            theirs = ()  # reading a published image takes no daemon
        return tuple(dict.fromkeys([*self._options.mirrors, *theirs]))
