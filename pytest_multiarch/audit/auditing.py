"""One image held against the rules: each check is made once, whoever asks, and what it found is kept."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_multiarch.audit.allowance_rule import StaleAllowanceRule
from pytest_multiarch.audit.builtin import builtin_rules
from pytest_multiarch.audit.finding import describe
from pytest_multiarch.audit.policy import Allowance, Policy, check_rules
from pytest_multiarch.audit.rule import ContextRule, ImageRule, IndexRule, PlatformRule, is_per_platform
from pytest_multiarch.audit.sources import OnePlatform, WholeImage
from pytest_multiarch.audit.views import ImageView
from pytest_multiarch.errors import MultiArchError, PlatformMissing
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_multiarch.audit.context import BuildContext
    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.rule import Rule
    from pytest_multiarch.audit.views import AuditSource
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage


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
    """Say what images are held against: the rules that there are, and the policy that chooses from them."""

    known: tuple[Rule, ...]
    policy: Policy
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, policy: Policy | None = None, more_rules: Iterable[object] = ()) -> Audit:
        """Choose from the project's own rules and more.

        Raises UsageProblem: the policy names a rule that is not there, or a rule is none or has another's code.
        """
        known, chosen = check_rules([*builtin_rules(), *more_rules]), policy or Policy()
        return cls(known, chosen, chosen.chosen(known))

    def with_choice(
        self,
        *,
        select: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        allow: Sequence[Allowance] | None = None,
    ) -> Audit:
        """Return this audit with another choice; None leaves what it has. Raises UsageProblem as ``of`` does."""
        policy = replace(
            self.policy,
            select=self.policy.select if select is None else tuple(select),
            ignore=self.policy.ignore if ignore is None else tuple(ignore),
            allow=self.policy.allow if allow is None else tuple(allow),
        )
        return Audit(self.known, policy, policy.chosen(self.known))

    def checks(self, platforms: Sequence[Platform], *, has_context: bool) -> list[Check]:
        """Return what is to be checked, rule by rule; the Dockerfile's rules only where there is one."""
        found: list[Check] = []
        for rule in self.rules:
            if is_per_platform(rule):
                found += [Check(rule, platform) for platform in platforms]
            elif has_context or not isinstance(rule, ContextRule):
                found.append(Check(rule, None))
        return found

    def platform_findings(
        self, image: PlatformImage, *, select: Sequence[str] | None = None, ignore: Sequence[str] | None = None
    ) -> tuple[Finding, ...]:
        """Return what is wrong with one platform's image in itself: the index and the other platforms are not looked at."""
        run = AuditRun(self.with_choice(select=select, ignore=ignore), OnePlatform(image), [image.platform])
        return tuple(
            finding
            for check in run.checks
            if isinstance(check.rule, PlatformRule)
            for finding in run.outcome(check).findings
        )


class AuditRun:
    """Make an audit's checks on one image. Thread-safe; nothing is read before it is needed.

    Args:
        audit: what counts.
        source: gives the image, and its platforms one by one.
        platforms: which of them the audit is about, in the order asked for.
        context: gives what the image was built from; called once, None where it was not built here.
        read: reads an image's files at their first use; for whoever shows progress meanwhile.
        read_ahead: read all platforms' files as soon as one's are wanted; for a source that has the whole image already.

    """

    def __init__(
        self,
        audit: Audit,
        source: AuditSource,
        platforms: Sequence[Platform],
        context: Callable[[], BuildContext] | None = None,
        read: Callable[[PlatformImage], ImageFiles] | None = None,
        *,
        read_ahead: bool = False,
    ) -> None:
        self.audit = audit
        self.source = source
        self.platforms = tuple(platforms)
        self._view = ImageView(source, platforms, audit.policy.limits, read, read_ahead=read_ahead)
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
        """Yield the allowances that cover nothing; makes the checks that they are for. Raises what ``outcome`` raises.

        One that is for a platform which the run does not have, or the image does not offer, is not judged.
        """
        for allowance in self.audit.policy.allow:
            if allowance.platform is not None and allowance.platform not in self.platforms:
                continue
            concerned = [
                check
                for check in self.checks
                if allowance.concerns(check.rule)
                and (allowance.platform is None or check.platform in (None, allowance.platform))
            ]
            made = [outcome for outcome in map(self._made, concerned) if outcome is not None]
            if made and not any(found is allowance for outcome in made for _, found in outcome.allowed):
                yield allowance

    def _made(self, check: Check) -> Outcome | None:
        """Make a check, unless its platform is not offered."""
        try:
            return self.outcome(check)
        except PlatformMissing:
            return None

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


def audit_image(
    image: MultiArchImage, audit: Audit | None = None, platforms: Sequence[Platform] | None = None
) -> tuple[Finding, ...]:
    """Return all that is wrong with an image, by rule and then by platform.

    ``platforms`` are those that it should have; all that it offers unless given. Raises what reading the image raises.
    """
    wanted = image.platforms if platforms is None else platforms
    run = AuditRun(audit or Audit.of(), WholeImage(image), wanted, read_ahead=True)
    return tuple(finding for _, outcome in run.outcomes() for finding in outcome.findings)


def audit_platform(image: PlatformImage, audit: Audit | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with one platform's image in itself: the index and the other platforms are not looked at."""
    return (audit or Audit.of()).platform_findings(image)


def findings_of(
    image: MultiArchImage,
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    allow: Sequence[str] | None = None,
    platforms: Sequence[Platform | str] | None = None,
) -> tuple[Finding, ...]:
    """Return all findings of an image; takes, and raises, what ``assert_no_findings`` does."""
    auditor = image.auditor() if image.auditor is not None else None
    known = auditor if isinstance(auditor, Audit) else Audit.of()
    given = None if allow is None else [Allowance.parse(text) for text in allow]
    audit = known.with_choice(select=select, ignore=ignore, allow=given)
    wanted = image.platforms if platforms is None else [_platform(one) for one in platforms]
    found = audit_image(image, audit, wanted)
    return tuple(one for one in found if given is not None or one.code != StaleAllowanceRule.code)


def assert_no_findings(
    image: MultiArchImage,
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    allow: Sequence[str] | None = None,
    platforms: Sequence[Platform | str] | None = None,
) -> None:
    """Raise AssertionError with all findings of an image, unless there are none.

    Args:
        image: all its platforms are looked at, unless ``platforms`` names others.
        select: rules by code, by the beginning of a code (``MA2``), or by name; the run's own choice unless given.
        ignore: rules that do not count, the same way.
        allow: what may be found, each as ``MA201 /usr/lib/firmware/** because …``; the run's own unless given, which are
            then not judged: they may be for another image.
        platforms: those that the image should have.

    Raises UsageProblem: a rule or a platform is not there, or an allowance has no reason. Else what reading raises.

    """
    findings = findings_of(image, select=select, ignore=ignore, allow=allow, platforms=platforms)
    if findings:
        count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        raise AssertionError(f"{count} in {image.reference}\n{describe(findings)}")


def _platform(given: Platform | str) -> Platform:
    return Platform.parse(given) if isinstance(given, str) else given
