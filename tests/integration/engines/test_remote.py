"""A daemon on another machine: all of the main job there, the registry on its loopback alone, and nothing left there or here."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lab import remote
from pytest_multiarch.engine.docker import Engine
from tests.integration.engines.conftest import WAYS
from tests.integration.support import Machine, docker
from tests.integration.test_cleanup import until
from tests.integration.test_main_job import BOTH, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

every_way = pytest.mark.parametrize("lead_to_remote", list(WAYS), indirect=True)
by_tls = pytest.mark.parametrize("lead_to_remote", ["tls"], indirect=True)


@every_way
@pytest.mark.usefixtures("lead_to_remote", "nothing_left")
def test_the_main_job_runs_there_and_leaves_nothing(project: Path) -> None:
    done = run_pytest(project, BOTH, "--multiarch-audit", "-rP")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "audit" in done.stdout
    assert re.search(r"^\d+ passed in|=+ \d+ passed in", done.stdout, re.MULTILINE)
    seen = re.search(r"^localhost:(\d+) is http://127\.0\.0\.1:(\d+)$", done.stdout, re.MULTILINE)
    assert seen, done.stdout
    assert seen[1] != seen[2]  # the one is there, the other here


@by_tls
@pytest.mark.usefixtures("lead_to_remote", "nothing_left")
def test_nobody_on_its_network_reaches_the_registry(project: Path) -> None:
    (project / "test_it.py").write_text(
        "import socket\n"
        "def test_it(multiarch_registry):\n"
        "    port = int(multiarch_registry.host.rpartition(':')[2])\n"
        "    with socket.socket() as knocking:\n"
        f"        print('there:', knocking.connect_ex(({remote.SPACE.address!r}, port)))\n",
        encoding="utf-8",
    )
    done = run_pytest(project, "-rP")
    assert done.returncode == 0, done.stdout
    assert f"there: {errno.ECONNREFUSED}\n" in done.stdout


@by_tls
@pytest.mark.usefixtures("lead_to_remote", "nothing_left")
def test_a_killed_run_is_cleaned_up_there(project: Path) -> None:
    before = Machine.now()
    (project / "test_it.py").write_text(
        "import time\n"
        "def test_it(platform_container, multiarch_registry):\n    print('ready', flush=True)\n    time.sleep(300)\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"],
        cwd=project, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        try:
            heard = []
            for line in process.stdout:
                heard.append(line)
                if line.endswith("ready\n"):
                    break
            else:
                pytest.fail(f"the run ended before its test waited:\n{''.join(heard)}")
            assert Machine.now().containers - before.containers
        finally:
            process.kill()
            process.wait()
    assert until(lambda: Machine.now() == before, 15)
    # Nothing of the way to the registry either.
    assert until(lambda: not _carriers(), 15)


@every_way
@pytest.mark.usefixtures("lead_to_remote")
def test_the_daemon_is_known_to_be_elsewhere() -> None:
    engine = Engine.connect()
    try:
        assert engine.is_elsewhere
        assert engine.facts.version == docker("version", "--format", "{{.Server.Version}}")
    finally:
        engine.close()


def _carriers() -> list[str]:
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True, timeout=30).stdout
    return [line for line in listing.splitlines() if line.startswith("docker exec --interactive multiarch-")]
