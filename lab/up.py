"""Bring the machine to where the whole job runs: engine, buildx, emulators, mirror and images, side by side where possible."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import api, daemons, emulators, endpoint, files, host, images, installation, mirror, newer, remote
from lab.console import LabError, say
from lab.paths import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

LOCK = STATE / "lock"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `lab up` was asked for."""

    platforms: tuple[str, ...]
    classic: bool = False
    newer: bool = False
    remote: bool = False

    @property
    def daemons(self) -> tuple[daemons.Daemon, ...]:
        """Return the daemons that are to answer."""
        asked = {
            daemons.MAIN: True,
            daemons.CLASSIC: self.classic,
            daemons.NEWER: self.newer,
            daemons.REMOTE: self.remote,
        }
        return tuple(daemon for daemon, wanted in asked.items() if wanted)


def up(wanted: Wanted) -> None:
    """Make all that is wanted answer. Quiet where it does; a daemon that is not the lab's is left as it is."""
    address = endpoint.users_host(os.environ, Path.home())
    info = api.describe(address)
    if info is not None and not info.is_ours:
        endpoint.judge(address, info)
        return
    if info is None and address not in {daemon.host for daemon in daemons.ALL}:
        raise LabError(
            f"asking the Docker daemon at {address}, which DOCKER_HOST or Docker's context names",
            "none answers",
            "Start it; or, for a daemon on this machine: unset DOCKER_HOST DOCKER_CONTEXT; docker context use default",
        )
    if is_ready(wanted):
        return
    machine = host.this()
    host.check(machine)
    with files.exclusive(LOCK, "another `lab up` or `lab down` is at work: waiting for it"):
        if not is_ready(wanted):
            started = time.monotonic()
            _build(wanted, machine)
            _report(wanted, time.monotonic() - started)


def is_ready(wanted: Wanted) -> bool:
    """Tell whether there is nothing to do."""
    return (
        all(daemons.is_up(daemon) for daemon in wanted.daemons)
        and (remote.is_up() or not wanted.remote)
        and bool(emulators.registered())
        and not emulators.missing()
        and images.is_filled(wanted.platforms)
    )


def _build(wanted: Wanted, machine: host.Host) -> None:
    steps: list[Future[None]] = []
    told: list[LabError] = []

    def announced(work: Callable[[], None]) -> None:
        try:
            work()
        except LabError as error:
            if error not in told:  # a step that waited for another fails with its error
                told.append(error)
                say(f"failed: {error.tried}. Waiting for the steps that still run")
            raise

    with ThreadPoolExecutor() as pool:

        def begin(work: Callable[[], None]) -> Future[None]:
            steps.append(pool.submit(announced, work))
            return steps[-1]

        # The images take longest and need nothing of the rest.
        prepared = begin(lambda: _prepare_images(wanted.platforms))
        unpacked = begin(newer.ensure) if wanted.newer else None
        installed = begin(lambda: _install(machine))

        def serve() -> None:
            installed.result()
            emulators.ensure()
            if unpacked is not None:
                unpacked.result()
            # One after the other: each rewrites the machine's iptables chains as it starts.
            for daemon in wanted.daemons:
                if daemon is daemons.REMOTE:
                    remote.prepare()
                daemons.start(daemon)

        def fill() -> None:
            installed.result()
            mirror.ensure()
            prepared.result()
            images.push(wanted.platforms)

        begin(serve)
        begin(fill)
    for step in steps:
        step.result()


def _install(machine: host.Host) -> None:
    missing = installation.missing()
    if missing:
        installation.install(missing, codename=machine.codename)


def _prepare_images(platforms: Sequence[str]) -> None:
    if not images.is_filled(platforms):
        images.prepare(platforms)


def _report(wanted: Wanted, seconds: float) -> None:
    for daemon in wanted.daemons:
        info = api.describe(daemon.host)
        if info is not None:
            say(f"{daemon.title} {info.version} ({info.store} image store) answers at {daemon.host}")
    if wanted.remote:
        say(f"  and at {remote.TLS_HOST} (DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={remote.CERTIFICATES})")
        say(f"  and at {remote.SSH_HOST} (with {remote.SSH_PROGRAMS} first on PATH)")
    say(f"ready after {seconds:.0f} s. The images are stand-ins built from Debian's packages, not the official images.")
