"""Where the daemon is: what the environment and docker's contexts say, and a client of the SDK's for that place."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_multiarch.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.engine.patience import Patience, PatientClient

_POINTERS = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT")


def pointers_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return those variables of an environment that lead any docker client to its daemon."""
    return {name: environ[name] for name in _POINTERS if environ.get(name)}


def sdk_arguments(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the SDK's arguments for the daemon that the docker client would talk to.

    ``docker.from_env`` knows ``DOCKER_HOST`` only; the client also knows contexts. Raises `EngineUnavailable` where there is
    no context of that name, and what the SDK raises of what is written there.
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


def address_of(arguments: Mapping[str, Any]) -> str:
    """Return where the daemon listens, as ``DOCKER_HOST`` says it."""
    from docker.constants import DEFAULT_UNIX_SOCKET

    return str(arguments.get("base_url") or DEFAULT_UNIX_SOCKET).replace("http+unix://", "unix://")


def knock(address: str, timeout: float = 10) -> None:
    """Connect to a daemon once, and say nothing; to one behind ssh not even that. Raises `OSError`: nobody listens there."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.settimeout(timeout)
            knocking.connect(address.partition("://")[2])  # a path may have what ends one in a URL
    elif parts.scheme in ("tcp", "http", "https"):
        default = 2376 if parts.scheme == "https" else 2375
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or default), timeout=timeout).close()


def make_client(
    arguments: Mapping[str, Any], timeout: float, api_version: str, patience: Patience | None = None
) -> PatientClient:
    """Return a client of the SDK's, which speaks this version of the API; ``timeout`` is in seconds, for each answer.

    ``patience`` is what waits for a daemon that is gone for a moment; without it nobody is told that it does.
    """
    from requests.utils import get_environ_proxies

    from pytest_multiarch.engine.patience import Patience, PatientClient

    address = address_of(arguments)
    patience = patience or Patience()
    if not address.startswith("ssh://"):
        client = PatientClient(address, patience, **arguments, version=api_version, timeout=int(timeout))
        # Else REQUESTS_CA_BUNDLE takes the place of the daemon's own authority (psf/requests#3829).
        client.proxies = get_environ_proxies(client.base_url)
        client.trust_env = False
        return client
    from pytest_multiarch.engine.ssh import SshAdapter

    # Made for a socket that nobody opens: what is mounted in its place is what it talks through.
    client = PatientClient(address, patience, base_url="unix:///dev/null", version=api_version, timeout=int(timeout))
    client.mount("http+docker://", SshAdapter(address, timeout=timeout))
    return client
