"""The workshop of another process: its functions called over a connection on loopback, by whoever has the key.

Not `multiprocessing.managers`: its server puts the process's standard output back when it stops, and cannot be stopped without
ending the process it runs in.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection
    from pathlib import Path

    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.engine.workshop import Workshop
    from pytest_multiarch.image.layout_location import LayoutLocation
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.platforms import Platform

_HANDSHAKE = 10.0  # seconds that a stranger may hold a thread
_CALLS = (
    "check",
    "start",
    "registry",
    "builder",
    "build",
    "built",
    "index",
    "bring",
    "end_building",
    "fetch",
    "copied",
    "layers",
    "adopt",
    "release",
)


@dataclass(frozen=True, slots=True)
class Line:
    """Call functions of the process that listens at ``port`` on loopback and knows the key."""

    port: int
    key: bytes = field(repr=False)

    def call(self, name: str, /, *args: Any, **options: Any) -> Any:
        """Call a function there and return what it returns, or raise what it raises; waits as long as it takes."""
        return self.ask(nullcontext, name, args, options)

    def ask(
        self,
        watched: Callable[[Connection], AbstractContextManager[object]],
        name: str,
        args: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Any:
        """Do the same inside ``watched``, which may break the connection off; then it raises `EngineError`."""
        try:
            with (
                closing(_connection(socket.create_connection(("127.0.0.1", self.port)))) as connection,
                watched(connection),
            ):
                _greet(connection, self.key, first=False)
                connection.send((name, args, options))
                succeeded, value = connection.recv()
        except (OSError, EOFError) as error:
            raise EngineError(
                f"asking the process that owns this run ({name})", str(error) or "it is gone", "See how it ended."
            ) from None
        if succeeded:
            return value
        raise value


class Server:
    """Answer calls of some functions from other processes, each in a thread of its own; nothing is loaded before the first."""

    def __init__(self, functions: Mapping[str, Callable[..., object]]) -> None:
        self._functions = dict(functions)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._stopping = False
        self.line = Line(self._socket.getsockname()[1], secrets.token_bytes(32))
        self._thread = threading.Thread(target=self._listen, name="multiarch-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more calls; those that are being answered go on."""
        self._stopping = True
        with suppress(OSError):
            # Closing a socket wakes nobody who waits at it, a visitor does.
            socket.create_connection(("127.0.0.1", self.line.port), timeout=_HANDSHAKE).close()
        self._thread.join(_HANDSHAKE)
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            if self._stopping:
                visitor.close()
                return
            threading.Thread(target=self._answer, args=(visitor,), name="multiarch-answer", daemon=True).start()

    def _answer(self, visitor: socket.socket) -> None:
        from pickle import PicklingError

        # Whoever hangs up or does not know the key gets no answer.
        with suppress(OSError, EOFError), closing(_connection(visitor)) as connection:
            _greet(connection, self.line.key, first=True)
            name, args, options = connection.recv()
            try:
                answer = (True, self._functions[name](*args, **options))
            except Exception as error:  # it is raised again where it was asked for
                answer = (False, error)
            try:
                connection.send(answer)
            except (PicklingError, TypeError, AttributeError) as error:  # what pickle says of what it cannot take
                connection.send((False, EngineError(f"answering {name}", f"{answer[1]!r} does not cross: {error}")))


def _connection(raw: socket.socket) -> Connection:
    from multiprocessing.connection import Connection

    raw.settimeout(None)  # a timeout makes the descriptor non-blocking, which a connection does not expect
    # A connection writes a message in two parts: the second would wait until the other side has said that it has the first.
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(raw.detach())


def _greet(connection: Connection, key: bytes, *, first: bool) -> None:
    """Prove to each other that both know the key, which is never sent. Raises EOFError where one does not."""
    from multiprocessing import AuthenticationError
    from multiprocessing.connection import answer_challenge, deliver_challenge

    try:
        if first:
            deliver_challenge(connection, key)
        if not connection.poll(_HANDSHAKE):
            raise EOFError("no answer")
        answer_challenge(connection, key)
        if not first:
            deliver_challenge(connection, key)
    except AuthenticationError as error:
        raise EOFError(str(error)) from None


class RemoteWorkshop:
    """Ask the workshop of another process. Implements `Workshop`."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._open: set[Connection] = set()
        self._left = False
        self._lock = threading.Lock()

    @staticmethod
    def functions_of(workshop: Callable[[], Workshop]) -> dict[str, Callable[..., object]]:
        """Return what a `Server` has to answer with, for a workshop that is made at the first call."""

        def function(name: str) -> Callable[..., object]:
            return lambda *args, **options: getattr(workshop(), name)(*args, **options)

        return {name: function(name) for name in _CALLS}

    def check(self, *, builds: bool, runs: bool, image: str = "") -> str:
        """Let it look for what the run needs, and return the version of buildx that it has found."""
        return str(self._call("check", builds=builds, runs=runs, image=image))

    def start(self) -> None:
        """Let it start registry and builder."""
        self._call("start")

    def registry(self) -> Registry:
        """Return the run's registry."""
        registry: Registry = self._call("registry")
        return registry

    def builder(self) -> Builder:
        """Return the run's builder."""
        builder: Builder = self._call("builder")
        return builder

    def build(self, spec: BuildSpec, platforms: Sequence[Platform], first: Sequence[Platform] | None = None) -> str:
        """Let it build."""
        return str(self._call("build", spec, tuple(platforms), None if first is None else tuple(first)))

    def built(self, name: str, platform: Platform) -> BuiltPlatform:
        """Return what one platform's build has pushed."""
        built: BuiltPlatform = self._call("built", name, platform)
        return built

    def index(self, name: str) -> str:
        """Return the digest of a build's index."""
        return str(self._call("index", name))

    def bring(self, name: str, platforms: Sequence[Platform]) -> None:
        """Let it pull platforms of a build as they come."""
        self._call("bring", name, tuple(platforms))

    def end_building(self) -> None:
        """Tell it that nothing else will be built."""
        self._call("end_building")

    def fetch(self, reference: str, platform: Platform) -> None:
        """Let it pull an image."""
        self._call("fetch", reference, platform)

    def copied(self, layout: LayoutLocation, image: Reference, platform: Platform) -> Reference:
        """Let it copy a platform of a layout, and return where to."""
        reference: Reference = self._call("copied", layout, image, platform)
        return reference

    def layers(self) -> Path:
        """Return the folder in which it keeps unpacked layers."""
        folder: Path = self._call("layers")
        return folder

    def leave(self) -> None:
        """Ask nothing more, and break off what is waited for: a thread that waits for a build would hold up this process's end."""
        with self._lock:
            self._left = True
            for connection in self._open:
                with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
                    same.shutdown(socket.SHUT_RDWR)

    def adopt(self, folder: Path) -> None:
        """Let it close this process's book, should this process not live to do so."""
        self._call("adopt", folder)

    def release(self, folder: Path) -> None:
        """Let it close this process's book; it is asked after `leave`, too."""
        self._line.call("release", folder)

    def _call(self, name: str, /, *args: Any, **options: Any) -> Any:
        return self._line.ask(self._watched, name, args, options)

    @contextmanager
    def _watched(self, connection: Connection) -> Iterator[None]:
        with self._lock:
            if self._left:
                raise EOFError("this process is about to end")
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
