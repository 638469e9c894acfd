"""What stands for another machine: certificates that a TLS handshake takes."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from lab import remote

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    for name, folder in (("_AUTHORITY", "authority"), ("_SERVER", "server"), ("CERTIFICATES", "client")):
        monkeypatch.setattr(remote, name, tmp_path / folder)
    remote._ensure_certificates()
    return tmp_path


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Let the two talk over a pipe, and return what the server is told once it knows who that is."""
    ours, theirs = socket.socketpair()

    def speak() -> None:
        with client.wrap_socket(theirs, server_hostname=remote.SPACE.address) as there:
            there.sendall(b"hello")

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        with server.wrap_socket(ours, server_side=True) as here:
            return here.recv(5)
    finally:
        thread.join()


def test_both_sides_know_one_another_by_the_certificates(certificates: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "server" / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(certificates / "server" / "cert.pem", certificates / "server" / "key.pem")
    client = ssl.create_default_context(cafile=certificates / "client" / "ca.pem")
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    client.load_cert_chain(certificates / "client" / "cert.pem", certificates / "client" / "key.pem")
    assert handshake(server, client) == b"hello"


def test_certificates_are_made_once_and_for_their_owner(certificates: Path) -> None:
    key = certificates / "client" / "key.pem"
    before = key.read_bytes()
    remote._ensure_certificates()
    assert key.read_bytes() == before
    assert key.stat().st_mode & 0o077 == 0
    assert key.parent.stat().st_mode & 0o077 == 0
