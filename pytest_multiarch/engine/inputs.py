"""What one platform's build reads, as a digest: with the same, it gives the same, and need not run again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.dockerfile.ignored import UnclearPattern, left_in, read_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform

_CHUNK = 2**20


def files_digest(spec: BuildSpec) -> str:
    """Return the digest of the files and options that a build reads, whatever its platform.

    Empty where it reads what cannot be seen from here: what an instruction or a build context takes from the network, or what a
    ``.dockerignore`` with patterns of no clear meaning leaves in.
    """
    try:
        return _files_digest(spec)
    except UnclearPattern:
        return ""
    except OSError:
        return ""  # changing while it is read, or not to be read by us: the builder sees what it can do


def _files_digest(spec: BuildSpec) -> str:
    from pytest_multiarch.dockerfile import reads_elsewhere

    dockerfile = spec.dockerfile_path
    args = spec.resolved_args()
    if reads_elsewhere(dockerfile, args):
        return ""
    contexts: dict[str, str] = {}
    for name, source in spec.contexts.items():
        folder = Path(source)
        if "://" in source or not folder.is_dir():
            return ""
        contexts[name] = _tree_digest(folder, left_in(folder, []))
    read = {
        "context": _tree_digest(spec.context, _in_context(spec)),
        "dockerfile": hashlib.sha256(dockerfile.read_bytes()).hexdigest(),
        "target": spec.target,
        "args": args,
        "contexts": contexts,
        "secrets": spec.secrets,
        "epoch": os.environ.get("SOURCE_DATE_EPOCH", ""),  # buildx hands it on as a build argument
    }
    return _digest(read)


def platform_digest(spec: BuildSpec, files: str, platform: Platform, bases: Mapping[str, Sequence[str]]) -> str:
    """Return the digest of all that the build of one platform reads; empty where it reads what cannot be seen from here.

    ``files`` is what `files_digest` gives; ``bases`` are the base images that were copied, by name: the digests of the manifests
    that this platform's build takes. Images that only the builder fetches are not seen from here.
    """
    from pytest_multiarch.dockerfile import base_images

    known = {*bases, *spec.contexts}
    named = base_images(spec.dockerfile_path, spec.resolved_args())
    if not files or any(image.reference not in known for image in named):
        return ""
    return _digest([files, str(platform), {name: list(digests) for name, digests in bases.items()}])


def _in_context(spec: BuildSpec) -> list[str]:
    """Return the paths that the context's ``.dockerignore`` leaves in; one beside the Dockerfile, named after it, comes first."""
    beside = spec.dockerfile_path.with_name(f"{spec.dockerfile_path.name}.dockerignore")
    ignore = next((file for file in (beside, spec.context / ".dockerignore") if file.is_file()), None)
    return left_in(spec.context, read_patterns(ignore.read_bytes()) if ignore else [])


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
