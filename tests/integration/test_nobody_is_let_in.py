"""Registry and builder are for this run alone: on loopback, by a password that nobody else on the machine comes to see."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.ledger import FOLDER_PREFIX
from tests.cleanup.runs import Run, command
from tests.integration.support import docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534

TESTS = """
import json, time
from pathlib import Path

def test_it(multiarch_registry, multiarch_builder, platform_image, platform_container):
    registry, builder = multiarch_registry, multiarch_builder
    said = [registry.credentials.username, registry.credentials.secret, registry.url, str(platform_image.reference)]
    said.append(builder.name)
    Path("facts.new").write_text(json.dumps(said))
    Path("facts.new").rename("facts")
    del said  # the failure below shows what is here
    while not Path("seen").exists():
        time.sleep(0.05)
    assert platform_container.exec(["false"]).exit_code == 0, f"{registry} {builder}"
"""

# As another user: what the registry answers, at each of its addresses, and whether a folder can be looked into.
STRANGER = """
import json, os, sys, urllib.error, urllib.request
urls, repository, digest, folder = json.loads(sys.argv[1])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def ask(method, url, data=None):
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
said = [os.getuid()]
for url in urls:
    base = f"{url}/v2/{repository}"
    said.append(ask("GET", f"{url}/v2/"))
    said.append(ask("GET", f"{url}/v2/_catalog"))
    said.append(ask("GET", f"{base}/manifests/{digest}"))
    said.append(ask("POST", f"{base}/blobs/uploads/", b""))
    said.append(ask("PUT", f"{base}/manifests/latest", b"{}"))
try:
    os.listdir(folder)
    said.append("looked into")
except PermissionError:
    said.append("closed")
print(json.dumps(said))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN echo built > /built\n", encoding="utf-8")
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    return folder


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def go(*args: str, **environ: str) -> Run:
        runs.append(Run(project, args, environ))
        return runs[-1]

    yield go
    for run in runs:
        run.kill()


def run_folder(run: Run) -> Path:
    """Return the folder of the run that this process owns."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*/owner.json"):
        if json.loads(folder.read_text(encoding="utf-8"))["owner"]["pid"] == run.process.pid:
            return folder.parent
    pytest.fail(f"process {run.process.pid} has no folder")


def seen_of_processes() -> dict[int, tuple[bytes, bytes]]:
    """Return the command and the environment of every process; the environment is for its own user only, and root."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            found[int(entry.name)] = ((entry / "cmdline").read_bytes(), (entry / "environ").read_bytes())
    return found


def listening() -> dict[int, set[str]]:
    """Return the addresses that each TCP port is listened at, as the kernel writes them (proc(5), /proc/net/tcp)."""
    found: dict[int, set[str]] = {}
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == "0A":  # TCP_LISTEN
                address, _, port = local.partition(":")
                found.setdefault(int(port, 16), set()).add(address)
    return found


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_pull_nor_push_nor_look(start: Callable[..., Run], project: Path) -> None:
    run = start()
    run.reach((project / "facts").exists)
    _, _, url, reference, _ = json.loads((project / "facts").read_text(encoding="utf-8"))
    container = json.loads(docker("inspect", *docker("ps", "--quiet", "--filter", "name=-registry").splitlines()))
    (mine,) = [one for one in container if f"-{run.process.pid}-" in one["Name"]]
    # Any user of the machine reaches the container's own address as well, past the port that is published.
    inside = mine["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    name, _, digest = reference.partition("@")
    repository = name.partition("/")[2]
    asked = [[url, f"http://{inside}:5000"], repository, digest, str(run_folder(run))]
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")
    assert python, "a Python that another user may run"
    done = subprocess.run(
        [python, "-c", STRANGER, json.dumps(asked)],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == [NOBODY, *[401] * 10, "closed"]
    (project / "seen").touch()
    assert run.end() == pytest.ExitCode.TESTS_FAILED


def test_the_password_is_seen_nowhere(start: Callable[..., Run], project: Path, tmp_path: Path) -> None:
    run = start("-vv", "--showlocals", "--log-level=DEBUG", "-rA", "--junitxml=report.xml", "--durations=0")
    run.reach((project / "facts").exists)
    username, password, url, reference, builder = json.loads((project / "facts").read_text(encoding="utf-8"))
    assert len(password) >= 24
    folder = run_folder(run)
    for pid, (words, environ) in seen_of_processes().items():
        assert password.encode() not in words, pid
        assert password.encode() not in environ, pid
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    containing = [path for path in folder.rglob("*") if path.is_file() and b'"auths"' in path.read_bytes()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in containing] == [0o600]
    names = [
        name for name in docker("ps", "--all", "--format", "{{.Names}}").splitlines() if f"-{run.process.pid}-" in name
    ]
    assert len(names) == 3  # the builder, which a test has asked for, is still there
    for name in names:
        assert password not in docker("inspect", name)
        if "-warm-" in name:  # the agent's: all that goes through it would lie in its log
            assert docker("inspect", "--format", "{{.HostConfig.LogConfig.Type}}", name).strip() == "none"
            continue
        logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True, timeout=60, check=True)
        assert password not in logs.stdout + logs.stderr
    assert listening()[int(url.rpartition(":")[2])] == {"0100007F"}  # 127.0.0.1
    assert not sockets_of(f"buildx_buildkit_{builder}0") & set(listening_inodes())
    (project / "seen").touch()
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert password not in run.output
    assert password not in (project / "report.xml").read_text(encoding="utf-8")
    assert username in {"multiarch"}
    assert reference in run.output


def listening_inodes() -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                yield fields[9]


def sockets_of(container: str) -> set[str]:
    """Return the inodes of the sockets that a container's processes hold; the builder's share this machine's network."""
    found = set()
    for pid in docker("top", container, "-o", "pid").split()[1:]:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found |= set(re.findall(r"^socket:\[(\d+)\]$", str(entry.readlink())))
    assert found
    return found


@pytest.mark.usefixtures("nothing_left")
def test_a_builds_secret_is_in_no_report_no_process_list_and_on_no_disk(
    start: Callable[..., Run], project: Path
) -> None:
    secret, seconds = secrets.token_urlsafe(24), str(10**6 + secrets.randbelow(10**6))
    (project / "Dockerfile").write_text(
        "FROM debian:bookworm-slim\n"
        f"RUN --mount=type=secret,id=token cat /run/secrets/token && sleep {seconds}; exit 3\n",
        encoding="utf-8",
    )
    (project / "conftest.py").write_text(
        "import pytest\nfrom dataclasses import replace\n"
        "@pytest.fixture(scope='session')\n"
        "def multiarch_build(multiarch_build):\n"
        "    return replace(multiarch_build, secrets=('id=token,env=BUILD_TOKEN',))\n",
        encoding="utf-8",
    )
    (project / "test_it.py").write_text("def test_it(platform_image): pass\n", encoding="utf-8")
    run = start("-vv", "--showlocals", "--multiarch-build-timeout=300", BUILD_TOKEN=secret)
    run.reach(command("sleep", seconds))
    for pid, (words, _) in seen_of_processes().items():
        assert secret.encode() not in words, pid
    folder = run_folder(run)
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert secret.encode() not in path.read_bytes(), path
    # Ended from outside the build fails, and tells the end of its log.
    pid = next(pid for pid, (words, _) in seen_of_processes().items() if words == f"sleep\0{seconds}\0".encode())
    os.kill(pid, 9)
    assert run.end() == pytest.ExitCode.TESTS_FAILED
    assert "exit code: 3" in run.output
    assert "***" in run.output
    assert secret not in run.output
