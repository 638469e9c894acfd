"""The docker client with its buildx plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.engine.builder import buildx_version
from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_buildx(environ: Mapping[str, str]) -> Check:
    """Say which buildx there is; none, or one that is too old, is a failure."""
    try:
        version = ".".join(map(str, buildx_version(environ)))
    except MultiArchError as error:
        return Check.of_error("buildx", error)
    return Check("buildx", "ok", version, facts={"version": version})
