"""The native platform's base image comes first: its tests run while another platform's cannot be read to its end."""

from __future__ import annotations

import threading
from contextlib import closing
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.image.copying import part_for
from pytest_multiarch.image.credentials import DockerCredentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.oci import Manifest
from pytest_multiarch.platforms import Platform
from tests.integration.support import BOTH, QuietHandler, served
from tests.integration.test_main_job import BOTH as FOR_BOTH
from tests.integration.test_main_job import run_pytest
from tests.integration.test_no_waiting import CONFTEST, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_multiarch.image.copying import ImagePart
    from pytest_multiarch.oci import Descriptor

DOCKERFILE = """\
FROM localhost:{port}/base:1
RUN python -c "import platform; print(platform.machine())" > /machine
"""


class SlowRegistry:
    """Serve a real image as a registry does, but one platform's layers only when somebody has asked for ``/open``.

    After a minute and a half they are refused, and the builder would read what it needs itself.
    """

    def __init__(self, client: RegistryClient, part: ImagePart, held: Platform) -> None:
        self.is_open, self.held, self.refused = threading.Event(), threading.Event(), threading.Event()
        documents = {one.digest: one for one in (part.top, *part.manifests)} | {"1": part.top}
        parsed = [Manifest.from_bytes(one.data, one.digest, one.media_type) for one in part.manifests]
        self._blobs = {blob.digest: blob for manifest in parsed for blob in (manifest.config, *manifest.layers)}
        layers: dict[bool, set[str]] = {True: set(), False: set()}
        for one, manifest in zip(part.manifests, parsed, strict=True):
            layers[one.digest == dict(part.chosen)[held]] |= {layer.digest for layer in manifest.layers}
        awaited = layers[True] - layers[False]
        self.agents: set[str] = set()
        registry = self

        class Handler(QuietHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                registry.agents.add(self.headers.get("User-Agent", ""))
                if self.path == "/open":
                    registry.is_open.set()
                if name in documents:
                    self._begin(200, documents[name].media_type, len(documents[name].data))
                    self._send(documents[name].data)
                elif name in registry._blobs:
                    self._blob(registry._blobs[name])
                else:
                    self._begin(200 if self.path in ("/open", "/v2/") else 404, "text/plain", 0)

            def _blob(self, blob: Descriptor) -> None:
                if blob.digest in awaited and self.command == "GET":
                    registry.held.set()
                    if not registry.is_open.wait(90):
                        registry.refused.set()
                        self._begin(404, "text/plain", 0)
                        return
                self._begin(200, "application/octet-stream", blob.size)
                with client.blob(part.reference, blob) as stream:
                    for chunk in stream:
                        self._send(chunk)

            def _begin(self, status: int, media_type: str, length: int) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def _send(self, data: bytes) -> None:
                if self.command == "GET":
                    self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def running(self) -> AbstractContextManager[str]:
        """Serve, and give the port."""
        return served(self.server, self.is_open)


@pytest.fixture
def slow() -> Iterator[SlowRegistry]:
    with closing(Engine.connect()) as engine:
        mirrors = engine.facts.mirrors
    with closing(RegistryClient(DockerCredentials.from_environment(), mirrors=mirrors)) as client:
        part = part_for(client, Reference.parse("python:3.11-slim"), BOTH)
        yield SlowRegistry(client, part, next(platform for platform in BOTH if platform != Platform.host()))


@pytest.mark.usefixtures("nothing_left")
def test_the_native_platforms_tests_run_before_the_others_base_is_there(tmp_path: Path, slow: SlowRegistry) -> None:
    held = next(str(platform) for platform in BOTH if platform != Platform.host())
    with slow.running() as port:
        (tmp_path / "Dockerfile").write_text(DOCKERFILE.format(port=port), encoding="utf-8")
        (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        (tmp_path / "test_it.py").write_text(RUNS, encoding="utf-8")
        done = run_pytest(tmp_path, FOR_BOTH, GATE=port, HELD=held)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert slow.held.is_set()
    assert not slow.refused.is_set()
    assert not [agent for agent in slow.agents if agent.startswith("buildkit")]  # it has what was copied
