"""Under pytest-xdist: one registry, one builder, one build and one pull per platform; a worker that dies takes nothing along."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_multiarch.engine.ledger import FOLDER_PREFIX
from tests.integration.support import Machine
from tests.integration.test_cleanup import until
from tests.integration.test_main_job import BOTH, run_pytest

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

DOCKERFILE = "FROM debian:bookworm-slim\nRUN uname -m > /machine\n"
CONFTEST = """
import json, os, pytest, subprocess, time

def docker(*args):
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr

def names(*args):
    there = os.environ["THERE_BEFORE"].split()
    return [name for name in docker("ps", *args, "--format", "{{.Names}}").split() if name not in there]

def write(**facts):
    with open(f"facts-{os.getpid()}.jsonl", "a") as file:
        print(json.dumps(facts), file=file)

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        registries = [name for name in names() if name.endswith("-registry")]
        write(log=[docker("logs", name) for name in registries])
"""
TESTS = """
import os, pytest, time
from conftest import names, write

def test_dies(platform_container, target_platform):
    write(dying=platform_container.name)
    if target_platform.architecture == "arm64":
        os._exit(3)

@pytest.mark.parametrize("number", range(3))
def test_runs(platform_container, target_platform, number):
    write(pid=os.getpid(), container=platform_container.name, up=names("--all"))
    assert platform_container.exec(["cat", "/machine"]).stdout.strip() == target_platform.machine

def test_whole(multiarch_image, multiarch_builder):
    assert len(multiarch_image.platforms) == 2
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what the workers of one run have seen; one of them dies in the middle of it, and nothing is left of any."""
    folder: Path = tmp_path_factory.mktemp("project")
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    before = Machine.now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THERE_BEFORE", " ".join(name.lstrip("/") for name in before.containers))
        done = run_pytest(folder, BOTH, "-n2", "-v")
    assert before.later() == before
    assert "8 passed" in done.stdout, done.stdout + done.stderr
    assert re.search(r"^FAILED test_it.py::test_dies\[linux/arm64\]", done.stdout, re.MULTILINE)
    assert "1 failed" in done.stdout
    lines = [line for path in folder.glob("facts-*") for line in path.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def test_a_worker_that_dies_takes_nothing_along(facts: list[dict[str, Any]]) -> None:
    runs = [fact for fact in facts if "container" in fact]
    assert len(runs) == 6
    # Each worker has its own containers: the dead one's are nobody else's.
    owners = {(fact["container"], fact["pid"]) for fact in runs}
    assert len(owners) == len({container for container, _ in owners})
    assert len([fact for fact in facts if "dying" in fact]) == 2


def test_all_workers_use_one_registry_and_one_builder(facts: list[dict[str, Any]]) -> None:
    up = {name for fact in facts for name in fact.get("up", ())}
    assert len({name for name in up if name.endswith("-registry")}) == 1
    assert len({name for name in up if name.startswith("buildx_buildkit_")}) == 1


def test_each_platform_is_built_once_and_pulled_once(facts: list[dict[str, Any]]) -> None:
    log = max((log for fact in facts for log in fact.get("log", ())), key=len)
    requests = re.findall(r'"(GET|PUT) /v2/project0-0/(\w+)/(\S+) HTTP/1.1" 20\d \d+ "[^"]*" "([^"]*)"', log)
    put = Counter(name for method, kind, name, _ in requests if (method, kind) == ("PUT", "manifests"))
    assert put["latest"] == 1
    assert len(put) >= 3
    assert set(put.values()) == {1}
    # What the image stands on, the daemon may have taken from where that was copied to; there, the builder reads it, too.
    blobs = re.findall(r'"GET /v2/(project0-0|base/\S+)/blobs/(\S+) HTTP/1.1" 20\d \d+ "[^"]*" "([^"]*)"', log)
    pulled = Counter(name for home, name, agent in blobs if home == "project0-0" or not agent.startswith("buildkit"))
    assert len(pulled) >= 4  # config and layers of two platforms
    assert set(pulled.values()) == {1}


def test_a_killed_run_is_cleaned_up_with_its_workers(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(
        "import time\ndef test_it(platform_container):\n    open('ready', 'w').close()\n    time.sleep(300)\n",
        encoding="utf-8",
    )
    before = Machine.now()
    command = [sys.executable, "-m", "pytest", "-n1", "-p", "no:cacheprovider"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until((tmp_path / "ready").exists, 240)
        assert len(Machine.now().containers - before.containers) >= 2
    finally:
        process.kill()
        process.wait()
    # The folders go last. Before that the images cannot be listed: the daemon trips over one that is being removed.
    assert until(lambda: run_folders() <= before.files, 60)
    assert before.later() == before


def run_folders() -> frozenset[str]:
    return frozenset(path.name for path in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"))
