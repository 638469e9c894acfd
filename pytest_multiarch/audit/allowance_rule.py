"""The rule about the audit's own settings: allowances that nothing needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.policy import Allowance


class StaleAllowanceRule(Rule):
    """Find allowances that let nothing pass.

    An allowance counts as stale if none of its rules found anything that it covers, on any platform of the run. Those for
    rules that do not run are not judged.

    Why: an allowance that is no longer needed hides the next real fault at the same place.

    Seen in: lists of exceptions everywhere, which only ever grow; linters report unused ones for the same reason.

    Mend: take it out.
    """

    code = "MA901"
    name = "stale-allowance"

    def check(self, allowances: Iterable[Allowance]) -> Iterator[Finding]:
        """Return a finding for each of the allowances, which have been found to be stale."""
        for allowance in allowances:
            yield self.finding(
                item=str(allowance),
                expected="a finding that it covers",
                found="nothing: what it was for is gone",
            )
