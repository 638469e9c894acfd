"""Say what the lab finds on this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab import api, daemons, emulators, endpoint, images, mirror
from lab.console import LabError
from lab.paths import MIRROR_URL
from lab.process import run


def status() -> int:
    """Print what is there, a line each, and return 0 if the main job can run."""
    address = endpoint.users_host(os.environ, Path.home())
    info = api.describe(address)
    builder = _buildx()
    _line("daemon", _daemon(address, info) if info else f"none answers at {address}")
    for daemon in daemons.ALL:
        if daemon.host != address and (found := api.describe(daemon.host)):
            _line(f"daemon ({daemon.name})", _daemon(daemon.host, found))
    _line("buildx", builder or "not found")
    _line(
        "emulators", ", ".join(name.removeprefix("qemu-") for name in emulators.registered()) or "none registered here"
    )
    held = images.present()
    _line("mirror", f"{MIRROR_URL} answers" if mirror.is_up() else f"none answers at {MIRROR_URL}")
    for name, platforms in held.items():
        _line("stand-in", f"{name}: {', '.join(platforms)}")
    if info is None or not builder:
        _line("verdict", "the main job cannot run: `python3 -m lab up` sets up what is missing")
        return 1
    if info.is_ours:
        ready = images.is_filled(images.DEFAULT_PLATFORMS) and bool(emulators.registered()) and not emulators.missing()
    else:
        # Another's daemon may have its emulators elsewhere (Docker Desktop's are in its own virtual machine).
        ready = endpoint.hub_answers() or all(api.can_get(address, image) for image in endpoint.USUAL_IMAGES)
        if not ready:
            _line("Docker Hub", "not reachable, and the daemon lacks images that the tests use")
    _line(
        "verdict",
        "the main job can run"
        if ready
        else "the main job cannot run: `python3 -m lab up` sets up or says what is missing",
    )
    return 0 if ready else 1


def _daemon(address: str, info: api.Info) -> str:
    whose = "the lab's" if info.is_ours else "not the lab's"
    return f"{info.version}, {info.store} image store, at {address} ({whose})"


def _buildx() -> str:
    if shutil.which("docker") is None:
        return ""
    try:
        return run(["docker", "buildx", "version"], timeout=20).strip()
    except LabError:
        return ""


def _line(name: str, text: str) -> None:
    print(f"{name + ':':<18}{text}")
