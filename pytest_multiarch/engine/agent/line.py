"""The line to the agent of one container: it takes one command at a time, and comes up again after a restart."""

from __future__ import annotations

import selectors
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from pytest_multiarch.engine.agent.wire import ENDED, ERR, agent_frames, exit_code_of, request_bytes
from pytest_multiarch.engine.revival import mark_of
from pytest_multiarch.engine.streams import connected, frames_of, is_plain, raw_socket, shut_down
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.streams import Exchange

_KILLED = 128 + 9


class AgentLine:
    """Run commands through the first process of a container. Thread-safe; to be closed.

    What it does not take, or what cannot be executed, is to be run by the daemon, whose own words then say why.
    """

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._socket: Any = None
        self._frames: Iterator[tuple[int, bytes]] = iter(())
        self._is_usable = True
        self._mark = ""

    def run(
        self, tried: str, argv: Sequence[str], env: Mapping[str, str], exchange: Exchange, stop: Callable[[], None]
    ) -> int | None:
        """Run a command and return its exit code; its outputs are in ``exchange``, which calls ``stop`` at a limit.

        None where nothing has been run. Raises EngineError and OSError: the line broke off.
        """
        request = request_bytes(argv, env)
        if request is None or not self._lock.acquire(blocking=False):
            return None
        try:
            if not self._is_up():
                return None
            answer = _Answer(self._frames, request, self._socket)
            # Where this ends by an error or a limit, nobody knows what else the agent has to say of this command.
            self._is_usable = False
            try:
                exchange.carry(self._socket, stop, answer.outputs())
            except OSError:
                if answer.is_sent:
                    raise
                return None  # the agent has not got all of it, and does nothing before it has
            if answer.last is None:
                return self._cut_off(tried, was_stopped=exchange.was_stopped)
            self._is_usable = True
            kind, content = answer.last
            return exit_code_of(content) if kind == ENDED else None
        finally:
            try:
                if not self._is_usable:
                    self._hang_up()
            finally:
                self._lock.release()

    def restarted(self) -> None:
        """Take note that the container has been started again, and the agent with it."""
        with self._lock:
            self._hang_up()
            self._is_usable = True

    def close(self) -> None:
        """Hang up; nothing is run any more, and a command that runs in another thread is not waited for."""
        socket = self._socket
        if socket is not None:
            with suppress(OSError):
                shut_down(socket)
        with self._lock:
            self._is_usable = False
            self._hang_up()

    def _is_up(self) -> bool:
        """Connect where that has not been done, and say whether there is somebody to speak to."""
        if not self._is_usable:
            return False
        if self._socket is not None and not _is_silent(self._socket):
            self._hang_up()  # nothing was asked: it is the end of the line, such as of a daemon that was restarted
        if self._socket is not None:
            return True
        from docker.errors import APIError

        api = self._engine.api
        with ExitStack() as opened:
            try:
                attached = api.attach_socket(self._container, {"stdin": 1, "stdout": 1, "stream": 1})
            except APIError:  # it is gone, or a proxy before the daemon does not let this through
                self._is_usable = False
                return False
            socket = opened.enter_context(connected(attached))
            # TLS and ssh have sockets of their own kinds, which cannot be asked whether there is something to read.
            self._is_usable = is_plain(socket)
            # The daemon attaches to what does not run, too, for the time when it will.
            if not self._is_usable or not api.inspect_container(self._container)["State"]["Running"]:
                return False
            self._mark = mark_of(self._engine)
            self._open = opened.pop_all()
        self._socket, self._frames = socket, agent_frames(frames_of(socket))
        self._engine.lend(self)
        return True

    def _cut_off(self, tried: str, *, was_stopped: bool) -> int:
        """Return how a command ended that the agent does not tell of any more: with the container, by the kernel.

        Raises EngineError: it has ended with the daemon, or goes on unheard.
        """
        if was_stopped:
            return _KILLED
        is_running = self._engine.api.inspect_container(self._container)["State"]["Running"]
        was_restarted = mark_of(self._engine) != self._mark
        if is_running or was_restarted:
            why = "with the Docker daemon, which was restarted" if was_restarted else "and it still runs"
            raise EngineError(tried, f"the connection to the container broke off, {why}")
        return _KILLED

    def _hang_up(self) -> None:
        self._engine.take_back(self)
        self._socket, self._frames = None, iter(())
        with suppress(OSError):
            self._open.close()


class _Answer:
    """Send a request and give what comes of it: outputs, and then ``last``, which stays None where that never comes."""

    def __init__(self, frames: Iterator[tuple[int, bytes]], request: bytes, socket: Any) -> None:
        self._frames = frames
        self._request = request
        self._socket = socket
        self.is_sent = False
        self.last: tuple[int, bytes] | None = None

    def outputs(self) -> Iterator[tuple[int, bytes]]:
        """Yield what the command writes, as it comes."""
        # Sent while the limit is running: a container that is paused reads nothing.
        raw_socket(self._socket).sendall(self._request)
        self.is_sent = True
        for kind, content in self._frames:
            if kind > ERR:
                self.last = kind, content
                return
            yield kind, content


def _is_silent(socket: Any) -> bool:
    """Say whether there is nothing to read, not even the end."""
    with selectors.DefaultSelector() as selector:
        selector.register(raw_socket(socket), selectors.EVENT_READ)
        return not selector.select(0)
