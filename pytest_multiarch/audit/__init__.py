"""What is wrong with an image: rules over what `image/` reads, each with a stable code. Nothing runs."""

from __future__ import annotations

from pytest_multiarch.audit.auditing import (
    Audit,
    AuditRun,
    Check,
    Outcome,
    assert_no_findings,
    audit_image,
    audit_platform,
)
from pytest_multiarch.audit.builtin import builtin_rules
from pytest_multiarch.audit.context import BuildContext
from pytest_multiarch.audit.finding import Finding, describe
from pytest_multiarch.audit.policy import Allowance, Policy
from pytest_multiarch.audit.rule import ContextRule, ImageRule, IndexRule, PlatformRule, Rule
from pytest_multiarch.audit.views import AuditLimits, ImageView, PlatformView

__all__ = [
    "Allowance",
    "Audit",
    "AuditLimits",
    "AuditRun",
    "BuildContext",
    "Check",
    "ContextRule",
    "Finding",
    "ImageRule",
    "ImageView",
    "IndexRule",
    "Outcome",
    "PlatformRule",
    "PlatformView",
    "Policy",
    "Rule",
    "assert_no_findings",
    "audit_image",
    "audit_platform",
    "builtin_rules",
    "describe",
]
