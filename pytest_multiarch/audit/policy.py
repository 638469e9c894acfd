"""What an audit looks at and what it lets pass: rules selected and ignored, paths allowed for a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_multiarch.audit.rule import CODE, Rule
from pytest_multiarch.audit.views import AuditLimits
from pytest_multiarch.errors import InvalidPlatform, UsageProblem
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.audit.finding import Finding

DEFAULT: Final = "default"
ALL: Final = "all"

_ALLOWANCE: Final = re.compile(
    r"(?P<rules>[^\s\[]+)(?:\[(?P<platform>[^\]]*)\])?\s+(?P<pattern>\S(?:.*?\S)?)\s+because\s+(?P<reason>\S.*)",
    re.DOTALL,
)
_TOKENS: Final = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", re.DOTALL)
_WILD: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_FORM: Final = "Write it as: MA201 /usr/lib/firmware/** because the modem has another processor"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Let findings pass, for a reason that is written down.

    ``rules`` are codes or names, ``pattern`` a glob over the finding's path, or over its item (``libc6:i386``): ``*`` stays
    within one name, ``**`` is everything. A ``platform`` keeps it to that platform's own findings.
    """

    rules: tuple[str, ...]
    pattern: str
    reason: str
    platform: Platform | None = None

    @classmethod
    def parse(cls, text: str) -> Allowance:
        """Read ``MA201[linux/arm64] /usr/lib/firmware/** because …``; several rules are separated by commas.

        Raises UsageProblem: a part is missing. Raises InvalidPlatform: the brackets hold no platform.
        """
        tried = f"reading the allowance {text!r}"
        found = _ALLOWANCE.fullmatch(text.strip())
        if found is None:
            missing = "it has no reason" if " because" not in text else "it is not made of rule, path and reason"
            raise UsageProblem(tried, missing, _FORM)
        try:
            platform = Platform.parse(found["platform"]) if found["platform"] is not None else None
        except InvalidPlatform as error:
            raise InvalidPlatform(tried, f"{error.tried}: {error.found}", error.hint) from None
        try:
            _pattern(found["pattern"])
        except re.error as error:
            raise UsageProblem(tried, f"{found['pattern']!r} is no pattern: {error.msg}", _FORM) from None
        rules = tuple(part for part in found["rules"].split(",") if part)
        return cls(rules, found["pattern"], " ".join(found["reason"].split()), platform)

    def __str__(self) -> str:
        """Return the form that ``parse`` reads."""
        platform = f"[{self.platform}]" if self.platform is not None else ""
        return f"{','.join(self.rules)}{platform} {self.pattern} because {self.reason}"

    def concerns(self, rule: Rule) -> bool:
        """Tell whether this is about a rule."""
        return rule.code in self.rules or rule.name in self.rules

    def covers(self, finding: Finding) -> bool:
        """Tell whether a finding passes."""
        if finding.code not in self.rules and finding.rule not in self.rules:
            return False
        if self.platform is not None and finding.platform != self.platform:
            return False
        matches = _pattern(self.pattern)
        return any(matches.fullmatch(place) is not None for place in (finding.path, finding.item) if place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Say which rules count and what passes.

    ``select`` and ``ignore`` hold codes, beginnings of codes (``MA2``) or names; `select` also ``default`` (all that are
    not opt-in) and ``all``.
    """

    select: tuple[str, ...] = (DEFAULT,)
    ignore: tuple[str, ...] = ()
    allow: tuple[Allowance, ...] = ()
    limits: AuditLimits = field(default_factory=AuditLimits)

    def chosen(self, rules: Iterable[Rule]) -> tuple[Rule, ...]:
        """Return the rules that count, in the order of their codes.

        Raises UsageProblem: one that is selected, ignored or allowed is not there, or nothing is left.
        """
        known = sorted(rules, key=lambda rule: rule.code)
        for word in (*self.select, *self.ignore):
            if word not in (DEFAULT, ALL) and not any(_names(word, rule) for rule in known):
                raise _unknown(word, "choosing the audit's rules", known)
        for allowance in self.allow:
            for word in allowance.rules:
                if not any(word in (rule.code, rule.name) for rule in known):
                    raise _unknown(word, f"reading the allowance {str(allowance)!r}", known)
        selected = tuple(
            rule
            for rule in known
            if any(_selects(word, rule) for word in self.select) and not any(_names(word, rule) for word in self.ignore)
        )
        if not selected:
            raise UsageProblem(
                "choosing the audit's rules", "none is left", "Select fewer away, or leave the audit out."
            )
        return selected


def check_rules(rules: Sequence[object]) -> tuple[Rule, ...]:
    """Return the rules, each a `Rule` and each code and name once. Raises UsageProblem: they are not."""
    found: dict[str, Rule] = {}
    for rule in rules:
        if not isinstance(rule, Rule):
            raise UsageProblem(
                "collecting the audit's rules",
                f"{rule!r} is no instance of pytest_multiarch.audit.Rule",
                "pytest_multiarch_audit_rules returns instances of rules, not classes.",
            )
        for word in (rule.code, rule.name):
            if word in found:
                other = type(found[word]).__name__
                raise UsageProblem(
                    "collecting the audit's rules",
                    f"{type(rule).__name__} and {other} are both called {word}",
                    "Give one of them a code and a name of its own.",
                )
            found[word] = rule
    return tuple(dict.fromkeys(found.values()))


def split_words(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the words of lists that are separated by commas or blanks."""
    return tuple(word for text in texts for word in text.replace(",", " ").split())


def _selects(word: str, rule: Rule) -> bool:
    if word == ALL:
        return True
    if word == DEFAULT:
        return not rule.opt_in
    # A beginning means a family as it is by default: MA1 does not turn an opt-in rule on.
    return _names(word, rule) and (not rule.opt_in or word in (rule.code, rule.name))


def _names(word: str, rule: Rule) -> bool:
    if word == rule.name:
        return True
    return rule.code.startswith(word) and (word == rule.code or CODE.fullmatch(word) is None)


def _unknown(word: str, tried: str, known: Sequence[Rule]) -> UsageProblem:
    codes = ", ".join(rule.code for rule in known)
    return UsageProblem(tried, f"there is no rule {word!r}", f"There are {codes}.")


def _pattern(pattern: str) -> re.Pattern[str]:
    """Return a glob as an expression. Python's own `glob.translate` is there from 3.13 on only."""
    return re.compile("".join(_expression(token) for token in _TOKENS.findall(pattern)), re.DOTALL)


def _expression(token: str) -> str:
    if token in _WILD:
        return _WILD[token]
    if token.startswith("[") and token[1:-1] not in ("", "!"):
        negated, inner = token[1] == "!", token[1:-1].removeprefix("!")
        # What means something in an expression's set and nothing in a glob's; Python warns of what could one day.
        inner = re.sub(r"[\\\[\]^&~|]|(?<=-)-", r"\\\g<0>", inner)
        return f"[{'^' if negated else ''}{inner}]"
    return re.escape(token)
