"""The options about the audit, read into a policy."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pytest_multiarch.settings.options import AUDIT_OPTIONS, read_number, read_values

if TYPE_CHECKING:
    import pytest

    from pytest_multiarch.audit.policy import Policy


def read_audit_policy(config: pytest.Config) -> Policy:
    """Read and check the options about the audit. Raises `UsageProblem` with the first that is wrong."""
    from pytest_multiarch.audit.policy import DEFAULT, Allowance, Policy, split_words
    from pytest_multiarch.audit.views import AuditLimits

    values = read_values(config, AUDIT_OPTIONS)
    return Policy(
        select=split_words(values["audit-select"]) or (DEFAULT,),
        ignore=split_words(values["audit-ignore"]),
        allow=tuple(Allowance.parse(text) for text in values["audit-allow"]),
        limits=AuditLimits(
            age_gap=timedelta(days=read_number(values["audit-age-gap"], "--multiarch-audit-age-gap", float, 0, 36500)),
            size_ratio=read_number(values["audit-size-ratio"], "--multiarch-audit-size-ratio", float, 1, 1000),
        ),
    )
