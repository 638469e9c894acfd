"""What lives on between the runs of a project that asks for it: registry, builder and cache, and what was built of what.

It stands in a book of its own, in a private folder of the user's state, which only `prune` closes. Two runs at once take turns
where something is made, by locks on files in that folder, which a process that dies gives back.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, TYPE_CHECKING

from pytest_multiarch.engine.builder import create_builder, revive_builder
from pytest_multiarch.engine.cleanup import close_book, remove, sweep_abandoned
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.kept_books import KeptLedger, kept_folders, read_kept, state_folder
from pytest_multiarch.engine.ledger import Owned
from pytest_multiarch.engine.registry import Registry, answers_again, start_registry
from pytest_multiarch.errors import EngineUnavailable
from pytest_multiarch.image.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from testcontainers.registry import DockerRegistryContainer

    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.options import EngineOptions, Node

_IN_USE = "in-use.lock"


class Kept:
    """Find, or make, what lives on for one project with one daemon and one choice of images. In use until it is closed."""

    def __init__(self, options: EngineOptions, environ: Mapping[str, str]) -> None:
        self._options = options
        name = _name(options, environ)
        self._in_use = _lock(state_folder() / name / _IN_USE, fcntl.LOCK_SH)
        self.ledger = KeptLedger(state_folder() / name, name)
        _write(self.ledger.folder / "owner.json", {"environ": dict(environ), "project": str(options.reuse)})

    def registry(self, engine: Engine, load: Callable[[], type[DockerRegistryContainer]]) -> Registry:
        """Return the registry, started again where it has stopped, made anew where it is gone; ``load`` as for `start_registry`."""
        file, name = self.ledger.folder / "registry.json", f"{self.ledger.prefix}-registry"
        with self._turn("registry"):
            known = _read_registry(file)
            found = answers_again(engine, name, known) if known is not None else None
            if found is not None:
                return found
            self._forget()
            remove(engine, self.ledger, [Owned("container", name)])
            options = self._options
            made = start_registry(engine, self.ledger, load, image=options.registry_image, port=options.registry_port)
            _write(file, {"host": made.host, "url": made.url, **asdict(made.credentials)})
            return made

    def builder(self, engine: Engine, mirrors: Sequence[str], nodes: Sequence[tuple[Node, Engine]]) -> Builder:
        """Return the builder with its cache, started again where it has stopped, made anew where it is gone."""
        name = f"{self.ledger.prefix}-builder"
        with self._turn("builder"):
            found = revive_builder(name, self.ledger, engine.environ)
            if found is not None:
                return found
            image = self._options.buildkit_image
            return create_builder(
                engine, self.ledger, engine.environ, image=image, mirrors=mirrors, nodes=nodes, name=name
            )

    def digest_of(self, inputs: str) -> str:
        """Return what a build that read this has pushed; empty where there was none."""
        file = self._builds / inputs
        return file.read_text(encoding="ascii") if inputs and file.is_file() else ""

    def remember(self, inputs: str, digest: str) -> None:
        """Write down what a build has pushed, by what it has read."""
        if inputs:
            self._builds.mkdir(exist_ok=True)
            _write(self._builds / inputs, digest)

    def close(self, engine: Engine, host: str, used: frozenset[str]) -> list[str]:
        """Remove images that the daemon has pulled from the registry in earlier runs and nobody uses now; keep the rest."""
        problems: list[str] = []
        try:
            fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # another run of this project goes on: the last one tidies up
        else:
            old = [
                owned
                for owned in self.ledger.entries()
                if owned.kind == "image" and owned.name.startswith(f"{host}/") and owned.name not in used
            ]
            problems = remove(engine, self.ledger, [owned for owned in old if not owned.daemon])
        self._in_use.close()
        return problems

    @property
    def _builds(self) -> Path:
        return self.ledger.folder / "builds"

    def _forget(self) -> None:
        for file in self._builds.glob("*"):
            file.unlink(missing_ok=True)

    @contextmanager
    def _turn(self, what: str) -> Iterator[None]:
        with _lock(self.ledger.folder / f"{what}.lock", fcntl.LOCK_EX):
            yield


def prune() -> list[str]:
    """Remove what dead runs have left and what lives on for any project of this user; return what is still there, a line each."""
    problems = sweep_abandoned()
    for folder in kept_folders():
        problems += _prune(folder)
    return problems


def _prune(folder: Path) -> list[str]:
    try:
        book = read_kept(folder)
    except (OSError, ValueError, KeyError, TypeError):
        if not (folder / "ledger.jsonl").exists():  # killed before it had made anything
            shutil.rmtree(folder, ignore_errors=True)
            return []
        return [f"nobody knows whose {folder} is: look at its ledger.jsonl, remove what stands there, then the folder"]
    try:
        in_use = _lock(folder / _IN_USE, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return [f"what is kept for {book.project} is in use by a run"]
    with in_use:
        try:
            engine = Engine.connect(book.environ)
        except EngineUnavailable as error:
            return [f"{error.headline} (what is kept for {book.project} is there)"]
        try:
            return close_book(engine, book.ledger)
        finally:
            engine.close()


def _name(options: EngineOptions, environ: Mapping[str, str]) -> str:
    """Return a name that no other project has, nor this one with another daemon or with other images."""
    told = [
        str(options.reuse),
        dict(environ),
        [options.registry_image, options.registry_port, options.buildkit_image, options.builder, *options.mirrors],
        [[str(node.platform), node.endpoint] for node in options.nodes],
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _lock(path: Path, how: int) -> IO[bytes]:
    """Open and lock a file, made where there is none; closing it gives the lock back. Raises BlockingIOError."""
    while True:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("ab")
        try:
            fcntl.flock(file, how)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # whoever had it before has removed it: what is locked now is no longer there


def _write(path: Path, value: object) -> None:
    """Write a file for its owner's eyes only, so that it is there either whole or not at all."""
    text = value if isinstance(value, str) else json.dumps(value)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def _read_registry(path: Path) -> Registry | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Registry(said["host"], said["url"], Credentials(said["username"], said["secret"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
