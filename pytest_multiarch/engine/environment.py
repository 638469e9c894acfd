"""What the tests of one process have: images to read, and containers that run them. Each is made at its first use.

What a run makes once, whichever process asks first, is the workshop's: here if this process owns the run, else in the one that
does. Everything is written into the process's book before it exists, and `close` removes what stands there; a watchdog
does so where the process cannot any more.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_multiarch.engine.belongings import Belongings
from pytest_multiarch.engine.facts import describe_engine
from pytest_multiarch.engine.progress import BuildListener
from pytest_multiarch.engine.running import Running, as_read
from pytest_multiarch.engine.services import ServiceBook
from pytest_multiarch.engine.sources import BuiltImage, PublishedImage
from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.image.layout_location import LayoutLocation
from pytest_multiarch.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.emulation import Supports
    from pytest_multiarch.engine.local_workshop import LocalWorkshop
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.services import ServiceLog
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.engine.workshop import Workshop
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult

T = TypeVar("T")


class Listener(BuildListener, Protocol):
    """Hear how builds go on, and wait for them on the main thread, where progress can be shown."""

    def wait(self, future: Future[T], what: str = "") -> T:
        """Return the future's result, showing progress until it is there; ``what`` says what else is waited for."""
        ...


class Environment:
    """Read and run images. Thread-safe; everything is made once, and closed once.

    ``workshop`` is that of another process, which owns the run; without one this process does.
    """

    def __init__(
        self,
        options: EngineOptions,
        listener: Listener,
        on_result: Callable[[CommandResult], None],
        workshop: Workshop | None = None,
    ) -> None:
        self._options = options
        self._listener = listener
        self._on_result = on_result
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="multiarch")
        self._images: dict[tuple[object, ...], ImageSource] = {}
        self._client: RegistryClient | None = None
        self._buildx = ""
        self._services = ServiceBook()
        self._own: LocalWorkshop | None = None
        self._workshop: Workshop
        if workshop is None:
            from pytest_multiarch.engine.local_workshop import LocalWorkshop

            self._own = LocalWorkshop(options, listener)
            self._workshop, self._belongings = self._own, self._own.belongings
        else:
            self._workshop, self._belongings = workshop, Belongings(options, listener.note, workshop)

    def check(self, *, builds: bool, runs: bool, image: str = "") -> None:
        """Look, before the first test, for what the run needs; ``image`` is the one that is tested instead of a build.

        Raises `UsageProblem`; starts nothing that has to be removed.
        """
        self._buildx = self._workshop.check(builds=builds, runs=runs, image=image)

    def start(self) -> None:
        """Let registry and builder start, and do not wait for them. Raises `EngineUnavailable`."""
        self._workshop.start()

    def end_building(self) -> None:
        """Hear that nothing is built but what has been started: a throwaway builder goes as soon as it is done."""
        self._workshop.end_building()

    @property
    def supports(self) -> Supports:
        """Return what finds how platforms run here."""
        return self._belongings.supports

    def engine(self) -> Engine:
        """Return the connection to the daemon. Raises `EngineUnavailable`."""
        return self._belongings.daemons.main()

    def describe_engine(self) -> str:
        """Return a line on the daemon and on buildx, as far as they are used; empty where nothing has asked for a daemon."""
        engine = self._belongings.daemons.connected
        return describe_engine(engine.facts, self._buildx) if engine is not None else ""

    def engine_for(self, platform: Platform) -> Engine:
        """Return the daemon that runs this platform: its node's, else the main one. Raises `EngineUnavailable`."""
        return self._belongings.daemons.of(platform)

    def registry(self) -> Registry:
        """Return the throwaway registry, started at the first call."""
        return self._wait_for(self._workshop.registry)

    def builder(self) -> Builder:
        """Return the builder, started at the first call."""
        return self._wait_for(self._workshop.builder)

    def build(
        self, spec: BuildSpec, platforms: Sequence[Platform], first: Sequence[Platform] | None = None
    ) -> ImageSource:
        """Start building an image for the platforms, each on its own, and return it at once; equal specifications are built once.

        Only ``first`` of them are begun, all unless given; the others are when they are asked for.

        Raises `UsageProblem` where context or Dockerfile is not there.
        """
        return self._built(self._workshop.build(spec, tuple(platforms), first))

    def prepare(
        self,
        what: BuildSpec | str,
        platforms: Sequence[Platform],
        *,
        first: Sequence[Platform],
        warm: Sequence[Platform],
        run: Sequence[Platform],
    ) -> ImageSource:
        """Start building ``first``; once they are there, let ``warm`` have their containers, and ``run`` be pulled.

        What files are read of one of ``first``, is read of all. Waits for nothing. ``what`` is what `build` takes, or what
        `published` does; returns what these return, and raises what they raise.
        """
        wanted = tuple(dict.fromkeys([*warm, *run]))
        if isinstance(what, str):
            source = self.published(what)
        else:
            name = self._workshop.build(what, tuple(platforms), tuple(first))
            source = self._built(name)
            self._workshop.bring(name, wanted)
        source.expect(first, self._pool.submit)
        if self._own is None:
            # One after the other: several processes do so at once, and their first tests wait for the first platform.
            self._pool.submit(self._prepare, source, warm, warm=True)
            return source
        for platform in wanted:
            self._pool.submit(self._prepare, source, [platform], warm=platform in warm)
        return source

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
                readers = self._belongings.readers
                make_running = self.supports.if_anything_runs(self._running)
                self._images[key] = PublishedImage(readers.users(), reference, make_running, readers.layers)
            return self._images[key]

    def read_files(self, image: PlatformImage) -> ImageFiles:
        """Return an image's files, fetched at the first use; where that takes long, the user sees what is read."""
        size = sum(layer.size for layer in image.layers) / 1e6
        what = f"{image.platform}: reading {len(image.layers)} layers, {size:.1f} MB"
        return self._listener.wait(self._pool.submit(lambda: image.files), what)

    def service_logs(self, since: float) -> tuple[ServiceLog, ...]:
        """Return the ends of the logs of services that run, or have ended since a moment of ``time.monotonic()``."""
        return self._services.logs(since)

    def users_client(self) -> RegistryClient:
        """Return the client that reads registries with the user's credentials and mirrors."""
        return self._belongings.readers.users()

    def close(self) -> list[str]:
        """End builds, remove all that this process has started, and return what could not be removed, a line each."""
        self._belongings.readers.stop()  # first, so that nobody here waits for a registry, or for builds
        self._belongings.daemons.end()
        self._workshop.leave()
        if self._own is not None:
            self._own.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        return self._own.close() if self._own is not None else self._belongings.close()

    def _wait_for(self, call: Callable[[], T]) -> T:
        """Call what may take long; in the process that has the terminal, its progress is shown meanwhile."""
        return self._listener.wait(self._pool.submit(call)) if self._own is not None else call()

    def _prepare(self, source: ImageSource, platforms: Sequence[Platform], *, warm: bool) -> None:
        for platform in platforms:
            with suppress(MultiArchError):  # the test that needs it comes to the same, and tells it
                image = source.platform(platform)
                if warm:
                    source.running.warm_container(image)
                else:
                    source.running.bring(image)

    def _built(self, name: str) -> ImageSource:
        with self._lock:
            key = ("build", name)
            if key not in self._images:
                self._images[key] = BuiltImage(
                    lambda: self._home(name),
                    lambda platform: self._wait_for(lambda: self._workshop.built(name, platform)),
                    lambda: self._wait_for(lambda: self._workshop.index(name)),
                    self._running,
                    self._belongings.readers.layers,
                    lambda platform: self._own is None or self._own.is_awaited(name, platform),
                )
            return self._images[key]

    def _home(self, name: str) -> tuple[RegistryClient, Reference]:
        registry = self._workshop.registry()
        with self._lock:
            if self._client is None:
                self._client = self._belongings.readers.of_registry(registry)
            return self._client, Reference.parse(f"{registry.host}/{name}")

    def _in_layout(self, location: LayoutLocation) -> ImageSource:
        with self._lock:
            key = ("layout", location)
            if key not in self._images:
                client = self._belongings.readers.of_layout(location)

                def find(image: PlatformImage) -> Reference:
                    return self._wait_for(lambda: self._workshop.copied(location, image.reference, image.platform))

                make_running = self.supports.if_anything_runs(lambda: self._running(find))
                layers = self._belongings.readers.layers
                self._images[key] = PublishedImage(client, client.reference, make_running, layers)
            return self._images[key]

    def _running(self, find: Callable[[PlatformImage], Reference] = as_read) -> Running:
        return Running(
            self._belongings.daemons.of,
            self._belongings.book(),
            fetch=self._workshop.fetch,
            limit=self._options.command_timeout,
            on_result=self._on_result,
            find=find,
            judge=self.supports.judge,
            services=self._services,
            note=self._listener.note,
        )
