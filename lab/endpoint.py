"""The daemon that the user's own `docker` would talk to, and what the lab has to say about one that is not its own."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from lab import api, files
from lab.console import LabError, say

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "unix:///var/run/docker.sock"
HUB = "https://registry-1.docker.io/v2/"
USUAL_IMAGES = ("registry:2", "moby/buildkit:buildx-stable-1", "python:3.11-slim")


def users_host(environ: Mapping[str, str], home: Path) -> str:
    """Return the daemon's address as the client decides it: ``DOCKER_HOST``, the context, the default socket.

    The order is the client's: https://docs.docker.com/reference/cli/docker/#environment-variables
    """
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    context = (
        environ.get("DOCKER_CONTEXT") or files.read_json(folder / "config.json").get("currentContext") or "default"
    )
    if context == "default":
        return DEFAULT
    digest = hashlib.sha256(str(context).encode()).hexdigest()
    endpoints = files.read_json(folder / "contexts" / "meta" / digest / "meta.json").get("Endpoints") or {}
    host = (endpoints.get("docker") or {}).get("Host")
    if not host:
        raise LabError(
            f"looking for Docker's context {context!r}",
            f"{folder} has no address for it",
            "`docker context ls` shows those that are there; `docker context use default` goes back to the local daemon.",
        )
    return str(host)


def hub_answers(url: str = HUB, timeout: float = 3) -> bool:
    """Tell whether Docker Hub can be reached; that it wants a login is an answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - an https address of ours
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def judge(host: str, info: api.Info) -> None:
    """Say that a daemon which is not the lab's is left as it is.

    Raises `LabError` where the images that the tests use cannot be had through it; what would help is for its owner to do.
    """
    head = f"Docker {info.version} answers at {host} and is not the lab's"
    if hub_answers():
        say(f"{head}; Docker Hub is reachable: nothing to set up")
        return
    lacking = [image for image in USUAL_IMAGES if not api.can_get(host, image)]
    if lacking:
        raise LabError(
            "looking for the images that the tests use",
            f"{head}; Docker Hub is not reachable, and the daemon has no {' and no '.join(lacking)}",
            "The lab does not change a daemon of yours. Give it a mirror that holds them, in its daemon.json:\n"
            '  "registry-mirrors": ["https://MIRROR.EXAMPLE"]\n'
            "and restart it; or `docker load` those images.",
        )
    say(f"{head}; Docker Hub is not reachable, but the images are there: nothing to set up")
