"""What acceptance files turn into: checks as values, the same for whoever writes them in Python."""

from __future__ import annotations

from pytest_multiarch.acceptance.checks.commands import CommandCheck
from pytest_multiarch.acceptance.checks.config import ConfigCheck, Named
from pytest_multiarch.acceptance.checks.files import FileCheck, LicenseCheck
from pytest_multiarch.acceptance.checks.outcome import Check, Mismatch, Outcome, Subject, WholeCheck, WholeSubject
from pytest_multiarch.acceptance.checks.services import Request, ServiceCheck
from pytest_multiarch.acceptance.checks.text import TextExpectation
from pytest_multiarch.acceptance.checks.whole import AuditCheck, IndexCheck, ParityCheck

__all__ = [
    "AuditCheck",
    "Check",
    "CommandCheck",
    "ConfigCheck",
    "FileCheck",
    "IndexCheck",
    "LicenseCheck",
    "Mismatch",
    "Named",
    "Outcome",
    "ParityCheck",
    "Request",
    "ServiceCheck",
    "Subject",
    "TextExpectation",
    "WholeCheck",
    "WholeSubject",
]
