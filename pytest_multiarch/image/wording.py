"""Text from outside, made fit to be shown: registries choose their words, and a terminal obeys some of them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_LONGEST: Final = 300


def plain(text: str, limit: int = _LONGEST) -> str:
    """Return text on one line, at most ``limit`` characters, without control characters and direction marks."""
    words = " ".join(text[: limit * 4].split())
    shown = words
    if not words.isprintable():  # looked at as a whole first: paths are made fit to be shown by the ten thousand
        shown = "".join(character if character.isprintable() else "\ufffd" for character in words)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def plain_url(url: str) -> str:
    """Return scheme, host, port and path of a URL: user and query may hold passwords and signatures."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "a URL that cannot be read"
    return plain(f"{parts.scheme}://{host}{parts.path}")
