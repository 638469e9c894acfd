"""The audit as test items: one for each rule and platform, one for each rule that looks at all platforms at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_multiarch.audit.finding import describe
from pytest_multiarch.audit.rule import ContextRule, PlatformRule
from pytest_multiarch.errors import MultiArchError, UsageProblem
from pytest_multiarch.plugin.reports import without_traceback
from pytest_multiarch.plugin.state import State

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from pytest_multiarch.audit import AuditRun, Check, Finding

_NAME = "audit"


class AuditFailure(AssertionError):
    """Say that a check found something; as text the headline, each finding, and how to mend it."""

    def __init__(self, check: Check, findings: Sequence[Finding]) -> None:
        super().__init__(check.name, len(findings))
        self.check = check
        self.findings = tuple(findings)

    def __str__(self) -> str:
        explanation = self.check.rule.explanation
        count = "1 finding" if len(self.findings) == 1 else f"{len(self.findings)} findings"
        lines = [f"{self.check.name} {self.check.rule.name}: {count}", explanation.summary, "", describe(self.findings)]
        return "\n".join([*lines, "", f"Mend: {explanation.mend}"] if explanation.mend else lines)


class AuditPlugin:
    """Add the audit's items to what was collected; registered where the audit is wanted."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Collect the checks, so that other plugins select among them as among all tests."""
        collector: AuditCollector = AuditCollector.from_parent(session, name=_NAME, nodeid=_NAME)
        items += session.genitems(collector)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what a check let pass into its report (``-rA`` shows it)."""
        report = yield
        if isinstance(item, AuditItem) and call.when == "call" and item.allowed:
            report.sections.append(("allowed by the audit's settings", "\n".join(item.allowed)))
        return report


class AuditCollector(pytest.Collector):
    """Hold the audit's items; its node id is ``audit``."""

    def collect(self) -> Iterator[AuditItem]:
        """Yield an item for each check. Reads no image: which platforms there are, the options say."""
        state = State.of(self.config)
        try:
            settings, audit = state.settings, state.audit
        except UsageProblem as problem:
            raise pytest.UsageError(str(problem)) from None
        for check in audit.checks(settings.platforms, has_context=not settings.image):
            yield AuditItem.from_parent(self, name=check.name, callobj=_make, check=check)


class AuditItem(pytest.Function):
    """Make one check; a function item, so that fixtures, markers and other plugins work as with any test."""

    def __init__(self, *, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self.allowed: list[str] = []

    def setup(self) -> None:
        """Get the platform's image, so that one that is not to be had is told once and not by each rule."""
        super().setup()
        run = self._run
        if isinstance(self.check.rule, PlatformRule) and self.check.platform is not None:
            run.source.platform(self.check.platform)
        elif not isinstance(self.check.rule, ContextRule):
            run.source.image()

    def runtest(self) -> None:
        """Make the check. Raises `AuditFailure` where it finds something."""
        run = self._run
        outcome = run.outcome(self.check)
        self.allowed = [f"because {allowance.reason}:\n{finding}" for finding, allowance in outcome.allowed]
        if outcome.findings:
            raise AuditFailure(self.check, outcome.findings)

    @property
    def _run(self) -> AuditRun:
        return cast("AuditRun", self.funcargs["_multiarch_audit_run"])

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the item is: nowhere in a file."""
        return self.config.rootpath / _NAME, None, f"{_NAME}: {self.name}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """Show what was found, or why the image cannot be read, without a traceback: no code of the user's is in it."""
        if isinstance(excinfo.value, AuditFailure | MultiArchError):
            return without_traceback(excinfo)
        return super().repr_failure(excinfo, *args, **kwargs)


def _make(_multiarch_audit_run: object) -> None:
    """Name the fixture that the items use; `AuditItem.runtest` does the work."""
