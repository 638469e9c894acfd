"""Find the URL at which this process reaches the throwaway registry, which listens on the daemon's loopback interface only.

Most often that is this machine's. In a container beside the daemon, or with a daemon on another machine, it is not: then the
container's own address may do, and else a relay through the daemon's API.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.engine.faults import plain, translated
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.image.credentials import Credentials

PORT_INSIDE = 5000
_CONNECT_LIMIT = 2.0  # seconds: an address that leads nowhere may also just swallow what is sent there
_ANSWER_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class Lock:
    """Hold what opens the registry, and the realm by which it is known: other programs may listen where it is looked for."""

    credentials: Credentials = field(repr=False)
    realm: str

    @classmethod
    def of(cls, credentials: Credentials) -> Lock:
        """Return the lock that goes by these credentials: a hash of a long random password gives nothing of it away."""
        return cls(credentials, f"pytest-multiarch {hashlib.sha256(credentials.secret.encode()).hexdigest()[:16]}")


def find_url(
    engine: Engine,
    container: str,
    port: int,
    lock: Lock,
    *,
    guess: Callable[[], str] = lambda: "",
    limit: float = 60,
) -> str:
    """Wait until the registry is up and return a URL at which it answers this process.

    ``port`` is the one on the daemon's loopback; where this machine's is another, ``guess`` gives a host to look for it at, or
    nothing; ``limit`` is in seconds. Raises `EngineError`, with the container's log where it does not come up.
    """
    near = f"http://127.0.0.1:{port}"
    tried = f"reaching the throwaway registry at {near}"
    deadline = time.monotonic() + limit
    is_up = False
    while not is_up:
        answer = ask(near, lock)
        if not answer:
            return near
        with translated(tried):
            state = engine.api.inspect_container(container)["State"]
        if not state["Running"] or time.monotonic() > deadline:
            ended = f"its container ended with exit code {state['ExitCode']}"
            log = engine.api.logs(container, tail=15).decode(errors="replace")
            raise EngineError(tried, answer if state["Running"] else ended, "The registry's log ends with:", log)
        is_up = not engine.can_reach(f"localhost:{port}", lock.credentials)
        if not is_up:
            time.sleep(0.02)  # between two looks at the condition
    # It is up, says the daemon. So loopback is no way there, unless it came up between the two looks.
    if not ask(near, lock):
        return near
    host = guess()
    for url in [*([f"http://{host}:{port}"] if host else []), *_own_addresses(engine, container)]:
        if not ask(url, lock):
            return url
    return _relayed_url(engine, container, lock)


def ask(url: str, lock: Lock) -> str:
    """Ask for the API's root and return what is wrong with the answer; empty when it is right.

    First without the credentials: they are for the registry alone, which is known by its realm.
    """
    import requests

    try:
        # A session that trusts no environment: a proxy or a .netrc must not come between this process and loopback.
        with requests.Session() as session:
            session.trust_env = False
            limits = (_CONNECT_LIMIT, _ANSWER_LIMIT)
            answer = session.get(f"{url}/v2/", timeout=limits, allow_redirects=False)
            if f'"{lock.realm}"' not in answer.headers.get("WWW-Authenticate", ""):
                return f"HTTP {answer.status_code} of another server"
            login = (lock.credentials.username, lock.credentials.secret)
            answer = session.get(f"{url}/v2/", auth=login, timeout=limits, allow_redirects=False)
    except requests.RequestException as error:
        return plain(error)
    return "" if answer.status_code == requests.codes.ok else f"HTTP {answer.status_code}"


def _own_addresses(engine: Engine, container: str) -> list[str]:
    """Return the container's own URLs, which a container beside it on the same network reaches; of another machine none."""
    if engine.is_elsewhere:
        return []
    with translated(f"asking for the addresses of {container}"):
        networks = engine.api.inspect_container(container)["NetworkSettings"]["Networks"] or {}
    addresses = [network.get("IPAddress") for network in networks.values()]
    return [f"http://{address}:{PORT_INSIDE}" for address in addresses if address]


def _relayed_url(engine: Engine, container: str, lock: Lock) -> str:
    relay = engine.relay(container, PORT_INSIDE)
    answer = ask(relay.url, lock)
    if answer:
        raise EngineError(
            f"reaching the throwaway registry in {container} through the daemon's API",
            relay.said or answer,
            "No network leads there from here, so the registry's image has to have nc, as the official ones do: "
            "name such an image with --multiarch-registry-image.",
        )
    return relay.url
