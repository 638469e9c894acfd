"""The mirrors of Docker Hub that the daemon names: base images are read through them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.image.wording import plain, plain_url

if TYPE_CHECKING:
    from pytest_multiarch.engine.docker import Engine

_LIMIT = 5.0  # seconds


def check_mirrors(engine: Engine) -> Check:
    """Say which mirrors there are, and whether they answer this process; the builder asks them, too."""
    mirrors = engine.facts.mirrors
    if not mirrors:
        return Check("mirrors", "ok", "none: Docker Hub itself is asked", facts={"mirrors": {}})
    found = {}
    for url in mirrors:
        on_loopback = (urlsplit(url).hostname or "").startswith(("127.", "localhost"))
        # Another machine's loopback is not to be reached from here, and need not be.
        found[plain_url(url)] = "" if engine.is_elsewhere and on_loopback else _ask(url)
    silent = [f"{url} ({said})" for url, said in found.items() if said]
    facts = {"mirrors": {url: not said for url, said in found.items()}}
    if not silent:
        return Check("mirrors", "ok", ", ".join(found), facts=facts)
    return Check(
        "mirrors",
        "warning",
        f"no answer from {', '.join(silent)}",
        "Each pull of an official image waits for it first: start it, or take it out of the daemon's registry-mirrors.",
        facts,
    )


def _ask(url: str) -> str:
    """Return what is wrong with a mirror's answer; that it wants a login is an answer."""
    import requests

    try:
        status = requests.get(f"{url}/v2/", timeout=_LIMIT).status_code
    except requests.RequestException as error:
        # Its text would show the URL, and what may stand in it.
        return plain(type(error).__name__)
    return "" if status in (200, 401) else f"HTTP {status}"
