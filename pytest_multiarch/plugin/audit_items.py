"""The audit as tests: a module that no file holds, with a function for each rule, parametrized as any test of a user's is."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.audit import Check
from pytest_multiarch.audit.finding import describe
from pytest_multiarch.audit.rule import ContextRule, IndexRule, PlatformRule
from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.plugin.reports import without_traceback
from pytest_multiarch.plugin.state import State
from pytest_multiarch.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from pytest_multiarch.audit import AuditRun, Finding, Rule
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform

_NAME = "audit"
_ALLOWED = pytest.StashKey[list[str]]()


class AuditFailure(AssertionError):
    """Say that a check found something; as text the headline, each finding, and how to mend it."""

    def __init__(self, check: Check, findings: Sequence[Finding]) -> None:
        super().__init__(check.name, len(findings))
        self.check = check
        self.findings = tuple(findings)

    def __str__(self) -> str:
        explanation = self.check.rule.explanation
        count = "1 finding" if len(self.findings) == 1 else f"{len(self.findings)} findings"
        lines = [f"{self.check.rule.name}: {count}", explanation.summary, "", describe(self.findings)]
        return shown("\n".join([*lines, "", f"Mend: {explanation.mend}"] if explanation.mend else lines))


class AuditPlugin:
    """Add the audit's tests to what was collected; registered where the audit is wanted."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Collect the checks, so that other plugins select among them as among all tests."""
        module: AuditModule = AuditModule.from_parent(session, path=session.config.rootpath / _NAME)
        items += session.genitems(module)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show what was found, or why the image cannot be read, without a traceback: no code of the user's is in it.

        What a check let pass is in its report as well (``-rA`` shows it).
        """
        report = yield
        if call.when != "call" or item.getparent(AuditModule) is None:
            return report
        if call.excinfo is not None and isinstance(call.excinfo.value, AuditFailure | MultiArchError):
            report.longrepr = without_traceback(call.excinfo)
        if allowed := item.stash.get(_ALLOWED, []):
            report.sections.append(("allowed by the audit's settings", "\n".join(allowed)))
        return report


class AuditModule(pytest.Module):
    """Hold a function for each rule of the run; its node id is ``audit``."""

    def _getobj(self) -> types.ModuleType:
        """Return the module, which is made here and not imported."""
        module = types.ModuleType(_NAME)
        state = State.of(self.config)
        for rule in state.audit.rules:
            if not isinstance(rule, ContextRule) or not state.settings.image:
                setattr(module, rule.code, self._function(rule))
        return module

    def istestfunction(self, obj: object, name: str) -> bool:
        """Tell that all functions are tests, whatever the names of the user's are."""
        return isinstance(obj, types.FunctionType)

    def _function(self, rule: Rule) -> Callable[..., None]:
        function = _test_of(rule)
        function.__name__ = function.__qualname__ = rule.code
        function.__doc__ = rule.explanation.summary
        # Reports name the place where a function was written: ours would be the plugin's.
        function.__code__ = function.__code__.replace(co_filename=str(self.path), co_name=rule.code)
        return function


def _test_of(rule: Rule) -> types.FunctionType:
    """Return a rule as a test. Its arguments decide what is waited for: one platform's image, the whole one, or none."""

    def of_platform(
        request: pytest.FixtureRequest,
        platform_image: PlatformImage,
        target_platform: Platform,
        _multiarch_audit_run: AuditRun,
    ) -> None:
        _make(request.node, _multiarch_audit_run, Check(rule, target_platform))

    def of_entry(
        request: pytest.FixtureRequest,
        multiarch_image: MultiArchImage,
        target_platform: Platform,
        _multiarch_audit_run: AuditRun,
    ) -> None:
        _make(request.node, _multiarch_audit_run, Check(rule, target_platform))

    def of_image(
        request: pytest.FixtureRequest,
        multiarch_image: MultiArchImage,
        _multiarch_audit_run: AuditRun,
    ) -> None:
        _make(request.node, _multiarch_audit_run, Check(rule, None))

    def of_dockerfile(
        request: pytest.FixtureRequest,
        _multiarch_audit_run: AuditRun,
    ) -> None:
        _make(request.node, _multiarch_audit_run, Check(rule, None))

    function: Any = of_image
    if isinstance(rule, PlatformRule):
        function = of_platform
    elif isinstance(rule, IndexRule):
        function = of_entry
    elif isinstance(rule, ContextRule):
        function = of_dockerfile
    assert isinstance(function, types.FunctionType)
    return function


def _make(item: pytest.Item, run: AuditRun, check: Check) -> None:
    outcome = run.outcome(check)
    item.stash[_ALLOWED] = [shown(f"because {allowance.reason}:\n{finding}") for finding, allowance in outcome.allowed]
    if outcome.findings:
        raise AuditFailure(check, outcome.findings)
