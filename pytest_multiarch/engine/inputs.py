"""What one platform's build reads, as a digest: with the same, it gives the same, and need not run again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.dockerfile import base_images, reads_elsewhere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform

_CHUNK = 2**20


def files_digest(spec: BuildSpec, bases: Mapping[str, str]) -> str:
    """Return the digest of all that a build reads, whatever its platform; empty where it reads what cannot be seen from here.

    ``bases`` are the base images that were copied, by name: where to, with the digest at the end. Not seen from here are images
    that only the builder fetches, and what an instruction or a build context takes from the network.
    """
    try:
        return _files_digest(spec, bases)
    except OSError:
        return ""  # changing while it is read, or not to be read by us: the builder sees what it can do


def _files_digest(spec: BuildSpec, bases: Mapping[str, str]) -> str:
    dockerfile = spec.dockerfile_path
    args = spec.resolved_args()
    known = {*bases, *spec.contexts}
    if reads_elsewhere(dockerfile, args) or any(
        image.reference not in known for image in base_images(dockerfile, args)
    ):
        return ""
    contexts: dict[str, str] = {}
    for name, source in spec.contexts.items():
        folder = Path(source)
        if "://" in source or not folder.is_dir():
            return ""
        contexts[name] = _tree_digest(folder, _all(folder))
    read = {
        "context": _tree_digest(spec.context, _in_context(spec)),
        "dockerfile": hashlib.sha256(dockerfile.read_bytes()).hexdigest(),
        "target": spec.target,
        "args": args,
        "contexts": contexts,
        "secrets": spec.secrets,
        "bases": {name: home.rpartition("@")[2] for name, home in bases.items()},
    }
    return _digest(read)


def platform_digest(files: str, platform: Platform) -> str:
    """Return the digest of what the build of one platform reads, from `files_digest`."""
    return _digest([files, str(platform)])


def _in_context(spec: BuildSpec) -> list[str]:
    """Return the paths that the context's ``.dockerignore`` leaves in; one beside the Dockerfile, named after it, comes first."""
    from docker.utils.build import exclude_paths

    beside = spec.dockerfile_path.with_name(f"{spec.dockerfile_path.name}.dockerignore")
    patterns: list[str] = []
    for ignore in (beside, spec.context / ".dockerignore"):
        if ignore.is_file():
            lines = (line.strip() for line in ignore.read_text(encoding="utf-8-sig", errors="replace").splitlines())
            patterns = [line for line in lines if line and not line.startswith("#")]
            break
    return sorted(exclude_paths(str(spec.context), patterns)) if patterns else _all(spec.context)


def _all(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _tree_digest(root: Path, paths: list[str]) -> str:
    """Return a digest of names, kinds, permissions and contents: what BuildKit's cache looks at, which leaves times out."""
    found = hashlib.sha256()
    for name in paths:
        path = root / name
        status = path.lstat()
        content = ""
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)  # noqa: PTH115 - the text, as it is written
        elif stat.S_ISREG(status.st_mode):
            content = _file_digest(path)
        found.update(json.dumps([name, status.st_mode, content]).encode())
    return found.hexdigest()


def _file_digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
