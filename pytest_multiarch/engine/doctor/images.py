"""The images that a run itself needs: there already, or to be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.doctor.check import Status


def check_buildkit_image(engine: Engine, image: str) -> Check:
    """Say whether a builder can be made; on the containerd store the daemon's own BuildKit steps in."""
    if engine.facts.store == "containerd":
        hint = "The daemon's own BuildKit builds instead, and keeps its build cache."
        return _check(engine, "buildkit-image", image, "warning", f"{hint} --multiarch-buildkit-image names another.")
    return _check(engine, "buildkit-image", image, "failure", "Name one that is, with --multiarch-buildkit-image.")


def check_registry_image(engine: Engine, image: str) -> Check:
    """Say whether the throwaway registry's image is there, or to be had."""
    return _check(engine, "registry-image", image, "failure", "Name one that is, with --multiarch-registry-image.")


def _check(engine: Engine, name: str, image: str, otherwise: Status, hint: str) -> Check:
    try:
        if engine.has_image(image):
            return Check(name, "ok", f"{image} is there", facts={"image": image, "present": True})
        with translated(f"looking for {image} through the daemon"):
            # An empty dict keeps the SDK from asking the user's credential helpers, as a pull of ours does.
            engine.api.inspect_distribution(image, auth_config={})  # type: ignore[no-untyped-call]  # a gap in types-docker
    except EngineError as error:
        return Check(
            name, otherwise, f"{image} is not to be had: {error.found}", hint, {"image": image, "present": False}
        )
    return Check(name, "ok", f"{image} is to be had", facts={"image": image, "present": False})
