"""The throwaway registry: on loopback, with credentials of its own, reached by both of its addresses before it is used.

Always on loopback, also where that is another machine's: `reaching` finds the way there.
"""

from __future__ import annotations

import io
import os
import secrets
import socket
import tarfile
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_multiarch.engine.claims import claim_image
from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.ledger import Owned
from pytest_multiarch.engine.reaching import PORT_INSIDE, Lock, find_url
from pytest_multiarch.errors import EngineError, UsageProblem
from pytest_multiarch.image.credentials import Credentials

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from testcontainers.registry import DockerRegistryContainer

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger

DEFAULT_IMAGE = "registry:2"
_PORT_TRIES = 3
_HTPASSWD = "/htpasswd/multiarch"
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
    load: Callable[[], type[DockerRegistryContainer]],
    *,
    image: str,
    port: int | None,
    limit: float = 60,
    stopping: threading.Event | None = None,
) -> Registry:
    """Start a registry container and return it once both addresses answer.

    ``load`` gives testcontainers' registry, which is asked only where loopback does not lead to the daemon's ports; ``limit`` is
    in seconds; setting ``stopping`` ends a pull early.
    Raises `EngineError` with the container's log where it does not come up.
    """
    credentials = Credentials("multiarch", secrets.token_urlsafe(24))
    lock = Lock.of(credentials)
    name = f"{ledger.prefix}-registry"
    for attempt in range(_PORT_TRIES):
        # Of another machine's ports its daemon alone knows.
        chosen = port if port is not None and engine.is_elsewhere else free_port(port)
        try:
            with translated(f"starting the registry {image}", "Name another image with --multiarch-registry-image."):
                identity = _start_container(engine, ledger, image, name, chosen, lock, stopping)
        except EngineError as error:
            # Somebody took the port between our look and the daemon's; a port that the user wants is not changed.
            if port is not None or "already" not in error.found or attempt == _PORT_TRIES - 1:
                raise
            remove(engine, ledger, [Owned("container", name)])
        else:
            break
    host = f"localhost:{chosen}"

    def guess() -> str:
        # Over ssh testcontainers is not asked: it would need paramiko, and knows no way to another machine's loopback.
        return "" if engine.is_elsewhere else _expected_host(load(), image, identity)

    url = find_url(engine, name, chosen, lock, guess=guess, limit=limit)
    objection = engine.can_reach(host, credentials)
    if objection:
        raise EngineError(
            f"letting the daemon reach the throwaway registry at {host}",
            objection,
            "It listens on the daemon's own loopback interface; check proxies and firewalls between the two.",
        )
    return Registry(host, url, credentials)


def answers_again(engine: Engine, name: str, registry: Registry, limit: float = 30) -> Registry | None:
    """Return a registry of an earlier run as this process reaches it, started again where it had stopped; None where it is gone."""
    try:
        with translated(f"looking for the registry {name}"):
            if not engine.api.inspect_container(name)["State"]["Running"]:
                engine.api.start(name)
        port = int(registry.host.rpartition(":")[2])
        url = find_url(engine, name, port, Lock.of(registry.credentials), limit=limit)
    except EngineError:
        return None  # or its port is somebody else's by now
    return replace(registry, url=url)


def _start_container(
    engine: Engine,
    ledger: Ledger,
    image: str,
    name: str,
    port: int,
    lock: Lock,
    stopping: threading.Event | None,
) -> str:
    """Start the container, and return its id."""
    if not claim_image(engine, ledger, image):
        engine.pull(image, stopping=stopping)
    ledger.add("container", name)
    created = engine.api.create_container(
        image,
        name=name,
        labels=ledger.labels,
        environment={
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": lock.realm,
            "REGISTRY_AUTH_HTPASSWD_PATH": _HTPASSWD,
            "OTEL_TRACES_EXPORTER": "none",  # registry:3 else tries to send traces to an address that is not there
        },
        ports=[PORT_INSIDE],
        host_config=engine.api.create_host_config(port_bindings={PORT_INSIDE: ("127.0.0.1", port)}),
    )
    engine.api.put_archive(name, "/", _htpasswd(_HTPASSWD, lock.credentials))
    engine.api.start(name)
    return str(created["Id"])


def _expected_host(container_class: type[DockerRegistryContainer], image: str, identity: str) -> str:
    """Return the host at which testcontainers expects the container's ports, a user's override of it included.

    Empty where its client does not find the daemon. Not ``localhost``: it may resolve to ::1 first, where nothing is bound
    (docker/for-mac#5678).
    """
    from docker.errors import DockerException
    from requests import RequestException

    with _environ_kept(), suppress(DockerException, RequestException):
        container = container_class(image)
        # Not `container.start()`: it would start testcontainers' reaper first, whose image is not to be had everywhere, and
        # switching that off is a setting of the whole process, which belongs to the user's own containers.
        container._container = container.get_docker_client().client.containers.get(identity)
        host = container.get_container_host_ip()
        return "127.0.0.1" if host == "localhost" else host
    return ""


def container_class() -> type[DockerRegistryContainer]:
    """Load testcontainers' registry; from the main thread where that can be, because it hushes what the import warns of.

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
