"""The docker SDK behind our errors: where the daemon is, what it is, and the few calls that everything else is made of."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_multiarch.errors import EngineError, EngineUnavailable
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker import APIClient
    from requests import Response

    from pytest_multiarch.engine.relay import Relay
    from pytest_multiarch.image.credentials import Credentials

# `platform` at container creation came with API 1.41 (Engine 20.10).
MINIMUM_API = (1, 41)
_LOOK = 0.1  # seconds between two looks whether the run stops
_POINTERS = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT")


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """Hold what the daemon says of itself. ``store`` is ``containerd`` or ``classic``; ``mirrors`` are those of Docker Hub."""

    version: str
    api_version: str
    platform: Platform
    store: str
    mirrors: tuple[str, ...]
    insecure_registries: tuple[str, ...]
    kernel: str = ""
    host: str = ""


def describe_engine(facts: DaemonFacts, buildx: str = "") -> str:
    """Return one line that tells this daemon from others; ``buildx`` is the version of what builds, if anything does."""
    line = f"Docker Engine {facts.version} for {facts.platform}, {facts.store} image store"
    return f"{line}, buildx {buildx}" if buildx else line


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
        self._relays: list[Relay] = []
        self.endpoint = ""
        """Which node of the run this is; empty for its main daemon."""

    @classmethod
    def connect(cls, environ: Mapping[str, str] | None = None, *, timeout: float = 60) -> Engine:
        """Connect where the docker client would: ``DOCKER_HOST``, else the current context, else the default socket.

        ``environ`` stands in for the process's environment (the daemon of another run). Raises `EngineUnavailable`
        where nothing answers or what answers is too old.
        """
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        where = "the Docker daemon"
        try:
            pointers = _pointers(os.environ if environ is None else environ)
            arguments = _endpoint(pointers)
            where = f"the Docker daemon at {_address(arguments)}"
            _knock(arguments)
            # Not version="auto": where nothing answers, the SDK would leave its connections open.
            with closing(_client(arguments, timeout, ".".join(map(str, MINIMUM_API)))) as probe:
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
        client = _client(arguments, timeout, api_version)
        try:
            return cls(client, _facts(version, client.info()), pointers, _address(arguments))
        except (DockerException, RequestException, OSError) as error:
            client.close()
            raise _unavailable(where, error) from None

    @classmethod
    def at(cls, endpoint: str, *, timeout: float = 60) -> Engine:
        """Connect to a node: an address such as ``ssh://host`` or ``unix:///path``, or the name of a docker context.

        Raises `EngineUnavailable`.
        """
        engine = cls.connect({"DOCKER_HOST" if "://" in endpoint else "DOCKER_CONTEXT": endpoint}, timeout=timeout)
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
        self._relays.append(relay)
        return relay

    def close(self) -> None:
        """Close the connections."""
        for relay in self._relays:
            relay.close()
        self._relays.clear()
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
        with translated(tried), _broken_off(self.api, stopping):
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


@contextmanager
def _broken_off(api: APIClient, stopping: threading.Event | None) -> Iterator[None]:
    """Break the connection of this thread's requests where the run stops: the SDK waits for the daemon's next word."""
    if stopping is None:
        yield
        return
    ours, connections, over = threading.get_ident(), [], threading.Event()

    def remember(response: Response, *_: object, **__: object) -> None:
        if threading.get_ident() == ours:
            connections.append(response)

    def watch() -> None:
        while not over.wait(_LOOK):
            if stopping.is_set():
                for response in connections:
                    # Closing alone would not wake a thread that reads.
                    with suppress(OSError, AttributeError), closing(_duplicate(response)) as connection:
                        connection.shutdown(socket.SHUT_RDWR)

    api.hooks["response"].append(remember)
    watcher = threading.Thread(target=watch, name="multiarch-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        api.hooks["response"].remove(remember)


def _duplicate(response: Response) -> socket.socket:
    return socket.socket(fileno=os.dup(response.raw.fileno()))


def auth_config(credentials: Credentials) -> dict[str, str]:
    """Return credentials as the Engine API takes them in ``X-Registry-Auth``."""
    if credentials.is_identity_token:
        return {"identitytoken": credentials.secret}
    return {"username": credentials.username, "password": credentials.secret}


@contextmanager
def translated(tried: str, hint: str = "") -> Iterator[None]:
    """Turn what the SDK and its HTTP libraries raise into `EngineError`, with the original as its cause."""
    from docker.errors import DockerException, StreamParseError
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    # The last two come out of a stream that breaks off: the SDK reads those past `requests`.
    except (DockerException, RequestException, OSError, HTTPError, StreamParseError) as error:
        raise EngineError(tried, _silence(error) or plain(error), hint) from error


def _silence(error: Exception) -> str:
    """Return in plain words that the daemon is not there or says nothing; empty where it has said something."""
    from requests import exceptions
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    if isinstance(error, (exceptions.ReadTimeout, ReadTimeoutError)) or "Read timed out" in str(error):
        return "the Docker daemon has said nothing for too long; is it overloaded, or what it waits for silent?"
    if not isinstance(error, (exceptions.ConnectionError, ProtocolError, ConnectionError)):
        return ""
    inner: BaseException | None = error
    seen: list[BaseException] = []
    while inner is not None and inner not in seen:
        seen.append(inner)
        if isinstance(inner, OSError) and inner.strerror:
            return f"the Docker daemon does not answer ({inner.strerror}); has it ended, or been restarted?"
        inner = inner.__cause__ or inner.__context__
    return f"the Docker daemon does not answer ({plain(error)}); has it ended, or been restarted?"


def plain(error: object) -> str:
    """Return the daemon's own words on one line: no SDK wrapping, no control characters, at most 500 characters."""
    text = str(getattr(error, "explanation", None) or error)
    return "".join(c if c.isprintable() else " " for c in text).strip()[:500]


def _pointers(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _POINTERS if environ.get(name)}


def _endpoint(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the SDK's arguments for the daemon that the docker client would talk to.

    ``docker.from_env`` knows ``DOCKER_HOST`` only; the client also knows contexts.
    """
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    if "DOCKER_HOST" in environ:
        return dict(kwargs_from_env(environment=dict(environ)))
    name = environ.get("DOCKER_CONTEXT") or ContextAPI.get_current_context().name
    if name == "default":
        return {}
    context = ContextAPI.get_context(name)
    if context is None:
        raise EngineUnavailable(
            f"reading the docker context {name!r}", "there is none of that name", "List them with: docker context ls"
        )
    return {"base_url": context.Host, "tls": context.TLSConfig}


def _address(arguments: Mapping[str, Any]) -> str:
    from docker.constants import DEFAULT_UNIX_SOCKET

    return str(arguments.get("base_url") or DEFAULT_UNIX_SOCKET).replace("http+unix://", "unix://")


def _knock(arguments: Mapping[str, Any]) -> None:
    """Connect to the daemon's socket once: where nobody listens, the SDK would leave its own socket open."""
    scheme, _, path = _address(arguments).partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.settimeout(10)
            knocking.connect(path)


def _client(arguments: Mapping[str, Any], timeout: float, api_version: str) -> APIClient:
    from docker import APIClient
    from requests.utils import get_environ_proxies

    address = _address(arguments)
    if not address.startswith("ssh://"):
        client = APIClient(**arguments, version=api_version, timeout=int(timeout))
        # Else REQUESTS_CA_BUNDLE takes the place of the daemon's own authority (psf/requests#3829).
        client.proxies = get_environ_proxies(client.base_url)
        client.trust_env = False
        return client
    from pytest_multiarch.engine.ssh import SshAdapter

    # Made for a socket that nobody opens: what is mounted in its place is what it talks through.
    client = APIClient("unix:///dev/null", version=api_version, timeout=int(timeout))
    client.mount("http+docker://", SshAdapter(address, timeout=timeout))
    return client


def _unavailable(where: str, error: Exception) -> EngineUnavailable:
    return EngineUnavailable(
        f"connecting to {where}",
        plain(error),
        "Start it (systemctl start docker, Docker Desktop, or on a Debian machine: python3 -m lab up), "
        "or point DOCKER_HOST at one that runs.",
    )


def _facts(version: Mapping[str, Any], info: Mapping[str, Any]) -> DaemonFacts:
    registries = info.get("RegistryConfig") or {}
    hub = (registries.get("IndexConfigs") or {}).get("docker.io") or {}
    mirrors = hub.get("Mirrors") or registries.get("Mirrors") or ()
    insecure = [name for name, entry in (registries.get("IndexConfigs") or {}).items() if not entry.get("Secure", True)]
    status = [tuple(pair) for pair in info.get("DriverStatus") or ()]
    return DaemonFacts(
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        # What the daemon was built for. `info` has the kernel's word for the machine, such as armv7l, which is no architecture.
        platform=Platform.from_fields(
            str(version.get("Os") or info.get("OSType", "linux")),
            str(version.get("Arch") or info.get("Architecture", "")),
        ),
        store="containerd" if ("driver-type", "io.containerd.snapshotter.v1") in status else "classic",
        mirrors=tuple(str(mirror).rstrip("/") for mirror in mirrors),
        insecure_registries=tuple(insecure),
        kernel=str(info.get("KernelVersion", "")),
        host=str(info.get("Name", "")),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
