"""The Docker daemons of the lab: one table, one way to start and stop them.

Without an init there is nobody else to start them. Each has its own bridge: `--bridge none` on a second daemon deletes the
first one's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import api, configuration, files, memory, namespaces, pids, remote
from lab.console import LabError, step
from lab.paths import LOGS, MIRROR_URL, RUN, STATE
from lab.process import run, tail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.namespaces import Namespace

START_LIMIT = 90.0  # seconds; two seconds are usual, a first start on a slow disk takes longer
STOP_LIMIT = 40.0  # seconds; dockerd itself gives its containers 15


@dataclass(frozen=True, slots=True)
class Daemon:
    """A Docker daemon: where it listens, how it keeps images, and what of the machine it has to itself."""

    name: str
    title: str
    socket: Path
    pid_file: Path
    data_root: Path
    exec_root: Path
    containerd_store: bool = True
    bridge: str = ""  # empty: docker0, which dockerd makes itself
    address: str = ""
    binaries: Path | None = None  # a root folder with another version's usr/bin and usr/sbin
    space: Namespace | None = None  # where it runs, with a bridge docker0 of its own

    @property
    def host(self) -> str:
        """Return the address as ``DOCKER_HOST`` takes it."""
        return f"unix://{self.socket}"

    @property
    def interface(self) -> str:
        """Return what of the machine's network interfaces it has to itself."""
        return self.bridge or (self.space.outer if self.space is not None else "docker0")

    @property
    def log(self) -> Path:
        """Return the file that takes the daemon's output."""
        return LOGS / f"dockerd-{self.name}.log"

    @property
    def record(self) -> Path:
        """Return the file that says what the lab started and made for this daemon."""
        return RUN / f"daemon-{self.name}.json"

    @property
    def path(self) -> str:
        """Return the ``PATH`` on which the daemon finds containerd, runc and its proxy."""
        folders = [str(self.binaries / part) for part in ("usr/sbin", "usr/bin")] if self.binaries else []
        return ":".join([*folders, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


MAIN = Daemon(
    name="main",
    title="Docker Engine",
    socket=Path("/var/run/docker.sock"),
    pid_file=Path("/var/run/docker.pid"),
    data_root=Path("/var/lib/docker"),
    exec_root=Path("/var/run/docker"),
)
CLASSIC = Daemon(
    name="classic",
    title="Docker Engine with the classic image store",
    socket=Path("/var/run/docker-classic.sock"),
    pid_file=Path("/var/run/docker-classic.pid"),
    data_root=STATE / "classic",
    exec_root=Path("/var/run/docker-classic"),
    containerd_store=False,
    bridge="docker1",
    address="10.213.1.1/24",
)
NEWER = Daemon(
    name="newer",
    title="a newer Docker Engine",
    socket=Path("/var/run/docker-newer.sock"),
    pid_file=Path("/var/run/docker-newer.pid"),
    data_root=STATE / "newer",
    exec_root=Path("/var/run/docker-newer"),
    bridge="docker2",
    address="10.213.2.1/24",
    binaries=STATE / "newer-engine",
)
REMOTE = Daemon(
    name="remote",
    title="a Docker Engine with an address of its own",
    socket=remote.SOCKET,
    pid_file=Path("/var/run/docker-remote.pid"),
    data_root=STATE / "remote-data",
    exec_root=Path("/var/run/docker-remote"),
    space=remote.SPACE,
)
ALL = (MAIN, CLASSIC, NEWER, REMOTE)
# Not brought up with the others: tests start it, restart it under a run, and stop it.
RESTARTED = Daemon(
    name="restarted",
    title="a Docker Engine that is restarted",
    socket=Path("/var/run/docker-restarted.sock"),
    pid_file=Path("/var/run/docker-restarted.pid"),
    data_root=STATE / "restarted",
    exec_root=Path("/var/run/docker-restarted"),
    bridge="docker20",
    address="10.213.20.1/24",
)


def is_up(daemon: Daemon) -> bool:
    """Tell whether the daemon answers and is the lab's. Raises `LabError` where it knows another mirror."""
    info = api.describe(daemon.host)
    if info is None or not info.is_ours:
        return False
    if MIRROR_URL not in info.mirrors:
        raise LabError(
            f"looking for the lab's mirror {MIRROR_URL} in the {daemon.name} daemon's configuration",
            f"it knows {', '.join(info.mirrors) or 'none'}",
            "It was started for another port: `python3 -m lab down`, then `python3 -m lab up`.",
        )
    return True


def start(daemon: Daemon) -> None:
    """Start a daemon that does not answer, and wait until it does."""
    if is_up(daemon):
        return
    command = [_find("dockerd", daemon), "--pidfile", str(daemon.pid_file)]
    if daemon is MAIN:
        configuration.ensure_main()
    else:
        command += _options(daemon)
    # Both refuse to start while a pid file names any running process.
    pids.remove_if_stale(daemon.pid_file, "dockerd")
    pids.remove_if_stale(daemon.exec_root / "containerd" / "containerd.pid", "containerd")
    running = pids.holder(daemon.pid_file, "dockerd")
    with step(f"starting {daemon.title}"):
        if running is None:
            made = _make_bridge(daemon) or files.read_json(daemon.record).get("bridge", "")
            memory.mount(daemon.data_root)
            LOGS.mkdir(parents=True, exist_ok=True)
            if daemon.log.exists():
                daemon.log.replace(daemon.log.with_suffix(".log.1"))
            with namespaces.entered(daemon.space), daemon.log.open("wb") as log:
                child = subprocess.Popen(
                    command, cwd="/", env=_environment(os.environ, daemon), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            running = pids.look_up(child.pid)
            if running is not None:
                record = {"bridge": made, "pid": child.pid, "started": running.started}
                files.write(daemon.record, files.as_json(record))
        _wait(daemon, running)


def restart(daemon: Daemon) -> None:
    """End a daemon that the lab started, and start it again with all that it had."""
    halt(daemon)
    start(daemon)


def halt(daemon: Daemon) -> None:
    """End a daemon that the lab started, and keep all that it has."""
    _end(daemon, files.read_json(daemon.record))


def stop(daemon: Daemon) -> bool:
    """Stop a daemon that the lab started, and remove the bridge it made; return whether there was one."""
    known = files.read_json(daemon.record)
    if not known:
        return False
    _end(daemon, known)
    if known["bridge"] and Path("/sys/class/net", known["bridge"]).exists():
        run(["ip", "link", "delete", known["bridge"]], timeout=30)
    # Also what dockerd mounted there itself: it binds the folder onto itself and leaves that when it is killed.
    memory.unmount(daemon.data_root)
    daemon.record.unlink()
    return True


def _end(daemon: Daemon, known: Mapping[str, Any]) -> None:
    running = pids.look_up(known["pid"])
    if running is not None and running.started == known["started"] and running.program == "dockerd":
        containerd = pids.holder(daemon.exec_root / "containerd" / "containerd.pid", "containerd")
        pids.stop(running, STOP_LIMIT)
        if containerd is not None:  # ended by dockerd itself, unless that had to be killed
            pids.stop(containerd, 10.0)


def _options(daemon: Daemon) -> list[str]:
    """Return what keeps an additional daemon apart from the first one."""
    file = RUN / f"{daemon.name}.json"
    files.write(file, files.as_json(configuration.settings(containerd_store=daemon.containerd_store)))
    return [
        "--config-file", str(file),
        "--host", daemon.host,
        "--data-root", str(daemon.data_root),
        "--exec-root", str(daemon.exec_root),
        *(["--bridge", daemon.bridge] if daemon.bridge else []),
        # Where the machine runs a containerd of its own, all daemons use that one: the names keep them apart in it.
        "--containerd-namespace", f"moby-{daemon.name}",
        "--containerd-plugins-namespace", f"plugins-moby-{daemon.name}",
        *(remote.daemon_options() if daemon is REMOTE else []),
    ]  # fmt: skip


def _make_bridge(daemon: Daemon) -> str:
    """Make the daemon's bridge where it is not there; return its name if it is the lab's to remove."""
    if daemon.space is not None:
        return ""  # dockerd makes its own in there, and it goes with the namespace
    if not daemon.bridge:
        return "" if Path("/sys/class/net/docker0").exists() else "docker0"
    if not Path("/sys/class/net", daemon.bridge).exists():
        run(["ip", "link", "add", daemon.bridge, "type", "bridge"], timeout=30)
    run(["ip", "address", "replace", daemon.address, "dev", daemon.bridge], timeout=30)
    run(["ip", "link", "set", daemon.bridge, "up"], timeout=30)
    return daemon.bridge


def _environment(environ: Mapping[str, str], daemon: Daemon) -> dict[str, str]:
    """Return the user's environment, proxies among it, without what would turn the daemon into another one's."""
    kept = {key: value for key, value in environ.items() if not key.startswith("DOCKER_")}
    return {**kept, "PATH": daemon.path}


def _find(program: str, daemon: Daemon) -> str:
    found = shutil.which(program, path=daemon.path)
    if found is None:
        raise LabError(f"looking for {program}", f"it is in none of {daemon.path}", "Run `python3 -m lab up` again.")
    return found


def _wait(daemon: Daemon, running: pids.Process | None) -> None:
    deadline = time.monotonic() + START_LIMIT
    while not api.answers(daemon.host):
        alive = running is not None and pids.look_up(running.pid) == running
        if not alive or time.monotonic() > deadline:
            found = "it ended" if not alive else f"no answer at {daemon.host} within {START_LIMIT:.0f} s"
            raise LabError(
                f"starting {daemon.title}",
                f"{found}; the end of {daemon.log}:\n{tail(daemon.log.read_bytes())}",
                "Mend what the log names, then run the same lab command again.",
            )
        time.sleep(0.05)
