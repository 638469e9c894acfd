"""What the integration tests share: the state of the machine as a value, and Dockerfiles to build."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.ledger import FOLDER_PREFIX
from pytest_multiarch.engine.overlay import user_docker_folder
from pytest_multiarch.engine.progress import Silent
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future
    from http.server import HTTPServer

T = TypeVar("T")

_OURS = (FOLDER_PREFIX, "multiarch-")  # what the project calls its folders for temporary files

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
BOTH = (AMD64, ARM64)

#: Before a command that is to be sent signals: what started the tests in the background has them ignored, and whatever
#: they start would inherit that.
HEARING = ("env", "--default-signal=HUP,INT,TERM")

SAMPLE = """\
FROM --platform=$BUILDPLATFORM python:3.11-slim AS prepare
RUN echo prepared > /prepared.txt

FROM python:3.11-slim AS small
ARG GREETING=hello
ENV GREETING=$GREETING
RUN python -c "import platform; print(platform.machine())" > /built-on.txt
COPY --link --from=prepare /prepared.txt /
CMD ["python", "-c", "import platform; print(platform.machine())"]

FROM small
LABEL last=yes
"""


class Waiting(Silent):
    """Listen to builds without showing anything."""

    def wait(self, future: Future[T], what: str = "") -> T:
        """Wait for the result."""
        return future.result()


@dataclass(frozen=True)
class Machine:
    """Hold all that a run could leave behind on this machine, or change."""

    containers: frozenset[str]
    volumes: frozenset[str]
    networks: frozenset[str]
    images: frozenset[str]
    files: frozenset[str]
    processes: frozenset[str]
    docker_folder: str

    @classmethod
    def now(cls) -> Machine:
        """Look at the daemon in use, the folder for temporary files, and the user's Docker folder."""
        from docker.errors import NotFound

        with closing(Engine.connect()) as engine:
            api = engine.api
            images: list[Any] | None = None
            while images is None:
                # With the containerd store the list fails while one of the images is being removed.
                with suppress(NotFound):
                    images = api.images(all=True)
            return cls(
                containers=frozenset(name for one in api.containers(all=True) for name in one["Names"]),
                volumes=frozenset(one["Name"] for one in api.volumes()["Volumes"] or ()),
                networks=frozenset(one["Name"] for one in api.networks()),
                images=frozenset(name for one in images for name in _names(one)),
                files=_files(),
                processes=_processes(),
                docker_folder=_tree(user_docker_folder()),
            )

    def later(self, seconds: float = 15) -> Machine:
        """Look again, once the watchdogs of processes that were killed in between have gone: that takes them a few seconds."""
        deadline = time.monotonic() + seconds
        while not _processes() <= self.processes and time.monotonic() < deadline:
            time.sleep(0.1)  # between two looks at the condition
        return Machine.now()


class QuietHandler(BaseHTTPRequestHandler):
    """Answer requests without a word on the terminal."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(server: HTTPServer, release: threading.Event) -> Iterator[str]:
    """Let a server of this process answer in the background, and give its port.

    At the end the event is set, for requests that wait for it, and the server is closed.
    """
    thread = threading.Thread(target=server.serve_forever, name="server of a test")
    thread.start()
    try:
        yield str(server.server_address[1])
    finally:
        release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def docker(*args: str, timeout: float = 120) -> str:
    """Run the docker client and return its output; a failure fails the test with what the client said."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr}"
    return done.stdout.strip()


@contextmanager
def borrowed_images(*names: str) -> Iterator[None]:
    """Let a test have images under these names, as ``debian:bookworm-slim``; afterwards it is as it was before.

    The classic store else keeps under its digest what a tag has been taken from.
    """
    before = _references()
    try:
        yield
    finally:
        repositories = {name.rpartition(":")[0] for name in names}
        for reference in sorted(_references() - before, key=lambda one: "@" in one):
            is_theirs = reference in names or reference.partition("@")[0] in repositories
            if is_theirs and reference in _references():  # a tag takes its digest along
                docker("image", "rm", reference)
        for name in before.intersection(names):
            docker("pull", "--quiet", name)


def _references() -> set[str]:
    told = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}", "--digests")
    return {reference for reference in told.split() if "<none>" not in reference}


def _names(said: Mapping[str, Any]) -> list[str]:
    """Return what an image is called, each with its id, so that a name more or less is seen as that; of one without, the id."""
    names = [name for part in ("RepoTags", "RepoDigests") for name in said[part] or () if "<none>" not in name]
    return [f"{said['Id']} {name}" for name in names] or [str(said["Id"])]


def _files() -> frozenset[str]:
    return frozenset(path.name for prefix in _OURS for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"))


def _processes() -> frozenset[str]:
    """Return the watchdogs and docker clients of runs that use the same daemon."""
    found = set()
    ours = os.environ.get("DOCKER_HOST", "").encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command, environ = ((entry / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
        except OSError:
            continue  # it has ended meanwhile
        is_client = any(word.startswith(b"BUILDX_CONFIG=") and FOLDER_PREFIX.encode() in word for word in environ)
        host = next((word.removeprefix(b"DOCKER_HOST=") for word in environ if word.startswith(b"DOCKER_HOST=")), b"")
        if (b"pytest_multiarch.engine.watchdog" in command or is_client) and host == ours:
            found.add(f"{entry.name} {b' '.join(command[:3]).decode(errors='replace')}")
    return frozenset(found)


def _tree(folder: Path) -> str:
    """Return what is below a folder: names, modes, and where links lead, or what files hold."""
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        content = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = [oct(path.lstat().st_mode), content]
    return json.dumps(found, sort_keys=True)
