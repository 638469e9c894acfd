"""An attached command's streams: its input is fed while its outputs are read, for as long as its limits allow."""

from __future__ import annotations

import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_multiarch.errors import CommandTimeout, EngineError, OutputTooLarge
from pytest_multiarch.outputs import OutputWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OUTPUT_LIMIT: Final = 1024 * 1024 * 1024
"""Bytes that one command may write to both outputs together; one that writes more is stopped."""
_SHOWN: Final = 4000
_GRACE: Final = 10.0  # seconds in which a stopped command's streams end


class Exchange:
    """Feed a command and collect what it writes.

    ``limit`` is in seconds, ``stdin`` None where it gets no input. With ``tty`` both outputs are one, which is kept as ``out``.
    """

    def __init__(
        self, limit: float, stdin: bytes | None = None, output_limit: int = OUTPUT_LIMIT, *, tty: bool = False
    ) -> None:
        self._limit = limit
        self._stdin = stdin
        self._output_limit = output_limit
        self._take_apart = _unframed if tty else _frames
        self._writers = {1: OutputWriter(), 2: OutputWriter()}
        self._seconds = 0.0
        self._lock = threading.Lock()
        self._over: Literal["", "ended", "overdue", "flooded"] = ""
        self._ended = threading.Event()
        self._trouble: EngineError | None = None

    def carry(self, socket: Any, stop: Callable[[], None], pieces: Iterator[tuple[int, bytes]] | None = None) -> None:
        """Feed and read until the command's streams end; call ``stop`` once when a limit passes, and go on to the end.

        ``pieces`` are what the command writes, stream by stream, where more than that goes over the connection.
        Raises OSError: the connection broke off.
        """
        started = time.monotonic()
        pieces = pieces if pieces is not None else self._take_apart(_reader(socket))
        timer = threading.Timer(self._limit, self._time_is_up, (socket, stop))
        stopper = threading.Thread(target=self._stop, args=(socket, stop), daemon=True)
        feeder = threading.Thread(target=_feed, args=(socket, self._stdin), daemon=True)
        timer.daemon = True
        timer.start()
        if self._stdin is not None:
            feeder.start()
        try:
            for stream, data in pieces:
                # Stream 3 is the daemon's own: why there is no more (moby/moby pkg/stdcopy, Systemerr).
                if not self._keep(self._writers.get(stream, self._writers[2]), data) and self._is_first("flooded"):
                    stopper.start()
        except OSError:
            if not self._over:
                raise
        finally:
            self._ended.set()
            timer.cancel()
            # A timer that has not fired is not waited for: on a busy machine that takes longer than a short command.
            if not self._is_first("ended"):
                (stopper if self._over == "flooded" else timer).join()
            if self._stdin is not None:
                with suppress(OSError):
                    shut_down(socket)  # the feeder may hang in a write that nobody reads any more
                feeder.join()
            self._seconds = time.monotonic() - started
            self.out, self.err = self._writers[1].finish(), self._writers[2].finish()

    @property
    def was_stopped(self) -> bool:
        """Say whether a limit has passed."""
        return self._over in ("overdue", "flooded")

    def check(self, tried: str, stopped: str = "") -> None:
        """Raise where the command had to be stopped, with its output so far; ``stopped`` is what that has done.

        Raises CommandTimeout: it took too long. Raises OutputTooLarge: it wrote too much.
        """
        if self._over == "ended":
            return
        after = f"It could not be stopped: {self._trouble.headline}." if self._trouble is not None else stopped
        so_far = self.out.shown(_SHOWN) + self.err.shown(_SHOWN)
        if self._over == "flooded":
            raise OutputTooLarge(
                tried,
                f"it wrote more than {self._output_limit} bytes",
                " ".join(["Let it write to a file, or less.", *filter(None, [after]), "Its output, in short:"]),
                so_far,
            )
        raise CommandTimeout(
            tried,
            f"no end within {self._seconds:.0f} s",
            " ".join(
                [
                    "Give it more time with timeout=…, or --multiarch-command-timeout for all commands.",
                    *filter(None, [after]),
                    "Its output so far:",
                ]
            ),
            so_far,
        )

    def _is_first(self, over: Literal["ended", "overdue", "flooded"]) -> bool:
        """Note why this is over, and say whether nothing else was before."""
        with self._lock:
            if self._over:
                return False
            self._over = over
            return True

    def _keep(self, writer: OutputWriter, data: bytes) -> bool:
        """Keep what there is room for, and say whether that was all."""
        left = self._output_limit - self._writers[1].size - self._writers[2].size
        writer.write(data[:left])
        return len(data) <= left

    def _time_is_up(self, socket: Any, stop: Callable[[], None]) -> None:
        if self._is_first("overdue"):
            self._stop(socket, stop)

    def _stop(self, socket: Any, stop: Callable[[], None]) -> None:
        try:
            stop()
        except EngineError as error:  # it has ended by itself, or the daemon does not answer
            self._trouble = error
        # What has been stopped closes its streams; where the daemon does not notice, there is nothing more to read.
        if self._trouble is not None or not self._ended.wait(_GRACE):
            with suppress(OSError):
                shut_down(socket)


@contextmanager
def connected(socket: Any) -> Iterator[Any]:
    """Close what the SDK hands out for an attached connection."""
    try:
        yield socket
    finally:
        # Over a Unix socket the SDK hands out the file below its HTTP response; closed in the other order, the response
        # trips over its closed file (docker/docker-py#3229).
        response = getattr(socket, "_response", None)
        if response is not None:
            response.close()
        socket.close()


def frames_of(socket: Any) -> Iterator[tuple[int, bytes]]:
    """Give what comes over an attached connection, stream by stream, until it ends. Raises OSError: it broke off."""
    reader = _reader(socket)
    try:
        yield from _frames(reader)
    finally:
        if getattr(socket, "_response", None) is None:  # else it is the response's, which closes it
            reader.close()


def _reader(socket: Any) -> Any:
    """Return the file to read an attached socket from.

    The head of the daemon's answer was read through a buffer, and output that came along with it is in there: the SDK's own
    functions read past that buffer, and lose it.
    """
    raw_socket(socket).settimeout(None)  # a command may be silent for as long as its own limit allows
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


def _unframed(reader: Any) -> Iterator[tuple[int, bytes]]:
    """Take what comes from a terminal as it is: it has one stream, and the daemon puts no frames around it (Engine API, attach)."""
    while data := reader.read1(65536):
        yield 1, data


def check_takes_input(socket: Any, tried: str) -> None:
    """Raise EngineError where the connection cannot say that the input ends: TLS and ssh close both ways at once."""
    if not is_plain(socket):
        raise EngineError(
            tried,
            "the connection to the daemon cannot end a command's input",
            "Without stdin=: put the input into the container as a file, and let a shell read it from there.",
        )


def is_plain(socket: Any) -> bool:
    """Say whether an attached connection is a socket of the system's, and not one of TLS, or a program as for ssh."""
    import socket as sockets
    import ssl

    raw = raw_socket(socket)
    return isinstance(raw, sockets.socket) and not isinstance(raw, ssl.SSLSocket) and not hasattr(raw, "proc")


def _feed(socket: Any, data: bytes) -> None:
    import socket as sockets

    with suppress(OSError):  # it has ended, or reads no further: as a shell's pipe would have it
        raw_socket(socket).sendall(data)
        raw_socket(socket).shutdown(sockets.SHUT_WR)


def raw_socket(socket: Any) -> Any:
    """Return the socket below what the SDK hands out for an attached connection."""
    return getattr(socket, "_sock", socket)


def shut_down(socket: Any) -> None:
    """End an attached connection both ways, so that whoever reads from it goes on. Raises OSError: it has ended."""
    import socket as sockets

    raw_socket(socket).shutdown(sockets.SHUT_RDWR)
