"""What the integration tests share: the state of the machine as a value, and Dockerfiles to build."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.engine.ledger import FOLDER_PREFIX
from pytest_multiarch.engine.overlay import user_docker_folder
from pytest_multiarch.engine.progress import Silent
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")
BOTH = (AMD64, ARM64)

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
    folders: frozenset[str]
    docker_folder: str

    @classmethod
    def now(cls) -> Machine:
        """Look at the daemon in use, the folder for temporary files, and the user's Docker folder."""
        return cls(
            containers=_docker("ps", "--all", "--format", "{{.Names}}"),
            volumes=_docker("volume", "ls", "--format", "{{.Name}}"),
            networks=_docker("network", "ls", "--format", "{{.Name}}"),
            images=_docker("image", "ls", "--all", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"),
            folders=frozenset(path.name for path in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*")),
            docker_folder=_tree(user_docker_folder()),
        )


def docker(*args: str, timeout: float = 120) -> str:
    """Run the docker client and return its output; a failure fails the test with what the client said."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr}"
    return done.stdout.strip()


def _docker(*args: str) -> frozenset[str]:
    return frozenset(docker(*args).splitlines())


def _tree(folder: Path) -> str:
    """Return a digest of every file below a folder: name and content."""
    found = {}
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return json.dumps(found, sort_keys=True)
