"""Engines that are not simply beside the tests: on another machine, or seen from inside a container."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from ipaddress import ip_network
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from lab import remote
from tests.integration.support import docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAYS = {
    "tls": {
        "DOCKER_HOST": remote.TLS_HOST,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(remote.CERTIFICATES),
    },
    "ssh": {"DOCKER_HOST": remote.SSH_HOST},
}
"""Ways to the lab's daemon with an address of its own, as the variables that lead there."""

NAMESPACE = "multiarch-tests"
INNER, OUTER = "eth0", "matests0"


@pytest.fixture
def lead_to_remote(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Let all that follows, docker clients too, use the remote daemon in the way that the test's parameter names."""
    if not remote.SOCKET.exists() or not remote.is_up():
        if os.environ.get("CI"):
            pytest.fail("CI has to have the remote daemon: python3 -m lab up --remote", pytrace=False)
        pytest.skip("no remote daemon: python3 -m lab up --remote")
    way: str = request.param
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in WAYS[way].items():
        monkeypatch.setenv(name, value)
    if way == "ssh":
        monkeypatch.setenv("PATH", f"{remote.SSH_PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    return way


@pytest.fixture(params=["on the daemon's network", "without any network"])
def inside(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[str]]]:
    """Return how a process is put where a container is that has the daemon's socket: what that is, and a command's start.

    A network namespace of its own, whose loopback is not the daemon's; the socket is a file, and reached from anywhere.
    """
    if os.geteuid() != 0:
        pytest.skip("a network namespace takes root")
    with ExitStack() as undo:
        _ip("netns", "add", NAMESPACE)
        undo.callback(_ip, "netns", "delete", NAMESPACE)
        _ip("-netns", NAMESPACE, "link", "set", "lo", "up")
        if request.param == "on the daemon's network":
            (network,) = json.loads(docker("network", "inspect", "bridge"))
            subnet = ip_network(network["IPAM"]["Config"][0]["Subnet"])
            address = next(islice(reversed(list(islice(subnet.hosts(), 250))), 1))
            bridge = network["Options"]["com.docker.network.bridge.name"]
            _ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAMESPACE)
            _ip("link", "set", OUTER, "master", bridge, "up")
            _ip("-netns", NAMESPACE, "address", "add", f"{address}/{subnet.prefixlen}", "dev", INNER)
            _ip("-netns", NAMESPACE, "link", "set", INNER, "up")
        # Not `ip netns exec`: it mounts another /sys, and a container's is none of its own either.
        yield str(request.param), ["nsenter", f"--net=/var/run/netns/{NAMESPACE}"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a Dockerfile, and tests that build, read, run and exec."""
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.11-slim\n"
        'RUN python -c "import platform; print(platform.machine())" > /built-on.txt\n'
        'CMD ["python", "-c", "import platform; print(platform.machine())"]\n',
        encoding="utf-8",
    )
    (tmp_path / "test_it.py").write_text(
        "def test_run(platform_image, target_platform):\n"
        "    assert platform_image.files.read_text('/built-on.txt').strip() == target_platform.machine\n"
        "    assert platform_image.run().stdout.strip() == target_platform.machine\n"
        "def test_exec(platform_container, target_platform):\n"
        "    assert platform_container.exec(['cat', '/built-on.txt']).stdout.strip() == target_platform.machine\n"
        "def test_registry(multiarch_registry):\n"
        "    print(f'{multiarch_registry.host} is {multiarch_registry.url}')\n",
        encoding="utf-8",
    )
    return tmp_path


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=30)
