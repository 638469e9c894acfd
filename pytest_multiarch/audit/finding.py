"""What a rule has found, as a value, and as the text that a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.platforms import Platform

_SHOWN: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Say what is wrong, where, and what brought it.

    Args:
        code: the rule's code, such as ``MA201``.
        rule: the rule's name, such as ``foreign-machine``.
        expected: what should be there.
        found: what is there.
        platform: the platform it is about, None where it is about several at once.
        path: absolute inside the image; of a build context the Dockerfile with a line; empty where no file is meant.
        item: what in the file, or in the config, is meant: a package, a field; empty where it is all of it.
        layer: the digest of the layer that brought the path, empty where no layer is meant.
        step: what the history says of that layer, mostly the Dockerfile's instruction; empty where it says nothing.

    """

    code: str
    rule: str
    expected: str
    found: str
    platform: Platform | None = None
    path: str = ""
    item: str = ""
    layer: str = ""
    step: str = ""

    @property
    def place(self) -> str:
        """Return path and item: ``/var/lib/dpkg/status (libc6:i386)``; empty where neither is known."""
        if self.path and self.item:
            return f"{self.path} ({self.item})"
        return self.path or self.item

    def __str__(self) -> str:
        """Return the finding on three to five lines. What came from the image is shown without control characters."""
        head = " ".join(part for part in (self.code, str(self.platform or ""), self.place) if part)
        lines = [plain(head), f"  expected: {plain(self.expected)}", f"  found:    {plain(self.found)}"]
        if self.layer:
            lines.append(f"  layer:    {self.layer}")
        if self.step:
            lines.append(f"  step:     {plain(self.step)}")
        return "\n".join(lines)


def describe(findings: Sequence[Finding], shown: int = _SHOWN) -> str:
    """Return the findings as text, the first ones in full; what more there is, is counted by rule."""
    parts = [str(finding) for finding in findings[:shown]]
    rest = findings[shown:]
    if rest:
        counts: dict[str, int] = {}
        for finding in rest:
            counts[finding.code] = counts.get(finding.code, 0) + 1
        parts.append("… and " + ", ".join(f"{count} more of {code}" for code, count in counts.items()))
    return "\n".join(parts)
