"""Where a run builds: its registry and its builder, started once and side by side, or found again where they live on."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_multiarch.engine import builder as buildx
from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.kept import Kept
from pytest_multiarch.engine.overlay import make_overlay
from pytest_multiarch.engine.registry import container_class, start_registry
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from testcontainers.registry import DockerRegistryContainer

    from pytest_multiarch.engine.belongings import Belongings
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.image.registry import RegistryClient

T = TypeVar("T")


class Site:
    """Start registry and builder at their first use. Thread-safe; nothing here waits for another's turn."""

    def __init__(
        self, options: EngineOptions, belongings: Belongings, listener: BuildListener, stopping: threading.Event
    ) -> None:
        self._stopping = stopping
        self._options = options
        self._belongings = belongings
        self._listener = listener
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="multiarch-start")
        self._started: dict[str, Future[object]] = {}
        self._builders = 1
        self._kept: Kept | None = None
        self._lock = threading.RLock()
        self._loading = threading.Lock()
        self._container_class: type[DockerRegistryContainer] | None = None

    def load(self) -> type[DockerRegistryContainer]:
        """Return testcontainers' registry; loading it takes a moment."""
        with self._loading:  # one at a time: what hushes warnings is the whole process's
            if self._container_class is None:
                self._container_class = container_class()
            return self._container_class

    def start(self) -> None:
        """Let registry and builder start, side by side. Raises `EngineUnavailable`."""
        self._start_registry()
        if self._options.reuse is None:
            self.builder()  # else it may not be needed at all
            self.load()  # here, in the thread that asks first, and while the daemon is at work

    def registry(self) -> Future[Registry]:
        """Return the throwaway registry, or the one that lives on."""
        started = self._start_registry()
        if self._options.reuse is None:
            self.load()
        return started

    def builder(self) -> Future[Builder]:
        """Return the builder; after `retire_builder` another one."""
        engine, book = self._belongings.daemons.main(), self._belongings.book()
        with self._lock:
            name = f"{book.prefix}-builder" + (f"-{self._builders}" if self._builders > 1 else "")
            return self.once(f"builder {self._builders}", lambda: self._make_builder(engine, book, name))

    def client(self) -> RegistryClient:
        """Return the client of the registry, once that is up."""
        registry = self.registry()
        return self.once("client", lambda: self._belongings.readers.of_registry(registry.result())).result()

    def overlay(self) -> Path:
        """Return the Docker configuration folder that knows the registry, once that is up."""
        return self.once("overlay", lambda: self._overlay(self.registry().result())).result()

    def retire_builder(self, builds: Callable[[], Sequence[Future[Any]]]) -> None:
        """Remove the builder once these builds are done, in the background: nothing takes longer at a run's end."""
        self._pool.submit(self._retire_builder, builds)

    def kept(self) -> Kept | None:
        """Return what lives on between runs, None where nothing is to."""
        if self._options.reuse is None:
            return None
        environ = self._belongings.daemons.main().environ
        with self._lock:
            if self._kept is None:
                self._kept = Kept(self._options, environ)
            return self._kept

    def book_of(self, reference: str) -> Ledger:
        """Return the book for a pulled image: one that is pulled from a registry that lives on does so, too."""
        kept = self._kept
        return kept.ledger if kept is not None and reference.startswith(f"{self.host}/") else self._belongings.book()

    @property
    def host(self) -> str:
        """Return how daemons call the registry; what no registry is called where there is none."""
        with self._lock:
            registry = self._started.get("registry")
        if registry is None or not registry.done() or registry.cancelled() or registry.exception() is not None:
            return "-"
        ours: Registry = registry.result()  # type: ignore[assignment]
        return ours.host

    def once(self, name: str, make: Callable[[], T]) -> Future[T]:
        """Call a function in the background, once for each name, and return what it gives."""
        with self._lock:
            if name not in self._started:
                self._started[name] = self._pool.submit(make)
            return self._started[name]  # type: ignore[return-value]

    def tidy(self, engine: Engine, used: frozenset[str]) -> list[str]:
        """Leave what lives on for the next run; of its images, those that nobody has used go. Return what could not be removed."""
        kept, self._kept = self._kept, None
        return kept.close(engine, self.host, used) if kept is not None else []

    def stop(self, *, wait: bool) -> None:
        """Start nothing more; ``wait`` for what is being started."""
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _start_registry(self) -> Future[Registry]:
        engine, book = self._belongings.daemons.main(), self._belongings.book()
        if kept := self.kept():
            return self.once("registry", lambda: kept.registry(engine, self.load))
        image, port, stopping = self._options.registry_image, self._options.registry_port, self._stopping
        return self.once(
            "registry", lambda: start_registry(engine, book, self.load, image=image, port=port, stopping=stopping)
        )

    def _make_builder(self, engine: Engine, book: Ledger, name: str) -> Builder:
        environ = engine.environ
        choice = self._options.builder
        if choice == "docker":
            return buildx.daemon_builder(book, environ)
        if choice not in ("auto", "container"):
            return buildx.existing_builder(choice, book, environ)
        image = self._options.buildkit_image
        belongings = self._belongings
        try:
            if kept := self.kept():
                return kept.builder(engine, belongings.mirrors(), belongings.daemons.of_nodes())
            return buildx.create_builder(
                engine,
                book,
                environ,
                image=image,
                mirrors=belongings.mirrors(),
                nodes=belongings.daemons.of_nodes(),
                name=name,
                stopping=self._stopping,
            )
        except buildx.ImageUnavailable as error:
            if choice == "container" or engine.facts.store != "containerd":
                raise
            self._listener.note(f"the daemon's own BuildKit builds instead: {image} cannot be had ({error.found})")
            return buildx.daemon_builder(book, environ)

    def _retire_builder(self, builds: Callable[[], Sequence[Future[Any]]]) -> None:
        while True:
            with self._lock:
                going_on = [future for future in builds() if not future.done()]
                if not going_on:
                    started = self._started.get(f"builder {self._builders}")
                    self._builders += 1  # should somebody ask after all, another one is made
                    break
            for future in going_on:
                with suppress(MultiArchError, CancelledError):  # not `wait`: it sleeps through a pool's cancelling
                    future.result()
        if started is None or self._options.reuse is not None:
            return
        with suppress(MultiArchError, CancelledError):  # one that did not start has told those who needed it
            builder: Builder = started.result()  # type: ignore[assignment]
            node = f"buildx_buildkit_{builder.name}"
            ledger, daemons = self._belongings.book(), self._belongings.daemons
            engines = {"": daemons.main(), **{engine.endpoint: engine for _, engine in daemons.of_nodes()}}
            for daemon, engine in engines.items():
                entries = ledger.entries()
                remove(engine, ledger, [one for one in entries if one.daemon == daemon and one.name.startswith(node)])

    def _overlay(self, registry: Registry) -> Path:
        login = (registry.credentials.username, registry.credentials.secret)
        return make_overlay(
            self._belongings.book().folder, {registry.host: login}, self._belongings.daemons.main().environ
        )
