"""Digests: their grammar, and checking bytes against them as they come in.

Digests are kept as plain text, because they travel through URLs, JSON and xdist, and are validated where they come in.
Source: image-spec ``descriptor.md``, "Digests" and "Registered Algorithms".
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from pytest_multiarch.errors import DocumentError, IntegrityError

_REGISTERED: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_SHOWN: Final = 80
_OTHER_CONTENT: Final = "The registry, or a proxy before it, serves other content than was published"


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest of a registered algorithm: ``sha256`` or ``sha512``, lower-case hexadecimal."""
    return _REGISTERED.fullmatch(text) is not None


def check_digest(text: str) -> str:
    """Return the text if it is a digest that can be verified here.

    Raises DocumentError: another algorithm, the wrong length, or no digest at all.
    """
    if not is_digest(text):
        shown = repr(text[:_SHOWN])
        raise DocumentError(
            "read a digest", f"expected sha256: and 64 or sha512: and 128 lower-case hexadecimal digits, found {shown}"
        )
    return text


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of some bytes, ``algorithm:hex``."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class DigestChecker:
    """Check bytes that come in pieces against a digest and, where it is known, a size in bytes.

    ``what`` names the content in the error, for example ``layer sha256:… of docker.io/library/alpine``, ``hint`` says
    there what may have happened.
    """

    __slots__ = ("_digest", "_hash", "_hint", "_size", "_what", "seen")

    def __init__(self, what: str, digest: str, size: int | None = None, hint: str = _OTHER_CONTENT) -> None:
        self._hint = hint
        self._what = what
        self._digest = check_digest(digest)
        self._size = size
        self._hash = hashlib.new(digest.partition(":")[0])
        self.seen = 0

    def update(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises IntegrityError: more bytes than the descriptor promises; raised at once, so that nothing endless is read.
        """
        self.seen += len(chunk)
        if self._size is not None and self.seen > self._size:
            raise IntegrityError(
                f"read {self._what}",
                f"more than the {self._size} bytes that its descriptor says",
                self._hint,
            )
        self._hash.update(chunk)

    def finish(self) -> None:
        """Check what was seen, once all of it was.

        Raises IntegrityError: fewer bytes than promised, or another digest.
        """
        if self._size is not None and self.seen != self._size:
            raise IntegrityError(
                f"read {self._what}",
                f"{self.seen} bytes where its descriptor says {self._size}",
                self._hint,
            )
        found = f"{self._digest.partition(':')[0]}:{self._hash.hexdigest()}"
        if found != self._digest:
            raise IntegrityError(
                f"read {self._what}",
                f"content has digest {found}, expected {self._digest}",
                self._hint,
            )
