"""What a daemon says of itself, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """Hold what the daemon says of itself. ``store`` is ``containerd`` or ``classic``; ``mirrors`` are those of Docker Hub."""

    version: str
    api_version: str
    platform: Platform
    store: str
    mirrors: tuple[str, ...]
    insecure_registries: tuple[str, ...]
    kernel: str = ""
    host: str = ""


def describe_engine(facts: DaemonFacts, buildx: str = "") -> str:
    """Return one line that tells this daemon from others; ``buildx`` is the version of what builds, if anything does."""
    line = f"Docker Engine {facts.version} for {facts.platform}, {facts.store} image store"
    return f"{line}, buildx {buildx}" if buildx else line


def read_facts(version: Mapping[str, Any], info: Mapping[str, Any]) -> DaemonFacts:
    """Return what the daemon's answers to ``/version`` and ``/info`` say."""
    registries = info.get("RegistryConfig") or {}
    hub = (registries.get("IndexConfigs") or {}).get("docker.io") or {}
    mirrors = hub.get("Mirrors") or registries.get("Mirrors") or ()
    insecure = [name for name, entry in (registries.get("IndexConfigs") or {}).items() if not entry.get("Secure", True)]
    status = [tuple(pair) for pair in info.get("DriverStatus") or ()]
    return DaemonFacts(
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        # What the daemon was built for. `info` has the kernel's word for the machine, such as armv7l, which is no architecture.
        platform=Platform.from_fields(
            str(version.get("Os") or info.get("OSType", "linux")),
            str(version.get("Arch") or info.get("Architecture", "")),
        ),
        store="containerd" if ("driver-type", "io.containerd.snapshotter.v1") in status else "classic",
        mirrors=tuple(str(mirror).rstrip("/") for mirror in mirrors),
        insecure_registries=tuple(insecure),
        kernel=str(info.get("KernelVersion", "")),
        host=str(info.get("Name", "")),
    )
