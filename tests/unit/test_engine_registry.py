"""The throwaway registry: its port, its password, and being reached. The container itself is for the integration tests."""

from __future__ import annotations

import io
import os
import socket
import tarfile

import bcrypt
import pytest

from pytest_multiarch.engine import registry as module
from pytest_multiarch.engine.registry import Registry, _environ_kept, _htpasswd, container_class, free_port
from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.image.credentials import Credentials


def test_a_free_port_can_be_bound_on_loopback() -> None:
    port = free_port()
    assert 1024 <= port <= 65535
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", port))


def test_the_wanted_port_is_taken_where_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageProblem, match=rf"127\.0\.0\.1:{port}: Address already in use") as caught:
            free_port(port)
    assert "--multiarch-registry-port" in caught.value.hint


def test_a_port_that_everybody_uses_is_only_taken_when_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [free_port(), free_port()]

    class Socket(socket.socket):
        def getsockname(self) -> tuple[str, int]:
            return "127.0.0.1", drawn.pop(0)

    first, second = drawn
    monkeypatch.setattr(module, "_AVOIDED_PORTS", frozenset({first}))
    monkeypatch.setattr(socket, "socket", Socket)
    assert free_port() == second
    drawn.append(first)
    assert free_port(first) == first


def test_the_password_is_in_no_repr() -> None:
    shown = repr(Registry("localhost:5001", "http://127.0.0.1:5001", Credentials("me", "very-secret")))
    assert "localhost:5001" in shown
    assert "very-secret" not in shown


def test_the_password_file_is_one_that_a_registry_reads() -> None:
    with tarfile.open(fileobj=io.BytesIO(_htpasswd("/auth/htpasswd", Credentials("me", "very-secret")))) as archive:
        (entry,) = archive.getmembers()
        file = archive.extractfile(entry)
        assert file is not None
        user, _, hashed = file.read().strip().partition(b":")
    assert entry.name.lstrip("/") == "auth/htpasswd"
    assert entry.mode == 0o444
    assert user == b"me"
    # distribution's htpasswd takes bcrypt only, and golang.org/x/crypto/bcrypt reads $2a$.
    assert hashed.startswith(b"$2a$")
    assert bcrypt.checkpw(b"very-secret", hashed)
    assert not bcrypt.checkpw(b"another", hashed)


@pytest.mark.parametrize("before", [None, "unix:///theirs"])
def test_the_processs_docker_host_is_kept(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    if before is None:
        monkeypatch.delenv("DOCKER_HOST", raising=False)
    else:
        monkeypatch.setenv("DOCKER_HOST", before)

    def start() -> None:
        with _environ_kept():
            os.environ["DOCKER_HOST"] = "unix:///set by somebody"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start()
    assert os.environ.get("DOCKER_HOST") == before


def test_loading_testcontainers_warns_of_nothing() -> None:
    # Under `-W error`, as all tests here are run.
    assert container_class().__name__ == "DockerRegistryContainer"
