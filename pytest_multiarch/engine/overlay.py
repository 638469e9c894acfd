"""A Docker configuration folder of our own: all that the user has, and one more registry's credentials.

Pointing ``DOCKER_CONFIG`` at an empty folder would hide the user's plugins, contexts and credentials; writing into the user's
folder would change what is not ours. So everything in the user's folder is linked, and ``config.json`` alone is copied.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

# `config.json` is copied. buildx writes into its token seeds for every registry that it asks for a token
# (moby/buildkit session/auth/authprovider/tokenseed.go); through a link it would write into the user's.
_NOT_LINKED = frozenset({"config.json", ".token_seed", ".token_seed.lock"})


def user_docker_folder() -> Path:
    """Return where the docker client keeps its configuration."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def make_overlay(folder: Path, logins: Mapping[str, tuple[str, str]]) -> Path:
    """Make a configuration folder with the logins (registry to user name and password) added, and return it.

    The folder and its ``config.json`` can be read by their owner only. Raises `UsageProblem` where the user's own
    ``config.json`` cannot be read.
    """
    overlay = folder / "docker"
    overlay.mkdir(mode=0o700)
    theirs = user_docker_folder().absolute()
    config = _read_config(theirs / "config.json")
    if theirs.is_dir():
        for entry in theirs.iterdir():
            if entry.name not in _NOT_LINKED:
                (overlay / entry.name).symlink_to(entry)
    auths, helpers = dict(config.get("auths") or {}), dict(config.get("credHelpers") or {})
    for registry, (username, password) in logins.items():
        auths[registry] = {"auth": base64.b64encode(f"{username}:{password}".encode()).decode("ascii")}
        # An empty helper: without it a `credsStore` is asked for this registry too, and knows nothing of it.
        helpers[registry] = ""
    text = json.dumps({**config, "auths": auths, "credHelpers": helpers})
    descriptor = os.open(overlay / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return overlay


def _read_config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageProblem(
            f"reading {path}", str(error), "Mend or move the file; the docker client cannot read it either."
        ) from None
    if not isinstance(config, dict):
        raise UsageProblem(f"reading {path}", "it holds no JSON object", "Mend or move the file.")
    for key in ("auths", "credHelpers"):
        if not isinstance(config.get(key) or {}, dict):
            raise UsageProblem(f"reading {path}", f"{key!r} in it is no JSON object", "Mend or move the file.")
    return config
