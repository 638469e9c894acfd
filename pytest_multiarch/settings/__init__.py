"""Options, their ini twins and the defaults, read once into frozen values."""

from __future__ import annotations

from pytest_multiarch.settings.audit import read_audit_policy
from pytest_multiarch.settings.options import (
    AUDIT_OPTIONS,
    OPTIONS,
    Option,
    add_options,
    is_audit_configured,
    is_audit_wanted,
    is_configured,
)
from pytest_multiarch.settings.reading import Settings, read_settings, resolve_image

__all__ = [
    "AUDIT_OPTIONS",
    "OPTIONS",
    "Option",
    "Settings",
    "add_options",
    "is_audit_configured",
    "is_audit_wanted",
    "is_configured",
    "read_audit_policy",
    "read_settings",
    "resolve_image",
]
