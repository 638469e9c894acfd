"""The workshop itself, in the process that owns the run: registry, builder, builds, pulls, each started at its first use."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.engine import build
from pytest_multiarch.engine import builder as buildx
from pytest_multiarch.engine.bases import find_bases
from pytest_multiarch.engine.belongings import Belongings
from pytest_multiarch.engine.build import BuiltPlatform
from pytest_multiarch.engine.builds import Build
from pytest_multiarch.engine.caches import cache_arguments
from pytest_multiarch.engine.cleanup import sweep_folder
from pytest_multiarch.engine.coming_bases import ComingBases
from pytest_multiarch.engine.foundations import bring_foundations
from pytest_multiarch.engine.inputs import files_digest, platform_digest
from pytest_multiarch.engine.layouts import copy_platform, look_at
from pytest_multiarch.engine.mending import explained
from pytest_multiarch.engine.pulls import Pulls
from pytest_multiarch.engine.registry import free_port
from pytest_multiarch.engine.site import Site
from pytest_multiarch.engine.sources import PublishedImage, never
from pytest_multiarch.errors import BuildError, MultiArchError, NotInRegistry
from pytest_multiarch.image.credentials import DockerCredentials
from pytest_multiarch.image.layout_location import LayoutLocation
from pytest_multiarch.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_multiarch.engine.bases import Bases, FoundBases
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.credentials import Credentials
    from pytest_multiarch.image.layout import LayoutClient
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.platforms import Platform

T = TypeVar("T")


def load() -> None:
    """Load the SDK, which takes a moment, before it is needed."""
    import docker  # noqa: F401


class LocalWorkshop:
    """Make, own and remove what a run makes once. Implements `Workshop`; `close` belongs to the owner alone."""

    def __init__(self, options: EngineOptions, listener: BuildListener) -> None:
        self.belongings = Belongings(options, listener.note)
        self._options = options
        self._listener = listener
        self._lock = threading.RLock()
        # A pool of their own: a build waits for registry and builder, and however many wait, these must come to their turn.
        self._builds = ThreadPoolExecutor(max_workers=16, thread_name_prefix="multiarch-build")
        self._released = ThreadPoolExecutor(max_workers=8, thread_name_prefix="multiarch-close")
        self._brought = ThreadPoolExecutor(max_workers=8, thread_name_prefix="multiarch-pull")
        self._stopping = threading.Event()
        self._by_key: dict[tuple[object, ...], Build] = {}
        self._by_name: dict[str, Build] = {}
        self._bases: dict[str, ComingBases] = {}
        self._layouts: dict[LayoutLocation, tuple[LayoutClient, Reference]] = {}
        self._users: dict[str, Credentials | None] = {}
        self._site = Site(options, self.belongings, listener, self._stopping)
        self._pulls = Pulls(self.belongings.daemons.of, self._site.book_of, self._credentials_for)

    def check(self, *, builds: bool, runs: bool, image: str = "") -> str:
        """Look for what the run needs, and return buildx' version, empty where nothing is built. Raises `UsageProblem`."""
        version = ""
        daemons = self.belongings.daemons
        is_layout = LayoutLocation.is_one(image)
        if is_layout:
            look_at(lambda: self._layout(LayoutLocation.parse(image)))
        # It asks no daemon, and takes as long as connecting to one.
        found = self._builds.submit(buildx.buildx_version, {}) if builds else None
        if builds or runs:
            daemons.main()
        if found is not None:
            environ = daemons.main().environ
            version = ".".join(map(str, found.result()))
            if self._options.builder not in ("auto", "container", "docker"):
                buildx.find_builder(self._options.builder, environ)
        if not (builds or (runs and is_layout)):
            return version
        daemons.of_nodes()
        is_ours = not daemons.main().is_elsewhere  # of another machine's ports its daemon alone knows
        if self._options.registry_port is not None and self._options.reuse is None and is_ours:
            free_port(self._options.registry_port)
        return version

    def start(self) -> None:
        """Let registry and builder start, side by side."""
        self._site.start()

    def registry(self) -> Registry:
        """Return the throwaway registry, once it is up."""
        return self._site.registry().result()

    def builder(self) -> Builder:
        """Return the builder, once it is up."""
        return self._site.builder().result()

    def build(self, spec: BuildSpec, platforms: Sequence[Platform], first: Sequence[Platform] | None = None) -> str:
        """Start building for the platforms, each on its own, and return the tag; equal specifications are built once."""
        spec.check()
        with self._lock:
            key = (spec.key, tuple(platforms))
            if key not in self._by_key:
                name = f"{spec.name}-{len(self._by_key)}:latest"
                if self._options.reuse is not None:
                    # One repository for all runs, so that what one has pushed is there for the next.
                    name = f"{spec.name}:{self.belongings.book().run_id}-{len(self._by_key)}"
                made = self._start_build(spec, tuple(platforms), name)
                self._by_key[key] = self._by_name[made.name] = made
                made.begin(platforms if first is None else first)
            return self._by_key[key].name

    def built(self, name: str, platform: Platform) -> BuiltPlatform:
        """Return what one platform's build has pushed, once it has."""
        return self._by_name[name].platform(platform)

    def is_awaited(self, name: str, platform: Platform | None) -> bool:
        """Say whether a platform of a build has begun and is not pushed yet; with None, whether any of them is."""
        return self._by_name[name].is_awaited(platform)

    def index(self, name: str) -> str:
        """Return the digest of a build's index, once all its platforms are pushed."""
        return self._by_name[name].index()

    def bring(self, name: str, platforms: Sequence[Platform]) -> None:
        """Let the daemon pull platforms of a build as soon as each is pushed, and what they stand on before that."""
        if self._options.reuse is None:  # else the daemon has it from the run before
            engine_for, given = self.belongings.daemons.of, tuple(platforms)
            self._brought.submit(
                bring_foundations, self._by_name[name], self._bases[name], given, engine_for, self.fetch
            )
        for platform in platforms:
            self._brought.submit(self._bring, self._by_name[name], platform)

    def end_building(self) -> None:
        """Hear that nothing else will be built."""
        self._site.retire_builder(lambda: [future for one in self._by_key.values() for future in one.begun])

    def fetch(self, reference: str, platform: Platform) -> None:
        """Pull an image by digest, if the daemon does not have it from this run."""
        self._pulls.fetch(reference, platform)

    def copied(self, layout: LayoutLocation, image: Reference, platform: Platform) -> Reference:
        """Copy a platform of a layout into the throwaway registry, once, and return its reference there."""
        target = self._site.client()
        with self._lock:
            if layout not in self._layouts:
                home = Reference.parse(f"{self.registry().host}/layout-{len(self._layouts)}")
                self._layouts[layout] = self.belongings.readers.of_layout(layout), home
            source, home = self._layouts[layout]
        return self._site.once(
            f"copy of {image}", lambda: copy_platform(source, image, platform, target, home)
        ).result()

    def layers(self) -> Path:
        """Return the folder in which layers are unpacked."""
        return self.belongings.readers.layers.folder

    def leave(self) -> None:
        """Hear nothing: `stop` ends who waits here."""

    def adopt(self, folder: Path) -> None:
        """Close the book in this folder at the end, should its own process not have lived to do so."""
        self.belongings.book().adopt(folder)

    def release(self, folder: Path) -> None:
        """Close the book in this folder in the background; what is left of it, `close` comes to, and tells."""
        with suppress(RuntimeError):  # the end has begun, and comes to all adopted books
            self._released.submit(sweep_folder, folder, settle=(), known=self.belongings.daemons.connected)

    def stop(self) -> None:
        """End builds, and whoever waits for them."""
        self._stopping.set()
        self.belongings.readers.stop()
        self.belongings.daemons.end()
        for wait in (False, True):
            self._brought.shutdown(wait=wait, cancel_futures=True)
            self._builds.shutdown(wait=wait, cancel_futures=True)
            self._site.stop(wait=wait)
            for bases in list(self._bases.values()):  # without the lock: who holds it may be asking a credential helper
                bases.stop()

    def close(self) -> list[str]:
        """Remove all that was started, and return what could not be removed, a line each."""
        self.stop()
        try:
            return self.belongings.close(
                lambda engine: self._site.tidy(engine, self._pulls.fetched), others=self._released.shutdown
            )
        finally:
            self._released.shutdown()

    def _layout(self, location: LayoutLocation) -> PublishedImage:
        client = self.belongings.readers.of_layout(location)
        return PublishedImage(client, client.reference, never)

    def _start_build(self, spec: BuildSpec, platforms: tuple[Platform, ...], name: str) -> Build:
        self._site.start()
        registry, kept = self._site.registry(), self._site.kept()
        bases = self._bases[name] = ComingBases(platforms)
        self._builds.submit(self._copy_bases, bases, spec, platforms, name)
        inputs = self._builds.submit(lambda: files_digest(spec) if kept is not None else "")

        def home() -> tuple[RegistryClient, Reference]:
            return self._site.client(), Reference.parse(f"{registry.result().host}/{name}")

        def build_one(platform: Platform) -> BuiltPlatform:
            client, reference = home()
            found = bases.of(platform)
            read = platform_digest(spec, inputs.result(), platform, found.read_for(platform))
            if kept is not None and (digest := _still_there(client, reference, kept.digest_of(read))):
                self._listener.note(f"{platform}: nothing has changed, not built again")
                return BuiltPlatform(platform, digest, 0.0)
            ready = self._site.builder().result()
            if not ready.pushes_by_digest:
                self.belongings.book().add("image", build.platform_tag(reference.name, platform))
            try:
                built = build.build_platform(
                    ready,
                    spec,
                    platform,
                    name=reference.name,
                    folder=self.belongings.book().folder,
                    docker_config=self._site.overlay(),
                    contexts=found.contexts,
                    limit=self.belongings.supports.build_limit(platform),
                    caches=cache_arguments(self._options.cache_from, self._options.cache_to, platform),
                    listener=self._listener,
                    stopping=self._stopping,
                )
            except BuildError as error:
                # Only now: the stage that stands on such an image may be one that this platform does not use.
                engine = self.belongings.daemons.main()
                raise found.fault_behind(error, platform) or explained(error, engine, registry.result().host) from None
            # Not where something was changed meanwhile: nobody knows which of both the builder got.
            if kept is not None and files_digest(spec) == inputs.result():
                kept.remember(read, built.digest)
            return built

        return Build(name, platforms, lambda platform: self._builds.submit(build_one, platform), home)

    def _copy_bases(self, bases: ComingBases, spec: BuildSpec, platforms: Sequence[Platform], name: str) -> None:
        def find() -> FoundBases:
            source, own = self.belongings.readers.users(), self.belongings.daemons.main().facts.platform
            return find_bases(spec, platforms, source=source, builders_own=own, listener=self._listener)

        def send(found: FoundBases, group: Sequence[Platform]) -> Bases:
            return found.send(
                group, self._site.client, lambda: Reference.parse(f"{self._site.registry().result().host}/{name}")
            )

        bases.copy(find, send)

    def _bring(self, build: Build, platform: Platform) -> None:
        with suppress(MultiArchError):  # the tests that need it come to the same, and tell it
            self.fetch(build.reference(platform), platform)

    def _credentials_for(self, host: str) -> Credentials | None:
        return self.registry().credentials if host == self._site.host else self._users_credentials(host)

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


def _still_there(client: RegistryClient, tag: Reference, digest: str) -> str:
    """Return the digest if the registry still has what is under it, else nothing."""
    try:
        return client.head_manifest(tag.with_digest(digest)).digest if digest else ""
    except NotInRegistry:
        return ""
