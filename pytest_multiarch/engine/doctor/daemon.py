"""The Docker daemon: which it is, where, and what is particular about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.image.wording import plain_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.facts import DaemonFacts

_CLASSIC_HINT = (
    "The classic store keeps one platform of a tag, so a builder of the docker driver builds there only what it can also run; "
    'Docker\'s containerd store has all: {"features": {"containerd-snapshotter": true}} in daemon.json.'
)


def read_info(engine: Engine) -> dict[str, Any]:
    """Return what ``docker info`` shows. Raises `EngineError`."""
    with translated("asking the Docker daemon what it is"):
        info: dict[str, Any] = engine.api.info()
    return info


def check_docker(engine: Engine, info: Mapping[str, Any]) -> Check:
    """Say which daemon answers, where, and whether it is one of the kinds that behave in their own way."""
    facts = engine.facts
    system = str(info.get("OperatingSystem", ""))
    kinds = {
        "rootless": any("name=rootless" in str(option) for option in info.get("SecurityOptions") or ()),
        "desktop": "Docker Desktop" in system,
        "remote": engine.is_elsewhere,
    }
    words = {"rootless": "rootless", "desktop": "Docker Desktop", "remote": "on another machine"}
    particular = ", ".join(words[kind] for kind, is_it in kinds.items() if is_it)
    address = plain_url(engine.address)
    summary = f"Engine {facts.version}, API {facts.api_version}, {facts.platform}, at {address}"
    return Check(
        "docker",
        "ok",
        f"{summary} ({particular})" if particular else summary,
        facts={
            "version": facts.version,
            "api": facts.api_version,
            "platform": str(facts.platform),
            "address": address,
            "system": system,
            **kinds,
        },
    )


def check_store(facts: DaemonFacts) -> Check:
    """Say how the daemon keeps images: both ways work, and differ."""
    is_classic = facts.store == "classic"
    return Check("image-store", "ok", facts.store, _CLASSIC_HINT if is_classic else "", {"store": facts.store})
