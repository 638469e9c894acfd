"""Nothing waits that need not: a platform's tests run while another platform's build has not come to its end, and cannot."""

from __future__ import annotations

import re
import threading
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.platforms import Platform
from tests.integration.support import BOTH, QuietHandler, served
from tests.integration.test_main_job import BOTH as FOR_BOTH
from tests.integration.test_main_job import run_pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

# The builder is on the host's network, and so are the steps that it runs.
DOCKERFILE = """\
FROM python:3.11-slim
ARG GATE
ARG HELD
ARG TARGETPLATFORM
RUN [ "$TARGETPLATFORM" != "$HELD" ] || \\
    python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:$GATE/pass', timeout=200)"
RUN python -c "import platform; print(platform.machine())" > /machine
"""
CONFTEST = """
import os
from urllib.request import ProxyHandler, build_opener

def open_gate():
    build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{os.environ['GATE']}/open", timeout=10).close()
"""
RUNS = """
import os
from conftest import open_gate

def test_runs(platform_container, target_platform):
    assert platform_container.exec(["cat", "/machine"]).stdout.strip() == target_platform.machine
    if str(target_platform) != os.environ["HELD"]:
        open_gate()

def test_whole(multiarch_image):
    assert len(multiarch_image.platforms) == 2
"""
READS = """
import os
from conftest import open_gate

def test_reads(platform_image, target_platform):
    assert platform_image.files.read_text("/machine").strip() == target_platform.machine
    if str(target_platform) != os.environ["HELD"]:
        open_gate()
"""


class Gate:
    """Hold whoever asks for ``/pass`` until somebody asks for ``/open``; turn them away after a minute and a half."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.held = threading.Event()
        gate = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                if self.path == "/open":
                    gate.is_open.set()
                else:
                    gate.held.set()
                self.send_response(200 if gate.is_open.wait(90) else 504)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def running(self) -> AbstractContextManager[str]:
        """Serve, and give the port."""
        return served(self.server, self.is_open)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("workers", ["no", "two"])
@pytest.mark.parametrize("tests", [RUNS, READS], ids=["runs", "reads"])
def test_the_native_platforms_tests_run_before_the_other_is_built(tmp_path: Path, tests: str, workers: str) -> None:
    if workers == "two" and find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    held = next(str(platform) for platform in BOTH if platform != Platform.host())
    for name, content in (("Dockerfile", DOCKERFILE), ("conftest.py", CONFTEST), ("test_it.py", tests)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    gate = Gate()
    with gate.running() as port:
        given = [f"--multiarch-build-arg=GATE={port}", f"--multiarch-build-arg=HELD={held}"]
        more = ["-n2"] if workers == "two" else []
        done = run_pytest(tmp_path, FOR_BOTH, "-v", *given, *more, GATE=port, HELD=held)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert gate.held.is_set(), said
    if not more:
        ran = re.findall(r"^test_it\.py::(\S+) PASSED", done.stdout, re.MULTILINE)
        name, whole = ("test_runs", ["test_whole"]) if tests is RUNS else ("test_reads", [])
        assert ran == [f"{name}[{Platform.host()}]", f"{name}[{held}]", *whole]


MORE = """
def test_more(platform_image): ...

def test_plain(): ...
"""


@pytest.mark.usefixtures("nothing_left")
def test_all_files_tests_of_the_native_platform_run_before_the_other_is_built(tmp_path: Path) -> None:
    native = str(Platform.host())
    held = next(str(platform) for platform in BOTH if str(platform) != native)
    written = {
        "Dockerfile": DOCKERFILE,
        "conftest.py": CONFTEST,
        "test_a.py": MORE,
        "test_b.py": RUNS,
        "test_c.py": MORE,
    }
    for name, content in written.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    gate = Gate()
    with gate.running() as port:
        given = [f"--multiarch-build-arg=GATE={port}", f"--multiarch-build-arg=HELD={held}"]
        done = run_pytest(tmp_path, FOR_BOTH, "-v", *given, GATE=port, HELD=held)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert gate.held.is_set(), said
    ran = re.findall(r"^test_(\S+) PASSED", done.stdout, re.MULTILINE)
    # What waits for nothing comes first, then what the gate holds back comes after all of the native platform's.
    assert ran[:2] == ["a.py::test_plain", "c.py::test_plain"]
    assert ran[2:5] == [f"a.py::test_more[{native}]", f"b.py::test_runs[{native}]", f"c.py::test_more[{native}]"]
    assert sorted(ran[5:]) == sorted(
        [f"a.py::test_more[{held}]", f"b.py::test_runs[{held}]", "b.py::test_whole", f"c.py::test_more[{held}]"]
    )
