"""A blob's content as it comes, from wherever it comes, checked against digest and size when its last byte is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.oci import DigestChecker


class CheckedBlob(ABC):
    """Yield a blob's bytes; iterate it, or ``read`` it like a file. A context manager that lets go of where they come from.

    Whoever stops before the last byte, for example at a tar archive's end mark, calls ``finish`` to have all of it
    checked. Implements `pytest_multiarch.image.source.BlobReader`.

    Raises IntegrityError where the content is not what ``checker`` expects; else what ``_received`` raises.
    """

    def __init__(self, checker: DigestChecker) -> None:
        self._checker = checker
        self._chunks = self._checked()
        self._rest = b""

    @abstractmethod
    def _received(self) -> Iterator[bytes]:
        """Yield the content in pieces, none of them empty."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of where the content comes from; called once or more often."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        if self._rest:
            rest, self._rest = self._rest, b""
            yield rest
        yield from self._chunks

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, fewer at the end only, all that is left where it is negative."""
        pieces = [self._rest]
        have = len(self._rest)
        while size < 0 or have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            pieces.append(chunk)
            have += len(chunk)
        data = b"".join(pieces)
        cut = len(data) if size < 0 else size
        self._rest = data[cut:]
        return data[:cut]

    def finish(self) -> None:
        """Read what is left without keeping it, so that everything has been checked."""
        self._rest = b""
        for _ in self._chunks:
            pass

    def close(self) -> None:
        """Let go of where the content comes from; nothing more is read."""
        self._chunks.close()
        self._release()

    def _checked(self) -> Generator[bytes, None, None]:
        for chunk in self._received():
            self._checker.update(chunk)
            yield chunk
        self._checker.finish()
