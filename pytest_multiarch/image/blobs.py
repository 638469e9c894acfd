"""Reading a blob from a registry, with broken connections taken up again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import requests

from pytest_multiarch.errors import RegistryError
from pytest_multiarch.image.checked import CheckedBlob
from pytest_multiarch.image.responses import CHUNK, is_cut
from pytest_multiarch.image.transport import BROKEN_CONNECTION, reason
from pytest_multiarch.oci import DigestChecker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.transport import Limits
    from pytest_multiarch.oci import Descriptor

Opener = Callable[[int], requests.Response]
"""Ask for the blob from a byte on. The response may start there (206) or at the beginning (200)."""


class BlobStream(CheckedBlob):
    """Read a blob from a registry. A context manager that ends the connection.

    A connection that breaks is taken up where it broke (RFC 9110, section 14.2), a bounded number of times; a registry that
    does not know ranges sends the blob again and what was seen is passed over. See `CheckedBlob`.

    Raises RegistryError where the connection is lost for good.
    """

    def __init__(self, tried: str, descriptor: Descriptor, open_at: Opener, limits: Limits) -> None:
        super().__init__(DigestChecker(tried.removeprefix("read "), descriptor.digest, descriptor.size))
        self._tried = tried
        self._open_at = open_at
        self._limits = limits
        self._size = descriptor.size
        self._response: requests.Response | None = open_at(0)

    def _release(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _received(self) -> Iterator[bytes]:
        """Yield what comes, over as many connections as it takes."""
        broken = 0
        skip = 0
        while True:
            cause = "connection closed too early"
            try:
                for chunk in self._body():
                    passed = min(skip, len(chunk))
                    skip -= passed
                    if passed < len(chunk):
                        yield chunk[passed:]
            except BROKEN_CONNECTION as error:
                cause = reason(error, self._limits)
            else:
                if self._response is None or not is_cut(self._response):
                    return
            broken += 1
            if broken >= self._limits.attempts:
                raise RegistryError(self._tried, f"{cause}, after {self._checker.seen} of {self._size} bytes")
            skip = self._reopen()

    def _body(self) -> Iterator[bytes]:
        if self._response is None:
            raise ValueError("the blob is closed")
        return iter(self._response.raw.stream(CHUNK, decode_content=False))

    def _reopen(self) -> int:
        """Ask for the rest and return how many bytes of the answer are known already."""
        if self._response is not None:
            self._response.close()
        self._response = response = self._open_at(self._checker.seen)
        if response.status_code != 206:
            return self._checker.seen
        start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if start != str(self._checker.seen):
            raise RegistryError(self._tried, "the registry continues at another byte than it was asked to", status=206)
        return 0
