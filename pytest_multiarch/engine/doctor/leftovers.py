"""What earlier runs have left: the books of dead runs, and what has a run's name while no such run is known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.engine.ledger import abandoned_runs
from pytest_multiarch.engine.pruning import find_orphans
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from pytest_multiarch.engine.docker import Engine

_SHOWN = 5


def check_leftovers(engine: Engine | None) -> Check:
    """Say what is left of runs that are dead; without a daemon, only whether they have left their books."""
    runs = [run.ledger.run_id for run in abandoned_runs()]
    try:
        orphans = find_orphans(engine) if engine is not None else []
    except EngineError as error:
        return Check.of_error("leftovers", error, "warning")
    objects = [f"{owned.kind} {owned.name}" for owned in orphans]
    facts = {"runs": runs, "objects": objects}
    if not runs and not objects:
        return Check("leftovers", "ok", "none", facts=facts)
    parts = [f"runs that ended without clearing up: {', '.join(runs)}"] if runs else []
    if objects:
        more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
        parts.append(f"of runs that are not known here: {', '.join(objects[:_SHOWN])}{more}")
    hint = "Remove the first with: python -m pytest_multiarch prune (the next run does so, too); all of it with --all."
    return Check("leftovers", "warning", "; ".join(parts), hint, facts)
