"""Options, their ini twins and the defaults, read once into frozen values.

Every pytest run that has the plugin installed registers the options; what reads them is loaded where they are read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pytest_multiarch.settings.options import (
    AUDIT_OPTIONS,
    OPTIONS,
    STRUCTURE_OPTIONS,
    Option,
    add_options,
    is_audit_configured,
    is_audit_wanted,
    is_configured,
)

if TYPE_CHECKING:
    from pytest_multiarch.settings.acceptance import StructureSettings, read_structure_settings
    from pytest_multiarch.settings.audit import read_audit_policy
    from pytest_multiarch.settings.reading import Settings, read_settings, resolve_image

_READING = {
    "Settings": "reading",
    "StructureSettings": "acceptance",
    "read_audit_policy": "audit",
    "read_settings": "reading",
    "read_structure_settings": "acceptance",
    "resolve_image": "reading",
}

__all__ = [
    "AUDIT_OPTIONS",
    "OPTIONS",
    "STRUCTURE_OPTIONS",
    "Option",
    "Settings",
    "StructureSettings",
    "add_options",
    "is_audit_configured",
    "is_audit_wanted",
    "is_configured",
    "read_audit_policy",
    "read_settings",
    "read_structure_settings",
    "resolve_image",
]


def __getattr__(name: str) -> object:
    """Load what reads options at its first use (PEP 562)."""
    if name not in _READING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_READING[name]}"), name)
