"""What stands for a Docker daemon on another machine: a namespace with an address of its own, TLS, and a way in by ssh.

Everything in it is thrown away with the lab: the certificates, the keys, and the mirror that the daemon finds on its own loopback.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab import files, installation, mirror, namespaces, pids
from lab.console import LabError, step
from lab.namespaces import Namespace
from lab.paths import LOGS, RUN, STATE
from lab.process import run, tail

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACE = Namespace("multiarch-remote", "maremote0", "maremote1", "10.214.1.1/24", "10.214.1.2/24")
TLS_PORT = 2376
SSH_PORT = 2222
TLS_HOST = f"tcp://{SPACE.address}:{TLS_PORT}"
SSH_HOST = f"ssh://root@{SPACE.address}:{SSH_PORT}"
SOCKET = Path("/var/run/docker-remote.sock")

FOLDER = STATE / "remote"
CERTIFICATES = FOLDER / "client"
"""What ``DOCKER_CERT_PATH`` is to name."""
SSH_PROGRAMS = FOLDER / "bin"
"""A folder with an ``ssh`` that knows the throwaway keys, to be put first on ``PATH``."""
NEEDS = (
    installation.Need("openssl", ("openssl",)),
    installation.Need("openssh-client", ("ssh", "ssh-keygen")),
    installation.Need("openssh-server", ("/usr/sbin/sshd",)),
)

_AUTHORITY, _SERVER = FOLDER / "authority", FOLDER / "server"
_SSH = FOLDER / "ssh"
_SSHD_PID = RUN / "sshd.pid"
_EXTENSIONS = f"""\
[req]
distinguished_name = name
prompt = no
[name]
CN = pytest-multiarch lab
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:{SPACE.address}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
_SSHD_CONFIG = f"""\
ListenAddress {SPACE.address}:{SSH_PORT}
HostKey {_SSH}/host
AuthorizedKeysFile {_SSH}/client.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile {_SSHD_PID}
# Else `docker system dial-stdio` would ask the machine's first daemon: the file system is the same.
SetEnv DOCKER_HOST=unix://{SOCKET}
MaxStartups 100
"""
_SSH_CONFIG = f"""\
Host {SPACE.address}
  IdentityFile {_SSH}/client
  IdentitiesOnly yes
  UserKnownHostsFile {_SSH}/known_hosts
  StrictHostKeyChecking yes
"""


def daemon_options() -> list[str]:
    """Return what makes dockerd listen on the namespace's address, for those alone who have a certificate."""
    return [
        "--host", TLS_HOST, "--tlsverify",
        "--tlscacert", str(_SERVER / "ca.pem"),
        "--tlscert", str(_SERVER / "cert.pem"),
        "--tlskey", str(_SERVER / "key.pem"),
    ]  # fmt: skip


def prepare() -> None:
    """Make all that the daemon needs before it starts, and the way in by ssh."""
    missing = installation.missing(NEEDS)
    if missing:
        with step(f"installing {', '.join(need.package for need in missing)}"):
            installation.install_named([need.package for need in missing])
    namespaces.ensure(SPACE)
    _ensure_certificates()
    mirror.ensure(SPACE)
    _ensure_ssh()


def is_up() -> bool:
    """Tell whether the mirror inside and the way in by ssh answer."""
    return SPACE.is_there and mirror.is_up(SPACE) and pids.holder(_SSHD_PID, "sshd") is not None


def stop() -> None:
    """End what `prepare` started, and remove the namespace; the daemon in it has to be stopped already."""
    served = pids.holder(_SSHD_PID, "sshd")
    if served is not None:
        pids.stop(served, timeout=10)
    _SSHD_PID.unlink(missing_ok=True)
    mirror.stop(SPACE)
    namespaces.remove(SPACE)


def _ensure_certificates() -> None:
    if (CERTIFICATES / "ca.pem").exists():  # the last that is written
        return
    for folder in (_AUTHORITY, _SERVER, CERTIFICATES):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = _AUTHORITY / "openssl.cnf"
    files.write(settings, _EXTENSIONS)
    signed: list[str | Path] = ["-CA", _AUTHORITY / "cert.pem", "-CAkey", _AUTHORITY / "key.pem"]
    parts: Sequence[tuple[Path, str, Sequence[str | Path]]] = (
        (_AUTHORITY, "authority", ()),
        (_SERVER, "server", signed),
        (CERTIFICATES, "client", signed),
    )
    for folder, extensions, by in parts:
        run(
            [
                "openssl",
                "req",
                "-x509",
                "-config",
                settings,
                "-extensions",
                extensions,
                "-days",
                "3650",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-keyout",
                folder / "key.pem",
                "-out",
                folder / "cert.pem",
                *by,
                "-subj",
                f"/CN=pytest-multiarch lab {extensions}",
            ],
            timeout=60,
        )
        shutil.copy(_AUTHORITY / "cert.pem", folder / "ca.pem")


def _ensure_ssh() -> None:
    if pids.holder(_SSHD_PID, "sshd") is not None:
        return
    _SSH.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("host", "client"):
        if not (_SSH / name).exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", _SSH / name], timeout=60)
    host_key = (_SSH / "host.pub").read_text()
    files.write(_SSH / "known_hosts", f"[{SPACE.address}]:{SSH_PORT} {host_key}")
    files.write(_SSH / "sshd_config", _SSHD_CONFIG)
    files.write(_SSH / "ssh_config", _SSH_CONFIG)
    real = shutil.which("ssh", path="/usr/local/bin:/usr/bin:/bin")
    files.write(SSH_PROGRAMS / "ssh", f'#!/bin/sh\nexec {real} -F {_SSH}/ssh_config "$@"\n', mode=0o755)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation; made by its init script elsewhere
    log_file = LOGS / "sshd.log"
    LOGS.mkdir(parents=True, exist_ok=True)
    _SSHD_PID.unlink(missing_ok=True)
    with namespaces.entered(SPACE), log_file.open("ab") as log:
        started = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(_SSH / "sshd_config")],
            cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 20
    while not (_SSHD_PID.exists() and _answers()):
        if started.poll() is not None or time.monotonic() > deadline:
            found = "it did not answer" if started.poll() is None else f"it ended with exit code {started.returncode}"
            raise LabError(f"starting sshd at {SSH_HOST}", f"{found}\n{tail(log_file.read_bytes())}")
        time.sleep(0.02)


def _answers() -> bool:
    try:
        with socket.create_connection((SPACE.address, SSH_PORT), timeout=2):
            return True
    except OSError:
        return False
