"""One Docker daemon, behind our errors: the few calls of the SDK that everything else is made of."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pytest_multiarch.engine.addresses import address_of, knock, make_client, own_pointers, pointers_of, sdk_arguments
from pytest_multiarch.engine.breaking_off import broken_off
from pytest_multiarch.engine.facts import read_facts
from pytest_multiarch.engine.faults import plain, translated
from pytest_multiarch.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from docker import APIClient

    from pytest_multiarch.engine.facts import DaemonFacts
    from pytest_multiarch.engine.patience import Patience
    from pytest_multiarch.engine.relay import Relay
    from pytest_multiarch.image.credentials import Credentials
    from pytest_multiarch.platforms import Platform


class Closeable(Protocol):
    """What is to be closed."""

    def close(self) -> None:
        """Close it; once more does nothing."""


# `platform` at container creation came with API 1.41 (Engine 20.10).
MINIMUM_API = (1, 41)


class Engine:
    """Talk to one Docker daemon. Safe to use from several threads: the SDK's session is a pool of connections."""

    def __init__(
        self,
        client: APIClient,
        facts: DaemonFacts,
        environ: Mapping[str, str],
        address: str = "unix:///var/run/docker.sock",
    ) -> None:
        self.api = client
        self.facts = facts
        self.environ = environ
        """The variables that lead any docker client to this same daemon."""
        self.address = address
        """Where the daemon listens, as ``DOCKER_HOST`` says it."""
        self._lent: dict[int, Closeable] = {}
        self.endpoint = ""
        """Which node of the run this is; empty for its main daemon."""

    @classmethod
    def connect(
        cls, environ: Mapping[str, str] | None = None, *, timeout: float = 60, patience: Patience | None = None
    ) -> Engine:
        """Connect where the docker client would: ``DOCKER_HOST``, else the current context, else the default socket.

        ``environ`` stands in for all of this with what another `Engine` has as its own: the daemon of another run, the default
        context's where it is empty, whichever context is current by now. ``patience`` waits for the daemon should it go away
        later. Raises `EngineUnavailable` where nothing answers or what answers is too old.
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        where = "the Docker daemon"
        try:
            pointers = own_pointers() if environ is None else pointers_of(environ)
            arguments = sdk_arguments(pointers)
            where = f"the Docker daemon at {address_of(arguments)}"
            # Where nobody listens at a socket, the SDK would leave its own open.
            knock(address_of(arguments))
            # Not version="auto": where nothing answers, the SDK would leave its connections open.
            with closing(make_client(arguments, timeout, ".".join(map(str, MINIMUM_API)))) as probe:
                version = probe.version(api_version=False)
        except (DockerException, RequestException, OSError) as error:
            raise _unavailable(where, error) from None
        api_version = str(version.get("ApiVersion", "0.0"))
        if _numbers(api_version) < MINIMUM_API:
            raise EngineUnavailable(
                f"connecting to {where}",
                f"Engine {version.get('Version', 'unknown')} with API {api_version} is too old",
                f"API {'.'.join(map(str, MINIMUM_API))} (Engine 20.10) or newer is needed; upgrade Docker Engine.",
            )
        client = make_client(arguments, timeout, api_version, patience)
        try:
            return cls(client, read_facts(version, client.info()), pointers, address_of(arguments))
        except (DockerException, RequestException, OSError) as error:
            client.close()
            raise _unavailable(where, error) from None

    @classmethod
    def at(cls, endpoint: str, *, timeout: float = 60, patience: Patience | None = None) -> Engine:
        """Connect to a node: an address such as ``ssh://host`` or ``unix:///path``, or the name of a docker context.

        Raises `EngineUnavailable`.
        """
        environ = {"DOCKER_HOST" if "://" in endpoint else "DOCKER_CONTEXT": endpoint}
        engine = cls.connect(environ, timeout=timeout, patience=patience)
        engine.endpoint = endpoint
        return engine

    @property
    def shares_kernel(self) -> bool:
        """Say whether the daemon runs on this process's own kernel, and not in a virtual machine or on another machine."""
        mine = os.uname()
        is_local = self.address.startswith("unix://")
        return is_local and (self.facts.kernel, self.facts.host) == (mine.release, mine.nodename)

    @property
    def is_elsewhere(self) -> bool:
        """Say whether the daemon is reached over a network, so that its loopback interface is another machine's."""
        parts = urlsplit(self.address)
        if parts.scheme in ("tcp", "http", "https"):
            host = parts.hostname or ""
            return host not in ("localhost", "::1") and not host.startswith("127.")
        return parts.scheme == "ssh"

    def relay(self, container: str, port: int) -> Relay:
        """Return a way to a port inside a container, through the daemon's API; it is closed with this connection."""
        from pytest_multiarch.engine.relay import Relay

        relay = Relay(container, port, self.environ)
        self.lend(relay)
        return relay

    def lend(self, what: Closeable) -> None:
        """Close something with this connection, which it needs, unless it is taken back before."""
        self._lent[id(what)] = what

    def take_back(self, what: Closeable) -> None:
        """Let something be closed by whoever has it."""
        self._lent.pop(id(what), None)

    def close(self) -> None:
        """Close the connections."""
        while self._lent:
            self._lent.popitem()[1].close()
        self.api.close()

    def has_image(self, reference: str) -> bool:
        """Say whether the daemon's image store has this reference."""
        from docker.errors import NotFound

        with translated(f"looking for the image {reference}"):
            try:
                self.api.inspect_image(reference)  # type: ignore[no-untyped-call]  # a gap in types-docker
            except NotFound:
                return False
        return True

    def tag(self, reference: str, name: str) -> None:
        """Give an image that the daemon has one more name, ``repository:tag``. Raises `EngineError`."""
        repository, _, tag = name.rpartition(":")
        with translated(f"naming the image {reference} {name}"):
            self.api.tag(reference, repository, tag)

    def pull(
        self,
        reference: str,
        *,
        platform: Platform | None = None,
        credentials: Credentials | None = None,
        limit: float = 600,
        stopping: threading.Event | None = None,
    ) -> None:
        """Pull an image. ``limit`` is in seconds; setting ``stopping`` ends it early.

        Reads the stream itself: the SDK's own ``images.pull`` drops errors in it (docker/docker-py#2286), and a failed
        pull could then hand back yesterday's image. Raises `EngineError`.
        """
        tried = f"pulling {reference}" + (f" for {platform}" if platform is not None else "")
        deadline = time.monotonic() + limit
        problem = ""
        with translated(tried), broken_off(self.api, stopping):
            stream = self.api.pull(
                reference,
                stream=True,
                decode=True,
                platform=str(platform) if platform is not None else None,
                # An empty dict keeps the SDK from looking for credentials by itself: ours were read as the client does.
                auth_config=auth_config(credentials) if credentials is not None else {},
            )
            # Read to its end also after an error, which is its last line but one: an unread rest keeps the socket open.
            for line in stream:
                problem = line.get("error", problem)
                if time.monotonic() > deadline:
                    raise EngineError(tried, f"not there after {limit:.0f} s", "Check the registry and the network.")
        if problem:
            raise EngineError(tried, plain(problem), "Check the reference, and that the daemon may read it.")

    def can_reach(self, registry: str, credentials: Credentials) -> str:
        """Let the daemon itself log in to a registry and return what it objects to; empty when it can.

        The daemon makes the request (`POST /auth`), so this shows that the address works from where it runs. Nothing is stored.
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            self.api.login(credentials.username, credentials.secret, registry=registry, reauth=True)
        except (DockerException, RequestException) as error:
            return plain(error)
        return ""


def auth_config(credentials: Credentials) -> dict[str, str]:
    """Return credentials as the Engine API takes them in ``X-Registry-Auth``."""
    if credentials.is_identity_token:
        return {"identitytoken": credentials.secret}
    return {"username": credentials.username, "password": credentials.secret}


def _unavailable(where: str, error: Exception) -> EngineUnavailable:
    return EngineUnavailable(
        f"connecting to {where}",
        plain(error),
        "Start it (systemctl start docker, Docker Desktop, or on a Debian machine: python3 -m lab up), "
        "or point DOCKER_HOST at one that runs.",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
