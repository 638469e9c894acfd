"""The throwaway registry: on loopback, with credentials of its own, reached by both of its addresses before it is used."""

from __future__ import annotations

import io
import os
import secrets
import socket
import tarfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_multiarch.engine.claims import claim_image
from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.docker import plain, translated
from pytest_multiarch.engine.ledger import Owned
from pytest_multiarch.errors import EngineError, UsageProblem
from pytest_multiarch.image.credentials import Credentials

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from testcontainers.registry import DockerRegistryContainer

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger

DEFAULT_IMAGE = "registry:2"
_PORT_INSIDE = 5000
_PORT_TRIES = 3
_AVOIDED_PORTS = frozenset({5000})  # AirPlay holds it on macOS, and everybody's own registry elsewhere


@dataclass(frozen=True, slots=True)
class Registry:
    """Hold the two addresses of a registry, and how to log in.

    ``host`` is how daemon and builder call it (``localhost:PORT``), ``url`` how this process reaches it; they differ
    with remote daemons and inside containers. The password is never part of ``repr``.
    """

    host: str
    url: str
    credentials: Credentials = field(repr=False)


def free_port(wanted: int | None = None) -> int:
    """Return a TCP port that is free on the loopback interface, the wanted one if there is one.

    Raises `UsageProblem` where the wanted port is taken.
    """
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted or 0))
            except OSError as error:
                raise UsageProblem(
                    f"binding the registry to 127.0.0.1:{wanted}",
                    error.strerror or str(error),
                    "Choose another --multiarch-registry-port, or leave the option out: a free port is found then.",
                ) from None
            port = int(probe.getsockname()[1])
        if wanted is not None or port not in _AVOIDED_PORTS:
            return port


def start_registry(
    engine: Engine,
    ledger: Ledger,
    *,
    image: str,
    port: int | None,
    limit: float = 60,
    stopping: threading.Event | None = None,
) -> Registry:
    """Start a registry container and return it once both addresses answer.

    ``limit`` is in seconds; setting ``stopping`` ends a pull early.
    Raises `EngineError` with the container's log where it does not come up.
    """
    credentials = Credentials("multiarch", secrets.token_urlsafe(24))
    for attempt in range(_PORT_TRIES):
        chosen = free_port(port)
        try:
            with translated(f"starting the registry {image}", "Name another image with --multiarch-registry-image."):
                container = _start_container(engine, ledger, image, chosen, credentials, stopping)
        except EngineError as error:
            # Somebody took the port between our look and the daemon's; a port that the user wants is not changed.
            if port is not None or "already" not in error.found or attempt == _PORT_TRIES - 1:
                raise
            remove(engine, ledger, [Owned("container", f"{ledger.prefix}-registry")])
        else:
            break
    host = f"localhost:{chosen}"
    url = _reached_url(engine, container, chosen, credentials, limit)
    objection = engine.can_reach(host, credentials)
    if objection:
        raise EngineError(
            f"letting the daemon reach the throwaway registry at {host}",
            objection,
            "Daemon and registry must share a loopback interface; check proxies and firewalls between them.",
        )
    return Registry(host, url, credentials)


def answers_again(engine: Engine, name: str, registry: Registry, limit: float = 30) -> bool:
    """Say whether a registry of an earlier run answers, after it has been started where it had stopped."""
    try:
        with translated(f"looking for the registry {name}"):
            if not engine.api.inspect_container(name)["State"]["Running"]:
                engine.api.start(name)
    except EngineError:
        return False  # it is gone, or its port is somebody else's by now
    deadline = time.monotonic() + limit
    while _ask(registry.url, registry.credentials):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # between two looks at the condition
    return True


def _start_container(
    engine: Engine,
    ledger: Ledger,
    image: str,
    port: int,
    credentials: Credentials,
    stopping: threading.Event | None,
) -> DockerRegistryContainer:
    if not claim_image(engine, ledger, image):
        engine.pull(image, stopping=stopping)
    with _environ_kept():
        container = container_class()(image, username=credentials.username, password=credentials.secret)
    name = f"{ledger.prefix}-registry"
    ledger.add("container", name)
    created = engine.api.create_container(
        image,
        name=name,
        labels=ledger.labels,
        environment={
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "pytest-multiarch",
            "REGISTRY_AUTH_HTPASSWD_PATH": container.credentials_path,
            "OTEL_TRACES_EXPORTER": "none",  # registry:3 else tries to send traces to an address that is not there
        },
        ports=[_PORT_INSIDE],
        host_config=engine.api.create_host_config(port_bindings={_PORT_INSIDE: ("127.0.0.1", port)}),
    )
    # Not `container.start()`: it would start testcontainers' reaper first, whose image is not to be had everywhere, and
    # switching that off is a setting of the whole process, which belongs to the user's own containers.
    container._container = container.get_docker_client().client.containers.get(created["Id"])
    engine.api.put_archive(name, "/", _htpasswd(container.credentials_path, credentials))
    engine.api.start(name)
    return container


def container_class() -> type[DockerRegistryContainer]:
    """Load testcontainers' registry; to be called from the main thread first, because it hushes what the import warns of.

    The module has moved, and warns under its old name and of its own parts; under a user's ``-W error`` either would end
    the run.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            from testcontainers.community.registry import DockerRegistryContainer
        except ImportError:  # before 4.15
            from testcontainers.registry import DockerRegistryContainer
    return DockerRegistryContainer


def _htpasswd(path: str, credentials: Credentials) -> bytes:
    """Return a tar with the password file.

    The cheapest hash that bcrypt has: the registry computes it anew at every request (a quarter of a second at
    testcontainers' cost of 12), and 24 random bytes cannot be guessed whatever the cost.
    """
    import bcrypt

    hashed = bcrypt.hashpw(credentials.secret.encode(), bcrypt.gensalt(rounds=4, prefix=b"2a"))
    content = credentials.username.encode() + b":" + hashed + b"\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(path)
        entry.size = len(content)
        entry.mode = 0o444  # an image may run its registry as another user
        tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _container_id(container: DockerRegistryContainer) -> str:
    return str(container.get_wrapped_container().id)


def _addresses(container: DockerRegistryContainer) -> tuple[str, ...]:
    """Return the hosts under which this process may reach published ports, the likeliest first.

    Not ``localhost``: it may resolve to ::1 first, where nothing is bound (docker/for-mac#5678). What testcontainers works
    out comes second: in whatever looks like a container it says the bridge's gateway, where loopback is not reached.
    """
    guess = container.get_container_host_ip()
    return tuple(dict.fromkeys(["127.0.0.1", "127.0.0.1" if guess == "localhost" else guess]))


def _reached_url(
    engine: Engine, container: DockerRegistryContainer, port: int, credentials: Credentials, limit: float
) -> str:
    """Wait until the registry answers this process with the run's credentials, and return the URL at which it does."""
    urls = [f"http://{host}:{port}" for host in _addresses(container)]
    tried = f"reaching the throwaway registry at {' or '.join(urls)}"
    deadline = time.monotonic() + limit
    while True:
        found = []
        for url in urls:
            answer = _ask(url, credentials)
            if not answer:
                return url
            found.append(answer)
        with translated(tried):
            state = engine.api.inspect_container(_container_id(container))["State"]
        if not state["Running"]:
            found = [f"its container ended with exit code {state['ExitCode']}"]
        elif time.monotonic() < deadline:
            time.sleep(0.02)  # between two looks at the condition
            continue
        log = engine.api.logs(_container_id(container), tail=15).decode(errors="replace")
        raise EngineError(tried, "; ".join(found), "The registry's log ends with:", log)


def _ask(url: str, credentials: Credentials) -> str:
    """Ask for the API's root and return what is wrong with the answer; empty when it is right."""
    import requests

    try:
        # A session that trusts no environment: a proxy or a .netrc must not come between this process and loopback.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                f"{url}/v2/", auth=(credentials.username, credentials.secret), timeout=5, allow_redirects=False
            )
    except requests.RequestException as error:
        return plain(error)
    return "" if answer.status_code == requests.codes.ok else f"HTTP {answer.status_code}"


@contextmanager
def _environ_kept() -> Iterator[None]:
    """Keep ``DOCKER_HOST`` as it is: testcontainers sets it for the whole process where a context names the daemon."""
    before = os.environ.get("DOCKER_HOST")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("DOCKER_HOST", None)
        else:
            os.environ["DOCKER_HOST"] = before
