"""A Docker configuration folder of our own: all that the user has, and one more registry's credentials.

Pointing ``DOCKER_CONFIG`` at an empty folder would hide the user's plugins, contexts and credentials; writing into the user's
folder would change what is not ours. So everything in the user's folder is linked, and ``config.json`` alone is copied.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# `config.json` is copied. buildx writes into its token seeds for every registry that it asks for a token
# (moby/buildkit session/auth/authprovider/tokenseed.go); through a link it would write into the user's.
_NOT_LINKED = frozenset({"config.json", ".token_seed", ".token_seed.lock"})


def user_docker_folder() -> Path:
    """Return where the docker client keeps its configuration."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def make_overlay(
    folder: Path,
    logins: Mapping[str, tuple[str, str]],
    environ: Mapping[str, str] | None = None,
    *,
    name: str = "docker",
) -> Path:
    """Make a configuration folder with the logins (registry to user name and password) added, and return it.

    It also has the context that ``environ`` asks for (`context_for`). The folder and its ``config.json`` can be read by their
    owner only. Raises `UsageProblem` where the user's own ``config.json`` cannot be read.
    """
    overlay = folder / name
    overlay.mkdir(mode=0o700)
    theirs = user_docker_folder().absolute()
    config = read_config(theirs / "config.json")
    context = context_for(environ or {})
    _link(theirs, overlay, _NOT_LINKED | ({"contexts"} if context else frozenset()))
    if context:
        _add_context(theirs / "contexts", overlay / "contexts", context, environ or {})
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


def context_for(environ: Mapping[str, str]) -> str:
    """Return the name of the context that buildx needs to make a builder at the daemon of ``environ``; empty where it needs none.

    It makes none from an environment that asks for TLS, and says to make a context of it (docker/buildx#413).
    """
    has_tls = bool(environ.get("DOCKER_TLS_VERIFY")) and environ.get("DOCKER_HOST", "").startswith("tcp://")
    return "multiarch-tls" if has_tls else ""


@contextmanager
def lent_context(folder: Path, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the variable that names a configuration folder with that context, for the block's time; none where none is needed.

    For buildx's calls before there is a registry to log in to. It has the user's credentials in it, and so does not stay.
    """
    path = folder / "docker-builder"
    if not context_for(environ):
        yield {}
        return
    shutil.rmtree(path, ignore_errors=True)  # of a run that was killed here
    try:
        yield {"DOCKER_CONFIG": str(make_overlay(folder, {}, environ, name=path.name))}
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _add_context(theirs: Path, contexts: Path, name: str, environ: Mapping[str, str]) -> None:
    """Put a context beside the user's: as ``docker context create`` would, but the keys are linked, not copied."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    for part in ("meta", "tls"):
        (contexts / part).mkdir(parents=True)
        _link(theirs / part, contexts / part, frozenset({identity}))
    meta, keys = contexts / "meta" / identity, contexts / "tls" / identity / "docker"
    meta.mkdir()
    keys.mkdir(parents=True)
    endpoint = {"Host": environ["DOCKER_HOST"], "SkipTLSVerify": False}
    text = json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}})
    (meta / "meta.json").write_text(text, encoding="utf-8")
    folder = Path(environ.get("DOCKER_CERT_PATH") or user_docker_folder()).absolute()
    for file in ("ca.pem", "cert.pem", "key.pem"):
        if (folder / file).exists():
            (keys / file).symlink_to(folder / file)


def _link(source: Path, target: Path, without: frozenset[str]) -> None:
    if source.is_dir():
        for entry in source.iterdir():
            if entry.name not in without:
                (target / entry.name).symlink_to(entry)


def read_config(path: Path) -> dict[str, Any]:
    """Return Docker's ``config.json``, empty where there is none. Raises `UsageProblem` where it cannot be read."""
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
