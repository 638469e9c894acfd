"""The page of all rules, made from their docstrings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_multiarch.audit.rule import ContextRule, ImageRule, IndexRule, PlatformRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.audit.rule import Rule

_HEAD: Final = """\
# Rules of the audit

Made from the rules themselves by `python -m pytest_multiarch.audit`. `pytest --multiarch-audit` runs them as tests; how to select,
ignore and allow is in the [README](../README.md#audit). Codes never change their meaning. `--multiarch-audit-select` and
`--multiarch-audit-ignore` take codes, names, and beginnings of codes: `MA2` is all of machine code.
"""

#: By the beginning of the code, in this order.
_FAMILIES: Final = {
    "MA1": "The index",
    "MA2": "Machine code",
    "MA3": "Packages",
    "MA4": "Entrypoint and command",
    "MA5": "Parity of the platforms",
    "MA6": "The Dockerfile",
    "MA9": "The audit's settings",
}
_SCOPES: Final[dict[type[Rule], str]] = {
    PlatformRule: "Once for each platform.",
    IndexRule: "Once for each platform.",
    ImageRule: "Once, all platforms side by side.",
    ContextRule: "Once, and only where the image is built by the run.",
}
_ISSUE: Final = re.compile(r"(?<![\w/])([\w.-]+/[\w.-]+)#([0-9]+)", re.ASCII)


def rules_page(rules: Sequence[Rule]) -> str:
    """Return the page in Markdown, with a table of all rules and a section for each."""
    return "\n".join(_lines(sorted(rules, key=lambda rule: rule.code)))


def _lines(rules: Sequence[Rule]) -> Iterator[str]:
    yield _HEAD
    yield "| code | name | finds |"
    yield "|---|---|---|"
    for rule in rules:
        yield f"| [{rule.code}](#{_anchor(rule)}) | `{rule.name}` | {rule.explanation.summary.removeprefix('Find ').rstrip('.')} |"
    yield ""
    family = ""
    for rule in rules:
        if not rule.code.startswith(family) or not family:
            family = next((beginning for beginning in _FAMILIES if rule.code.startswith(beginning)), rule.code)
            yield f"## {_FAMILIES.get(family, 'Others')}\n"
        yield from _section(rule)


def _section(rule: Rule) -> Iterator[str]:
    told = rule.explanation
    yield f"### {rule.code} {rule.name}\n"
    yield f"{told.summary}\n"
    if told.what:
        yield f"{told.what}\n"
    scope = next((text for kind, text in _SCOPES.items() if isinstance(rule, kind)), "Once, after all others.")
    yield f"{scope}\n"
    for title, text in (("Why", told.why), ("Seen in", _ISSUE.sub(_linked, told.seen_in)), ("Mend", told.mend)):
        if text:
            yield f"**{title}:** {text}\n"


def _anchor(rule: Rule) -> str:
    return f"{rule.code} {rule.name}".lower().replace(" ", "-")


def _linked(issue: re.Match[str]) -> str:
    return f"[{issue[0]}](https://github.com/{issue[1]}/issues/{issue[2]})"
