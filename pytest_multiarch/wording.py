"""Text from elsewhere made fit to be shown: what a terminal obeys becomes visible, what only its owner may know is left out.

What an image, a registry, a daemon or a build says is data. It stays what it is in values; here it becomes part of a report.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_HIDDEN: Final = "***"
_SHORTEST_SECRET: Final = 4  # characters; leaving out every shorter text would leave nothing to read
_SUSPECT: Final = re.compile(r"[^\n\t\x20-\x7e]")


def shown(text: str) -> str:
    """Return text as a report may show it: neutral, and without credentials that can be told by their form."""
    return neutral(without_credentials(text))


def neutral(text: str) -> str:
    r"""Return text that moves no cursor, paints nothing and turns no direction: such characters become ``\x1b`` and the like.

    Line ends and tabs stay.
    """
    return _SUSPECT.sub(_visible, text.replace("\r\n", "\n"))


def without_credentials(text: str) -> str:
    """Return text without user names and passwords in URLs, ``Authorization`` headers, and tokens and signatures in queries."""
    for pattern, replacement in _secrets():
        text = pattern.sub(replacement, text)
    return text


def without(text: str, secrets: Iterable[str]) -> str:
    """Return text with these secrets left out, the longest first; what is too short to be one stays."""
    for secret in sorted({one for one in secrets if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text


@cache
def _secrets() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return what credentials look like, and what is shown of them. Compiled late: every run of pytest loads this module."""
    return (
        # RFC 3986, 3.2.1: what stands before the host. Of ssh and git a name alone is none. It has no brackets, which stand for
        # what may be left out where a form is told.
        (re.compile(r"(https?://)[^\s/@\"']+@", re.IGNORECASE), rf"\1{_HIDDEN}@"),
        # A scheme is looked for no further back than that: in a long word without one each letter would be where one might begin.
        (re.compile(r"([a-z][a-z0-9+.-]{0,30}://)[^\s/@:\"'\[\]]*:[^\s/@\"'\[\]]*@", re.IGNORECASE), rf"\1{_HIDDEN}@"),
        # RFC 9110, 11.6.2, wherever it is quoted; and Docker's own header, which is base64 of credentials.
        (
            re.compile(r"\b(authorization[\"']?\s*[:=]\s*[\"'\[]*[a-z]+)\s+[^\s\"',\]]+", re.IGNORECASE),
            rf"\1 {_HIDDEN}",
        ),
        (re.compile(r"\b(bearer|basic)\s+[a-z0-9._~+/-]{16,}=*", re.IGNORECASE), rf"\1 {_HIDDEN}"),
        (re.compile(r"\b(x-registry-(?:auth|config)[\"']?\s*[:=]\s*[\"']?)[^\s\"',]+", re.IGNORECASE), rf"\1{_HIDDEN}"),
        # Tokens and signatures in a query, as registries redirect to for blobs.
        (
            re.compile(
                r"([?&](?:[a-z0-9_-]*(?:token|signature|credential|password|passwd|secret|api_?key)|sig|auth|key)=)[^&\s\"'<>#]+",
                re.IGNORECASE,
            ),
            rf"\1{_HIDDEN}",
        ),
        # What a docker configuration or a token service's answer holds (the names are theirs).
        (
            re.compile(
                r"(\"(?:auth|password|identitytoken|registrytoken|token|access_token|refresh_token)\"\s*:\s*\")[^\"]+",
                re.IGNORECASE,
            ),
            rf"\1{_HIDDEN}",
        ),
    )


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")
