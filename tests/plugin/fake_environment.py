"""The engine's one door, `Environment`, with nothing behind it: what it gives is real wherever a value can be.

The conftest of a pytest run under test calls ``install``. Images, manifests, results and errors are
the project's own classes; only what would talk to a daemon or a registry is made up. Every call is written to
``calls.jsonl`` in the rootdir, so that it can be read whichever process made it.

Containers know four commands: ``echo WORDS`` (to standard output, exit code 0), ``complain WORDS`` (to standard error,
exit code 3), ``uname -m`` (the platform's machine) and ``abort`` (what QEMU says of it, exit code 134). Any other is not
found, exit code 127.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

import pytest

from pytest_multiarch.engine.build import BuiltPlatform
from pytest_multiarch.engine.builder import Builder
from pytest_multiarch.engine.builds import Build
from pytest_multiarch.engine.emulation import Supports
from pytest_multiarch.engine.progress import ProgressReader
from pytest_multiarch.engine.registry import Registry
from pytest_multiarch.engine.services import ServiceLog
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import BuildError, EngineError, EngineUnavailable
from pytest_multiarch.image.credentials import Credentials
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layout_location import LayoutLocation
from pytest_multiarch.image.limits import READ_LIMIT
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, RawDocument, digest_of
from pytest_multiarch.outputs import Output
from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from pytest_multiarch.engine.crashes import OnCrash
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.environment import Listener
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.engine.mounts import Mounts
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.engine.waiting import WaitFor
    from pytest_multiarch.engine.workshop import Workshop
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.platform_image import PlatformImage

T = TypeVar("T")
SECONDS: Final = 0.25
"""How long every command is said to have taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Say what is to go wrong, and how builds go on.

    ``failing_builds`` and ``failing_containers`` hold platforms; ``progress`` are lines as ``buildx --progress=rawjson``
    prints them; ``leftovers`` is what cannot be removed at the end; ``unavailable`` and ``emulated`` hold platforms. The builds
    of ``held`` platforms go on until a test of the run lets them end: ``let`` of the plugin ``fake-workshop``.
    """

    daemon: bool = True
    failing_builds: tuple[str, ...] = ()
    failing_containers: tuple[str, ...] = ()
    build_seconds: float = 0.0
    progress: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    emulated: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


class Calls:
    """Write down who called what."""

    def __init__(self, path: Path, process: str) -> None:
        self._path = path
        self._process = process

    def add(self, name: str, **facts: object) -> None:
        """Add one call; a short line that is appended is not mixed with another process's."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"call": name, "process": self._process, **facts}) + "\n")


def install(plan: Plan | None = None) -> tuple[Callable[[pytest.Config], None], Callable[[], None]]:
    """Return a conftest's ``pytest_configure`` and ``pytest_unconfigure`` that put the fake in the environment's place."""
    patch = pytest.MonkeyPatch()

    def pytest_configure(config: pytest.Config) -> None:
        process = getattr(config, "workerinput", {}).get("workerid", "main")
        calls = Calls(config.rootpath / "calls.jsonl", process)

        def make(
            options: EngineOptions,
            listener: Listener,
            on_result: Callable[[CommandResult], None],
            workshop: Workshop | None = None,
        ) -> FakeEnvironment:
            made = FakeEnvironment(options, listener, on_result, workshop, plan=plan or Plan(), calls=calls)
            if made.own is not None:
                config.pluginmanager.register(made.own, "fake-workshop")
            return made

        def make_workshop(options: EngineOptions, listener: BuildListener) -> FakeWorkshop:
            return FakeWorkshop(options, listener, plan=plan or Plan(), calls=calls)

        patch.setattr("pytest_multiarch.engine.environment.Environment", make)
        patch.setattr("pytest_multiarch.engine.local_workshop.LocalWorkshop", make_workshop)

    return pytest_configure, patch.undo


def _no_home() -> NoReturn:
    raise AssertionError("there is no registry here")


class FakeWorkshop:
    """Stand in for `pytest_multiarch.engine.local_workshop.LocalWorkshop`."""

    def __init__(self, options: EngineOptions, listener: BuildListener, *, plan: Plan, calls: Calls) -> None:
        self._listener = listener
        self._plan = plan
        self._calls = calls
        calls.add(
            "made",
            builder=options.builder,
            mirrors=list(options.mirrors),
            registry_image=options.registry_image,
            registry_port=options.registry_port,
            buildkit_image=options.buildkit_image,
            build_timeout=options.build_timeout,
            command_timeout=options.command_timeout,
            plain_http=list(options.plain_http),
            nodes=[f"{node.platform}={node.endpoint}" for node in options.nodes],
            runs=options.runs,
            emulation_factor=options.emulation_factor,
            install_emulators=options.install_emulators,
            emulators_image=options.emulators_image,
            cache_from=list(options.cache_from),
            cache_to=list(options.cache_to),
            reuse=options.reuse.name if options.reuse is not None else None,
        )
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="fake")
        self._lock = threading.Lock()
        self._held = {platform: threading.Event() for platform in plan.held}
        self._names: dict[tuple[object, ...], str] = {}
        self._builds: dict[str, Build] = {}

    def check(self, *, builds: bool, runs: bool, image: str = "") -> str:
        self._calls.add("check", builds=builds, runs=runs, image=image)
        self._connect()
        return "0.0.1" if builds else ""

    def start(self) -> None:
        self._calls.add("start")

    def registry(self) -> Registry:
        self._calls.add("registry")
        self._connect()
        return Registry("localhost:40404", "http://127.0.0.1:40404", Credentials("multiarch", "secret"))

    def builder(self) -> Builder:
        self._calls.add("builder")
        self._connect()
        return Builder("a-builder", "docker-container", {})

    def build(self, spec: BuildSpec, platforms: Sequence[Platform], first: Sequence[Platform] | None = None) -> str:
        spec.check()
        self._connect()
        with self._lock:
            key = (spec.key, tuple(platforms))
            if key not in self._names:
                self._calls.add(
                    "build",
                    platforms=[str(platform) for platform in platforms],
                    context=spec.context.name,
                    dockerfile=spec.dockerfile_path.name,
                    target=spec.target,
                    args=dict(spec.args),
                    contexts=dict(spec.contexts),
                    secrets=list(spec.secrets),
                    base_images=list(spec.base_images),
                )
                name = self._names[key] = f"{spec.name}-{len(self._names)}:latest"
                self._builds[name] = Build(name, platforms, self._begin, _no_home)
                self._builds[name].begin(platforms if first is None else first)
            return self._names[key]

    def built(self, name: str, platform: Platform) -> BuiltPlatform:
        return self._builds[name].platform(platform)

    def is_awaited(self, name: str, platform: Platform | None) -> bool:
        return self._builds[name].is_awaited(platform)

    def index(self, name: str) -> str:
        build = self._builds[name]
        build.begin(build.platforms)
        for platform in build.platforms:
            build.platform(platform)
        return ",".join(str(platform) for platform in build.platforms)

    def let(self, *platforms: str) -> None:
        """Let the builds of these platforms end, and wait until they have."""
        for platform in platforms:
            self._held[platform].set()
            for build in self._builds.values():
                with suppress(BuildError):
                    build.platform(Platform.parse(platform))

    def bring(self, name: str, platforms: Sequence[Platform]) -> None:
        self._calls.add("bring", platforms=[str(platform) for platform in platforms])

    def end_building(self) -> None:
        self._calls.add("end_building")

    def fetch(self, reference: str, platform: Platform) -> None:
        self._calls.add("fetch", platform=str(platform))

    def copied(self, layout: LayoutLocation, image: Reference, platform: Platform) -> Reference:
        return image

    def layers(self) -> Path:
        raise AssertionError("nothing here has layers that are unpacked")

    def leave(self) -> None: ...

    def adopt(self, folder: Path) -> None:
        self._calls.add("adopt")

    def release(self, folder: Path) -> None:
        self._calls.add("release")

    def stop(self) -> None:
        for held in self._held.values():
            held.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def close(self) -> list[str]:
        self.stop()
        self._calls.add("closed workshop")
        return []

    def _connect(self) -> None:
        if not self._plan.daemon:
            raise EngineUnavailable("connecting to the Docker daemon", "nobody is there", "Start it.")

    def _begin(self, platform: Platform) -> Future[BuiltPlatform]:
        future = self._pool.submit(self._build, platform)
        if not self._plan.build_seconds and str(platform) not in self._held:
            wait([future])  # else it depended on the time in which order tests run
        return future

    def _build(self, platform: Platform) -> BuiltPlatform:
        self._listener.build_started(platform)
        started = time.monotonic()
        failed = str(platform) in self._plan.failing_builds
        if str(platform) in self._held:
            self._held[str(platform)].wait(20)
        reader = ProgressReader()
        for line in self._plan.progress:
            step = reader.feed(line)
            if step is not None:
                self._listener.build_step(platform, step)
            time.sleep(self._plan.build_seconds / len(self._plan.progress))
        if not self._plan.progress:
            time.sleep(self._plan.build_seconds)
        self._calls.add("built", platform=str(platform))
        self._listener.build_ended(platform, time.monotonic() - started, failed=failed)
        if failed:
            raise BuildError(
                f"building {platform}",
                "Dockerfile:3: exit code 1",
                "Its log ends with:",
                f"the log's end on {platform}",
            )
        return BuiltPlatform(platform, str(platform), self._plan.build_seconds)


class FakeEnvironment:
    """Stand in for `pytest_multiarch.engine.environment.Environment`."""

    def __init__(
        self,
        options: EngineOptions,
        listener: Listener,
        on_result: Callable[[CommandResult], None],
        workshop: Workshop | None = None,
        *,
        plan: Plan,
        calls: Calls,
    ) -> None:
        self._listener = listener
        self._plan = plan
        self._calls = calls
        self.own = FakeWorkshop(options, listener, plan=plan, calls=calls) if workshop is None else None
        self._workshop: Workshop = self.own or workshop  # type: ignore[assignment]  # one of them is there
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="fake")
        self._shelf = Shelf()
        self.supports = FakeSupports(options, plan, calls)
        self._running = FakeRunning(plan, calls, on_result, self.supports)
        self._images: dict[str, FakeSource] = {}
        self._buildx = ""
        self.check = self._check
        self.start = self._workshop.start
        self.registry = self._workshop.registry
        self.builder = self._workshop.builder
        self.end_building = self._workshop.end_building

    def describe_engine(self) -> str:
        return f"a made-up engine{self._buildx}"

    def prepare(
        self,
        what: BuildSpec | str,
        platforms: Sequence[Platform],
        *,
        first: Sequence[Platform],
        warm: Sequence[Platform],
        run: Sequence[Platform],
    ) -> FakeSource:
        self._calls.add("prepare", warm=[str(platform) for platform in warm], run=[str(platform) for platform in run])
        return self._published(what) if isinstance(what, str) else self.build(what, platforms, first)

    def build(
        self, spec: BuildSpec, platforms: Sequence[Platform], first: Sequence[Platform] | None = None
    ) -> FakeSource:
        name = self._workshop.build(spec, tuple(platforms), first)
        if name not in self._images:
            reference = Reference.parse(f"localhost:40404/{name}")

            def built(platform: Platform) -> Descriptor:
                self._wait(lambda: self._workshop.built(name, platform))
                return self._shelf.push(reference, platform)

            def index() -> list[Platform]:
                return [Platform.parse(text) for text in self._wait(lambda: self._workshop.index(name)).split(",")]

            def is_awaited(platform: Platform | None) -> bool:
                return self.own is None or self.own.is_awaited(name, platform)

            self._images[name] = FakeSource(self._shelf, reference, self._running, built, index, is_awaited)
        return self._images[name]

    def published(self, text: str) -> FakeSource:
        """Return an image that has a platform for each of two architectures, whatever the reference."""
        self._calls.add("published", reference=text)
        return self._published(text)

    def _published(self, text: str) -> FakeSource:
        reference = LayoutLocation.parse(text).reference if LayoutLocation.is_one(text) else Reference.parse(text)
        offered = [Platform.parse(name) for name in ("linux/amd64", "linux/arm64")]
        return FakeSource(
            self._shelf,
            reference,
            self._running,
            lambda platform: self._shelf.push(reference, platform),
            lambda: offered,
        )

    def read_files(self, image: PlatformImage) -> ImageFiles:
        return image.files

    def service_logs(self, since: float) -> tuple[ServiceLog, ...]:
        return tuple(self._running.services)

    def users_client(self) -> RegistryClient:
        return self._shelf

    def close(self) -> list[str]:
        if self.own is not None:
            self.own.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._calls.add("close", containers=self._running.count)
        self._running.up = False
        return list(self._plan.leftovers)

    def _check(self, *, builds: bool, runs: bool, image: str = "") -> None:
        buildx = self._workshop.check(builds=builds, runs=runs, image=image)
        self._buildx = f", buildx {buildx}" if buildx else ""

    def _wait(self, call: Callable[[], T]) -> T:
        return self._listener.wait(self._pool.submit(call))


class FakeSource:
    """Stand in for the image sources of `pytest_multiarch.engine.sources`."""

    def __init__(
        self,
        shelf: Shelf,
        reference: Reference,
        running: FakeRunning,
        built: Callable[[Platform], Descriptor],
        index: Callable[[], Sequence[Platform]],
        is_awaited: Callable[[Platform | None], bool] = lambda _: False,
    ) -> None:
        self.is_awaited = is_awaited
        self.running = running
        self._shelf = shelf
        self._reference = reference
        self._built = built
        self._index = index

    def platform(self, platform: Platform) -> PlatformImage:
        descriptor = self._built(platform)
        return MultiArchImage.load(
            self._shelf, self._reference.with_digest(descriptor.digest), self.running
        ).for_platform(platform)

    def image(self) -> MultiArchImage:
        platforms = list(self._index())
        self._shelf.push_index(self._reference, [self._built(platform) for platform in platforms], platforms)
        return MultiArchImage.load(self._shelf, self._reference, self.running)


class FakeRunning:
    """Stand in for `pytest_multiarch.engine.running.Running`: its containers answer until the environment is closed."""

    def __init__(
        self, plan: Plan, calls: Calls, on_result: Callable[[CommandResult], None], supports: FakeSupports
    ) -> None:
        self._supports = supports
        self._plan = plan
        self._calls = calls
        self._on_result = on_result
        self._warm: dict[str, FakeContainer] = {}
        self.up = True
        self.count = 0
        self.services: list[ServiceLog] = []

    def run(
        self,
        image: PlatformImage,
        args: Sequence[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        tty: bool = False,
        timeout: float | None = None,
        emulator_crash: OnCrash = "raise",
    ) -> CommandResult:
        return self.answer(image.platform, tuple(args or ()), emulator_crash)

    @contextmanager
    def start(
        self,
        image: PlatformImage,
        args: Sequence[str] | None = None,
        *,
        ports: Sequence[int | str] = (),
        wait_for: WaitFor | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Iterator[Service]:
        service = self._start("service", image.platform)
        log = ServiceLog(service.name, service.platform, f"the log of {service.name}")
        self.services.append(log)
        yield cast("Service", service)
        self.services.remove(log)
        self._calls.add("removed", container=service.name)

    def warm_container(self, image: PlatformImage) -> FakeContainer:
        if image.digest not in self._warm:
            self._warm[image.digest] = self._start("warm", image.platform)
        return self._warm[image.digest]

    @contextmanager
    def fresh_container(
        self,
        image: PlatformImage,
        *,
        mounts: Mounts = (),
        network: str | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
    ) -> Iterator[FakeContainer]:
        container = self._start("fresh", image.platform)
        yield container
        self._calls.add("removed", container=container.name)

    def answer(self, platform: Platform, args: tuple[str, ...], on_crash: OnCrash) -> CommandResult:
        """Return what a command gives; each is heard of, as with the real one."""
        result = self._supports.judge(platform).attempt(lambda: self._answer(platform, args), on_crash)
        self._on_result(result)
        return result

    def _answer(self, platform: Platform, args: tuple[str, ...]) -> CommandResult:
        if not self.up:
            raise EngineError(f"running {' '.join(args)}", "all containers have been removed")
        words = f"{' '.join(args[1:])}\n".encode()
        exit_code, stdout, stderr = 127, b"", f"{args[0] if args else ''}: not found\n".encode()
        if args[:1] == ("echo",):
            exit_code, stdout, stderr = 0, words, b""
        elif args[:1] == ("complain",):
            exit_code, stdout, stderr = 3, b"", words
        elif args == ("uname", "-m"):
            exit_code, stdout, stderr = 0, f"{platform.machine}\n".encode(), b""
        elif args == ("abort",):
            exit_code, stdout, stderr = 134, b"", b"qemu: uncaught target signal 6 (Aborted) - core dumped\n"
        return CommandResult(args, exit_code, Output(stdout), Output(stderr), SECONDS, platform)

    def _start(self, kind: str, platform: Platform) -> FakeContainer:
        self._supports.judge(platform)
        self.count += 1
        name = f"{kind}-{self.count}"
        self._calls.add(kind, platform=str(platform), container=name)
        if str(platform) in self._plan.failing_containers:
            raise EngineError(
                f"starting a {kind} container for {platform}",
                "exec format error",
                "Its log ends with:",
                "the log's end",
            )
        return FakeContainer(self, name, platform)


class FakeContainer:
    """Stand in for `pytest_multiarch.engine.container.Container`."""

    def __init__(self, running: FakeRunning, name: str, platform: Platform) -> None:
        self._running = running
        self._files: dict[str, bytes] = {}
        self.name = name
        self.platform = platform

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        tty: bool = False,
        timeout: float | None = None,
        emulator_crash: OnCrash = "raise",
    ) -> CommandResult:
        return self._running.answer(self.platform, tuple(args), emulator_crash)

    def read(self, path: str, limit: int | None = READ_LIMIT) -> bytes:
        return self._files[path]

    def read_text(self, path: str, encoding: str = "utf-8", limit: int | None = READ_LIMIT) -> str:
        return self.read(path).decode(encoding)

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        self._files[path] = data.encode() if isinstance(data, str) else data


class FakeSupports(Supports):
    """Say of each platform what the plan says of it: native where it says nothing."""

    def __init__(self, options: EngineOptions, plan: Plan, calls: Calls) -> None:
        super().__init__(options, lambda _: cast("Engine", None), lambda: cast("Ledger", None))
        self._plan = plan
        self._calls = calls
        self._has_emulators = False

    def prepare(self, platforms: Sequence[Platform]) -> None:
        self._has_emulators = self._options.install_emulators
        if self._has_emulators:
            self._calls.add("emulators", platforms=[str(platform) for platform in platforms])
        super().prepare(platforms)

    def _look(self, platform: Platform) -> Support:
        if str(platform) in self._plan.unavailable and not self._has_emulators:
            return Support(platform, "unavailable", reason="no emulator is registered", hint="Mend it with:\n  mend it")
        if str(platform) in (*self._plan.emulated, *self._plan.unavailable):
            return Support(platform, "emulated", f"qemu-{platform.machine}", "10.0.2", "6.1.0")
        return Support(platform, "native")


class Shelf(RegistryClient):
    """Hold documents as a registry would, and ask nobody for them."""

    def __init__(self) -> None:
        super().__init__()
        self._documents: dict[str, RawDocument] = {}
        self._blobs: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def manifest(self, reference: Reference) -> RawDocument:
        with self._lock:
            return self._documents[reference.digest or str(reference)]

    def read_blob(self, repository: Reference, descriptor: Descriptor, limit: int = 0) -> bytes:
        return self._blobs[descriptor.digest]

    def push(self, reference: Reference, platform: Platform) -> Descriptor:
        """Keep one platform's image and return its descriptor."""
        fields = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
        config = self._blob({**fields, "rootfs": {"type": "layers", "diff_ids": []}}, OCI_CONFIG)
        layer = self._blob({"layer of": str(platform)}, OCI_LAYER_GZIP)
        return self._document("", OCI_MANIFEST, {"config": config, "layers": [layer]})

    def push_index(self, reference: Reference, entries: Sequence[Descriptor], platforms: Sequence[Platform]) -> None:
        """Keep an index under the reference's tag."""
        listed = [
            {
                "mediaType": entry.media_type,
                "digest": entry.digest,
                "size": entry.size,
                "platform": {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant},
            }
            for entry, platform in zip(entries, platforms, strict=True)
        ]
        self._document(str(reference), OCI_INDEX, {"manifests": listed})

    def _document(self, name: str, media_type: str, fields: dict[str, Any]) -> Descriptor:
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **fields}).encode()
        document = RawDocument(data, media_type, digest_of(data))
        with self._lock:
            self._documents[document.digest] = self._documents[name or document.digest] = document
        return Descriptor(media_type, document.digest, len(data))

    def _blob(self, content: object, media_type: str) -> dict[str, Any]:
        data = json.dumps(content).encode()
        self._blobs[digest_of(data)] = data
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
