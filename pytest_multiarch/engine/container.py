"""Run an image in containers: `run` in a fresh one, `exec` in one that is up. Output kept apart, a time limit on each."""

from __future__ import annotations

import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pytest_multiarch.engine.crashes import Judge
from pytest_multiarch.engine.docker import translated
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import CommandTimeout, EngineError
from pytest_multiarch.results import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_multiarch.engine.crashes import OnCrash
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.platforms import Platform

# What keeps a warm container alive. It traps the end, so that stopping it is quick, and waits in a child of the shell,
# because a trap runs only between commands.
_STAY_UP = ("/bin/sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done")


class Container:
    """A running container of one platform; commands run in it with `exec`."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        platform: Platform,
        limit: float,
        on_result: Callable[[CommandResult], None],
        judge: Judge | None = None,
    ) -> None:
        self._engine = engine
        self._limit = limit
        self._on_result = on_result
        self._judge = judge or Judge(Support(platform, "native"))
        self.name = name
        self.platform = platform

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        timeout: float | None = None,
        emulator_crash: OnCrash = "raise",
    ) -> CommandResult:
        """Run a command in the container, as ``docker exec`` does, and return its result whatever its exit code.

        ``args`` is an argument list, no shell reads it. ``timeout`` is in seconds, and scaled where it is emulated. What an
        emulator crashes at is run once more, and then raises `EmulatorCrash`, unless ``emulator_crash`` is ``return``. Raises
        `CommandTimeout` with the output so far (the command itself goes on until the container is removed: the Engine API
        ends no exec), and `EngineError` where the daemon refuses.
        """
        limit = self._judge.limit(self._limit if timeout is None else timeout)
        argv = _argument_list(args)
        result = self._judge.attempt(lambda: self._attempt(argv, env, user, workdir, limit), emulator_crash)
        self._on_result(result)
        return result

    def _attempt(
        self, argv: list[str], env: Mapping[str, str] | None, user: str | None, workdir: str | None, limit: float
    ) -> CommandResult:
        tried = f"running {' '.join(argv)} in {self.name} ({self.platform})"
        api = self._engine.api
        started = time.monotonic()
        with translated(tried, "Is the container still up? docker logs shows what it said."):
            identity = api.exec_create(
                self.name, argv, environment=dict(env or {}), user=user or "", workdir=workdir, stdin=False, tty=False
            )["Id"]
            output = _Output()
            with _socket(api.exec_start(identity, socket=True)) as socket:
                in_time = output.read(socket, limit, _shut_down)
            seconds = time.monotonic() - started
            if not in_time:
                raise _too_long(tried, seconds, output)
            exit_code = api.exec_inspect(identity)["ExitCode"]
        return output.result(argv, int(exit_code), seconds, self.platform)


def start_container(
    engine: Engine,
    ledger: Ledger,
    image: str,
    platform: Platform,
    *,
    name: str,
    limit: float,
    on_result: Callable[[CommandResult], None],
    judge: Judge | None = None,
) -> Container:
    """Start a container of an image that stays up, and return it.

    ``image`` is a reference by the platform's own manifest digest. Raises `EngineError`.
    """
    tried = f"starting a container of {image} for {platform}"
    ledger.add("container", name, engine.endpoint)
    with translated(tried):
        engine.api.create_container(
            image,
            name=name,
            entrypoint=[_STAY_UP[0]],
            command=list(_STAY_UP[1:]),
            labels=ledger.labels,
            platform=str(platform),
            # A health check of the image's is no business of a container that runs nothing of it.
            healthcheck={"test": ["NONE"]},
        )
    with translated(
        tried,
        f"If {platform} needs an emulator here, register it; an image without /bin/sh is tested with platform_image.run().",
    ):
        engine.api.start(name)
        state = engine.api.inspect_container(name)["State"]
    if not state["Running"]:
        log = engine.api.logs(name, tail=15).decode(errors="replace")
        raise EngineError(tried, f"it ended at once with exit code {state['ExitCode']}", "Its log ends with:", log)
    return Container(engine, name, platform, limit, on_result, judge)


def run_once(
    engine: Engine,
    ledger: Ledger,
    image: str,
    platform: Platform,
    args: Sequence[str] | None,
    *,
    name: str,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    workdir: str | None = None,
    entrypoint: Sequence[str] | None = None,
    limit: float,
    init: bool = False,
) -> CommandResult:
    """Run an image in a fresh container, as ``docker run --rm --platform`` does, and return the result.

    Without ``args`` the image's own command runs. ``limit`` is in seconds. ``init`` has docker's own init as the first
    process, as ``docker run --init`` does. Raises `CommandTimeout` with the output so far
    once the container has been stopped, and `EngineError` where the daemon refuses.
    """
    argv = _argument_list(args) if args is not None else []
    tried = f"running {' '.join([image, *argv])} for {platform}"
    api = engine.api
    owned = ledger.add("container", name, engine.endpoint)
    started = time.monotonic()
    try:
        with translated(tried):
            api.create_container(
                image,
                name=name,
                command=argv if args is not None else None,
                entrypoint=list(entrypoint) if entrypoint is not None else None,
                environment=dict(env or {}),
                user=user,
                working_dir=workdir,
                labels=ledger.labels,
                platform=str(platform),
                host_config=api.create_host_config(init=True) if init else None,
            )
            output = _Output()
            # Attached before it starts, as `docker run` is: nothing is lost, and no log driver has to be readable.
            with _socket(api.attach_socket(name, {"stdout": 1, "stderr": 1, "stream": 1})) as socket:
                api.start(name)
                in_time = output.read(socket, limit, lambda _: api.kill(name))
            seconds = time.monotonic() - started
            if not in_time:
                raise _too_long(tried, seconds, output)
            exit_code = int(api.wait(name, timeout=60)["StatusCode"])
            seconds = time.monotonic() - started
    finally:
        with translated(f"removing the container {name}"):
            _remove(engine, name)
        ledger.strike(owned)
    return output.result(argv, exit_code, seconds, platform)


class _Output:
    """Collect both streams of an attached socket."""

    def __init__(self) -> None:
        self._streams: dict[int, list[bytes]] = {1: [], 2: []}

    def read(self, socket: Any, limit: float, stop: Callable[[Any], None]) -> bool:
        """Read frames until the end; call ``stop`` when the limit passes, and say whether it was not needed."""
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            try:
                stop(socket)
            except Exception:  # it has ended by itself, or the daemon does not answer: there is nothing more to read
                with suppress(OSError):
                    _shut_down(socket)

        timer = threading.Timer(limit, end)
        timer.daemon = True
        timer.start()
        try:
            for stream, data in _frames(_reader(socket)):
                # Stream 3 is the daemon's own: why there is no more (moby/moby pkg/stdcopy, Systemerr).
                self._streams.get(stream, self._streams[2]).append(data)
        except OSError:
            if not overdue.is_set():
                raise
        finally:
            timer.cancel()
            timer.join()
        return not overdue.is_set()

    def result(self, args: Sequence[str], exit_code: int, seconds: float, platform: Platform) -> CommandResult:
        return CommandResult(
            args=tuple(args),
            exit_code=exit_code,
            stdout_bytes=b"".join(self._streams[1]),
            stderr_bytes=b"".join(self._streams[2]),
            duration=seconds,
            platform=platform,
        )

    def text(self) -> str:
        return b"".join(self._streams[1] + self._streams[2]).decode(errors="replace")


@contextmanager
def _socket(socket: Any) -> Iterator[Any]:
    try:
        yield socket
    finally:
        # Over a Unix socket the SDK hands out the file below its HTTP response; closed in the other order, the response
        # trips over its closed file (docker/docker-py#3229).
        response = getattr(socket, "_response", None)
        if response is not None:
            response.close()
        socket.close()


def _reader(socket: Any) -> Any:
    """Return the file to read an attached socket from.

    The head of the daemon's answer was read through a buffer, and output that came along with it is in there: the SDK's own
    functions read past that buffer, and lose it.
    """
    getattr(socket, "_sock", socket).settimeout(None)  # a command may be silent for as long as its own limit allows
    response = getattr(socket, "_response", None)
    return response.raw._fp.fp if response is not None else socket.makefile("rb")


def _frames(reader: Any) -> Iterator[tuple[int, bytes]]:
    """Take the daemon's frames apart: a byte for the stream, three of nothing, four for the length (Engine API, attach)."""
    while len(head := reader.read(8)) == 8:
        stream, left = struct.unpack(">BxxxL", head)
        while left > 0:
            data = reader.read1(min(left, 65536))
            if not data:
                return
            left -= len(data)
            yield stream, data


def _shut_down(socket: Any) -> None:
    import socket as sockets

    raw = getattr(socket, "_sock", socket)
    raw.shutdown(sockets.SHUT_RDWR)


def _remove(engine: Engine, name: str) -> None:
    from docker.errors import NotFound

    try:
        engine.api.remove_container(name, force=True, v=True)
    except NotFound:
        return


def _too_long(tried: str, seconds: float, output: _Output) -> CommandTimeout:
    return CommandTimeout(
        tried,
        f"no end within {seconds:.0f} s",
        "Give it more time with timeout=…, or --multiarch-command-timeout for all commands. Its output so far:",
        output.text()[-4000:],
    )


def _argument_list(args: Sequence[str]) -> list[str]:
    if isinstance(args, str):
        raise TypeError(f"expected a list of arguments, not the text {args!r}: no shell reads it; write [{args!r}, …]")
    return [str(arg) for arg in args]
