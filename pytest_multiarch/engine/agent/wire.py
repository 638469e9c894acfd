"""What goes to and fro between this process and the agent: requests as bytes, its frames taken apart."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OUT, ERR, ENDED, REFUSED = 1, 2, 3, 4
_HEAD: Final = struct.Struct(">BxxxL")
_REQUEST_LIMIT: Final = 1024 * 1024  # as in agent.c, and so are the next two
_COUNT_LIMIT: Final = 10_000
_FRAME_LIMIT: Final = 65536


def request_bytes(argv: Sequence[str], env: Mapping[str, str]) -> bytes | None:
    """Return a command as the agent takes it; None where it is too large for it, or nothing that a process can be given."""
    texts = [*argv, *(f"{name}={value}" for name, value in env.items())]
    if not argv or len(argv) > _COUNT_LIMIT or len(env) > _COUNT_LIMIT or any("\0" in text for text in texts):
        return None
    if any(not name or "=" in name for name in env):
        return None  # what such names mean is for the daemon to say
    body = struct.pack(">LL", len(argv), len(env)) + b"".join(
        text.encode(errors="surrogateescape") + b"\0" for text in texts
    )
    return None if len(body) > _REQUEST_LIMIT else struct.pack(">L", len(body)) + body


def agent_frames(pieces: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Take the agent's frames out of what the daemon hands on of a container's outputs, until that ends.

    Raises EngineError: it is nothing that the agent writes.
    """
    pending = bytearray()
    for stream, data in pieces:
        if stream != OUT:
            raise _nonsense(f"output {stream}")  # the agent writes no second one; 3 is the daemon's own trouble
        pending += data
        while len(pending) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(pending)
            if not OUT <= kind <= REFUSED or size > _FRAME_LIMIT or (kind >= ENDED and size != 4):
                raise _nonsense(f"a frame of kind {kind} and {size} bytes")
            if len(pending) < _HEAD.size + size:
                break
            content = bytes(pending[_HEAD.size : _HEAD.size + size])
            del pending[: _HEAD.size + size]
            yield kind, content


def exit_code_of(status: bytes) -> int:
    """Return the exit code that ``docker exec`` would give for a wait status: 128 and the signal where one ended it."""
    number = int.from_bytes(status, "big")
    signal = number & 0x7F
    return 128 + signal if signal else number >> 8 & 0xFF


def _nonsense(found: str) -> EngineError:
    return EngineError("reading what the container's first process says", f"{found}, which it never writes")
