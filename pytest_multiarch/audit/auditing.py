"""One image held against the rules: each check is made once, whoever asks, and what it found is kept."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_multiarch.audit.allowance_rule import StaleAllowanceRule
from pytest_multiarch.audit.builtin import builtin_rules
from pytest_multiarch.audit.finding import describe
from pytest_multiarch.audit.policy import Policy, check_rules
from pytest_multiarch.audit.rule import ContextRule, ImageRule, IndexRule, PlatformRule, is_per_platform
from pytest_multiarch.audit.views import ImageView
from pytest_multiarch.errors import MultiArchError, PlatformMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_multiarch.audit.context import BuildContext
    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.policy import Allowance
    from pytest_multiarch.audit.rule import Rule
    from pytest_multiarch.audit.views import AuditSource
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform


class Check(NamedTuple):
    """One rule, and the platform that it looks at; None for one that looks at all of them at once."""

    rule: Rule
    platform: Platform | None

    @property
    def name(self) -> str:
        """Return how it is called: ``MA201[linux/arm64]``."""
        return self.rule.code if self.platform is None else f"{self.rule.code}[{self.platform}]"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a check found: what is wrong, and what is allowed, each with the allowance that covers it."""

    findings: tuple[Finding, ...]
    allowed: tuple[tuple[Finding, Allowance], ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """Say what an image is held against: the rules that count, and the policy that they were chosen by."""

    rules: tuple[Rule, ...]
    policy: Policy

    @classmethod
    def of(cls, policy: Policy | None = None, more_rules: Iterable[object] = ()) -> Audit:
        """Choose from the project's own rules and more.

        Raises UsageProblem: the policy names a rule that is not there, or a rule is none or has another's code.
        """
        chosen = policy or Policy()
        return cls(chosen.chosen(check_rules([*builtin_rules(), *more_rules])), chosen)

    def checks(self, platforms: Sequence[Platform], *, has_context: bool) -> list[Check]:
        """Return what is to be checked, rule by rule; the Dockerfile's rules only where there is one."""
        found: list[Check] = []
        for rule in self.rules:
            if is_per_platform(rule):
                found += [Check(rule, platform) for platform in platforms]
            elif has_context or not isinstance(rule, ContextRule):
                found.append(Check(rule, None))
        return found


class AuditRun:
    """Make an audit's checks on one image. Thread-safe; nothing is read before it is needed.

    Args:
        audit: what counts.
        source: gives the image, and its platforms one by one.
        platforms: which of them the audit is about, in the order asked for.
        context: gives what the image was built from; called once, None where it was not built here.

    """

    def __init__(
        self,
        audit: Audit,
        source: AuditSource,
        platforms: Sequence[Platform],
        context: Callable[[], BuildContext] | None = None,
    ) -> None:
        self.audit = audit
        self.platforms = tuple(platforms)
        self._view = ImageView(source, platforms, audit.policy.limits)
        self._make_context = context
        self._context: BuildContext | None = None
        self._outcomes: dict[Check, Outcome] = {}
        self._lock = threading.RLock()

    @property
    def checks(self) -> list[Check]:
        """Return all checks of this run."""
        return self.audit.checks(self.platforms, has_context=self._make_context is not None)

    def outcome(self, check: Check) -> Outcome:
        """Make a check, or return what it found before.

        Raises PlatformMissing: its platform is not offered, and the rule needs it. Raises MultiArchError: the image cannot
        be read; nothing is remembered of that.
        """
        with self._lock:
            if check not in self._outcomes:
                self._outcomes[check] = self._judged(tuple(self._findings(check)))
            return self._outcomes[check]

    def outcomes(self) -> Iterator[tuple[Check, Outcome]]:
        """Make all checks. Of a platform that is not offered only the index is looked at, where that says so."""
        checks = self.checks
        absent = {check.platform for check in checks if check.rule.code == "MA101" and self.outcome(check).findings}
        for check in checks:
            if check.platform not in absent or check.rule.code == "MA101":
                yield check, self.outcome(check)

    def stale_allowances(self) -> Iterator[Allowance]:
        """Yield the allowances that cover nothing; makes the checks that they are for. Raises what ``outcome`` raises."""
        for allowance in self.audit.policy.allow:
            concerned = [
                check
                for check in self.checks
                if allowance.concerns(check.rule) and allowance.platform in (None, check.platform)
            ]
            used = any(found is allowance for check in concerned for found in self._covering(check))
            if concerned and not used:
                yield allowance

    def _covering(self, check: Check) -> list[Allowance]:
        try:
            return [allowance for _, allowance in self.outcome(check).allowed]
        except PlatformMissing:
            return []

    def _findings(self, check: Check) -> Iterable[Finding]:
        rule, platform = check
        if isinstance(rule, PlatformRule) and platform is not None:
            return rule.check(self._view.platform(platform))
        if isinstance(rule, IndexRule) and platform is not None:
            return rule.check(self._view, platform)
        if isinstance(rule, ImageRule):
            return rule.check(self._view)
        if isinstance(rule, ContextRule):
            return rule.check(self._build_context())
        if isinstance(rule, StaleAllowanceRule):
            return rule.check(self.stale_allowances())
        raise MultiArchError(
            f"make the check {check.name}",
            f"{type(rule).__name__} is no PlatformRule, IndexRule, ImageRule or ContextRule",
            "Derive it from one of them",
        )

    def _judged(self, found: Sequence[Finding]) -> Outcome:
        findings: list[Finding] = []
        allowed: list[tuple[Finding, Allowance]] = []
        for finding in found:
            covering = next((one for one in self.audit.policy.allow if one.covers(finding)), None)
            if covering is None:
                findings.append(finding)
            else:
                allowed.append((finding, covering))
        return Outcome(tuple(findings), tuple(allowed))

    def _build_context(self) -> BuildContext:
        if self._context is None:
            if self._make_context is None:
                raise MultiArchError("look at the Dockerfile", "this image was not built here")
            self._context = self._make_context()
        return self._context


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Be the source of an audit of one image that is there as a whole."""

    whole: MultiArchImage

    def image(self) -> MultiArchImage:
        """Return the image."""
        return self.whole

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image. Raises PlatformMissing."""
        return self.whole.for_platform(platform)


@dataclass(frozen=True, slots=True)
class OnePlatform:
    """Be the source of an audit of one platform's image, of whose index nothing is known."""

    only: PlatformImage

    def image(self) -> MultiArchImage:
        """Raise MultiArchError: there is one platform only."""
        raise MultiArchError(
            f"audit {self.only}", "only this platform's image is given", "Audit the whole image: its index is looked at"
        )

    def platform(self, platform: Platform) -> PlatformImage:
        """Return the image."""
        return self.only


def audit_image(
    image: MultiArchImage, audit: Audit | None = None, platforms: Sequence[Platform] | None = None
) -> tuple[Finding, ...]:
    """Return all that is wrong with an image, by rule and then by platform.

    ``platforms`` are those that it should have; all that it offers unless given. Raises what reading the image raises.
    """
    run = AuditRun(audit or Audit.of(), WholeImage(image), image.platforms if platforms is None else platforms)
    return tuple(finding for _, outcome in run.outcomes() for finding in outcome.findings)


def audit_platform(image: PlatformImage, audit: Audit | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with one platform's image in itself: the index and the other platforms are not looked at."""
    run = AuditRun(audit or Audit.of(), OnePlatform(image), [image.platform])
    return tuple(
        finding
        for check in run.checks
        if isinstance(check.rule, PlatformRule)
        for finding in run.outcome(check).findings
    )


def assert_no_findings(
    image: MultiArchImage, audit: Audit | None = None, platforms: Sequence[Platform] | None = None
) -> None:
    """Raise AssertionError with all findings, unless there are none."""
    findings = audit_image(image, audit, platforms)
    if findings:
        raise AssertionError(f"{len(findings)} findings in {image.reference}\n{describe(findings)}")
