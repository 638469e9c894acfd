"""Test multi-architecture container images: what a test module or a conftest may import.

The names are loaded when they are first used, so that an installed but unused plugin costs nothing at start-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_multiarch.audit import Finding, assert_no_findings
    from pytest_multiarch.engine.container import Container
    from pytest_multiarch.engine.mounts import Mount
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.engine.waiting import Healthy, HttpAnswers, LogLine, PortOpen
    from pytest_multiarch.errors import CpuLevelMissing, EmulatorCrash, MultiArchError, PlatformUnavailable
    from pytest_multiarch.image.attestations import Attestation, Provenance, Sbom, Statement
    from pytest_multiarch.image.entries import FileEntry
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.members import FileKind
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult

__all__ = [
    "Attestation",
    "BuildSpec",
    "CommandResult",
    "Container",
    "CpuLevelMissing",
    "EmulatorCrash",
    "FileEntry",
    "FileKind",
    "Finding",
    "Healthy",
    "HttpAnswers",
    "ImageFiles",
    "LogLine",
    "Mount",
    "MultiArchError",
    "MultiArchImage",
    "Platform",
    "PlatformImage",
    "PlatformUnavailable",
    "PortOpen",
    "Provenance",
    "Sbom",
    "Service",
    "Statement",
    "assert_no_findings",
]

_HOMES = {
    "Attestation": "image.attestations",
    "BuildSpec": "engine.spec",
    "CommandResult": "results",
    "Container": "engine.container",
    "CpuLevelMissing": "errors",
    "EmulatorCrash": "errors",
    "FileEntry": "image.entries",
    "FileKind": "image.members",
    "Finding": "audit",
    "Healthy": "engine.waiting",
    "HttpAnswers": "engine.waiting",
    "ImageFiles": "image.filesystem",
    "LogLine": "engine.waiting",
    "Mount": "engine.mounts",
    "MultiArchError": "errors",
    "MultiArchImage": "image.index",
    "Platform": "platforms",
    "PlatformImage": "image.platform_image",
    "PlatformUnavailable": "errors",
    "PortOpen": "engine.waiting",
    "Provenance": "image.attestations",
    "Sbom": "image.attestations",
    "Service": "engine.services",
    "Statement": "image.attestations",
    "assert_no_findings": "audit",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
