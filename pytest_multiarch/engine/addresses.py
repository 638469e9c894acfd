"""Where the daemon is: what the environment and docker's contexts say, and a client of the SDK's for that place."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_multiarch.engine.overlay import read_config, user_docker_folder
from pytest_multiarch.errors import EngineUnavailable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker.tls import TLSConfig

    from pytest_multiarch.engine.patience import Patience, PatientClient

_POINTERS = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT")
_DEFAULT = "default"  # the context that nobody made: what the variables say, else the default socket


def pointers_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return those variables of an environment that lead any docker client to its daemon."""
    return {name: environ[name] for name in _POINTERS if environ.get(name)}


def own_pointers() -> dict[str, str]:
    """Return the variables that lead any docker client to the daemon of this process's own environment.

    The current context is among them, by its name: what a run owns is looked for with them later, and by then
    ``docker context use`` may have made another one current.
    """
    pointers = pointers_of(os.environ)
    if not pointers.keys() & {"DOCKER_HOST", "DOCKER_CONTEXT"} and (current := _current_context()) != _DEFAULT:
        pointers["DOCKER_CONTEXT"] = current
    return pointers


def sdk_arguments(pointers: Mapping[str, str]) -> dict[str, Any]:
    """Return the SDK's arguments for the daemon that these variables lead to; without any, that of the default context.

    ``docker.from_env`` knows ``DOCKER_HOST`` only; the client also knows contexts. Raises `EngineUnavailable` where there is
    no context of that name or it cannot be read, and what the SDK raises of what is written there.
    """
    from docker.utils import kwargs_from_env

    if "DOCKER_HOST" in pointers:
        return dict(kwargs_from_env(environment=dict(pointers)))
    name = pointers.get("DOCKER_CONTEXT", _DEFAULT)
    return {} if name == _DEFAULT else _read_context(name)


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


def _current_context() -> str:
    """Return the name of the current context: the default one where the configuration cannot be read, as docker has it."""
    try:
        return str(read_config(user_docker_folder() / "config.json").get("currentContext") or _DEFAULT)
    except (UsageProblem, OSError, RuntimeError):  # the last: there is no home
        return _DEFAULT


def _read_context(name: str) -> dict[str, Any]:
    """Return the SDK's arguments for a context, from where the client keeps it (``cli/context/store`` in docker/cli).

    Not by the SDK's `ContextAPI`: it looks beside a ``config.json``, which ``docker context create`` does not write, and where
    ``$DOCKER_CONFIG`` has none it looks in another folder.
    """
    tried = f"reading the docker context {name!r}"
    try:
        contexts = user_docker_folder() / "contexts"
        identity = hashlib.sha256(name.encode()).hexdigest()
        endpoint = json.loads((contexts / "meta" / identity / "meta.json").read_bytes())["Endpoints"]["docker"]
        arguments = {"base_url": endpoint.get("Host"), "tls": None}
        skips_verifying = bool(endpoint.get("SkipTLSVerify"))
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        raise EngineUnavailable(tried, "there is none of that name", "List them with: docker context ls") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineUnavailable(
            tried, f"it cannot be read ({type(error).__name__}: {error})", f"Look at: docker context inspect {name}"
        ) from None
    return {**arguments, "tls": _read_tls(contexts / "tls" / identity / "docker", skips_verifying)}


def _read_tls(folder: Path, skips_verifying: bool) -> TLSConfig | None:
    """Return what a context keeps for TLS, None where it has nothing; each of the files may be missing.

    Asking for TLS that verifies nothing needs no file (``tlsConfig`` in docker/cli ``cli/context/docker/load.go``).
    """
    from docker.tls import TLSConfig

    ca, cert, key = (
        str(file) if file.is_file() else None for file in (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    )
    if not (ca or cert or key or skips_verifying):
        return None
    pair = (cert or "", key or "") if cert or key else None  # one without the other is refused
    return TLSConfig(pair, ca_cert=ca, verify=not skips_verifying)
