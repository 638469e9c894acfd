"""What one look has found, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.errors import MultiArchError

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Check:
    """Say of one thing how it is. A failure keeps a run from working, a warning some runs, or makes them slower.

    ``name`` and the keys of ``facts`` stay the same between versions; ``summary`` and ``hint`` are for people.
    """

    name: str
    status: Status
    summary: str
    hint: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of_error(cls, name: str, error: MultiArchError, status: Status = "failure") -> Check:
        """Return what an error says."""
        hint = "\n".join(part for part in (error.hint, error.detail) if part)
        return cls(name, status, error.headline, hint)
