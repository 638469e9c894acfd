"""Remove what stands in a run's book: containers first, then volumes and images, then the run's files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_multiarch.engine.docker import Engine, plain, translated
from pytest_multiarch.engine.ledger import abandoned_runs, open_abandoned
from pytest_multiarch.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_multiarch.engine.ledger import AbandonedRun, Ledger, Owned


def close_book(engine: Engine, ledger: Ledger) -> list[str]:
    """Remove everything that a run has started and return what could not be removed, a line each.

    The run's folder goes last, and stays where something is left, so that the next run can try again.
    """
    problems = remove(engine, ledger, ledger.entries())
    if not problems:
        ledger.remove_folder()
    return problems


def remove(engine: Engine, ledger: Ledger, entries: Sequence[Owned]) -> list[str]:
    """Remove some entries of the book, side by side within each kind, and strike them out."""
    problems: list[str] = []
    # A volume or image that a container uses cannot go, so kinds go one after another.
    for kind in ("container", "volume", "image"):
        batch = [owned for owned in entries if owned.kind == kind]
        if not batch:
            continue
        with ThreadPoolExecutor(max_workers=min(8, len(batch))) as pool:
            for owned, problem in zip(batch, pool.map(lambda owned: _remove_one(engine, owned), batch), strict=True):
                if problem:
                    problems.append(problem)
                else:
                    ledger.strike(owned)
    return problems


def _remove_one(engine: Engine, owned: Owned) -> str:
    from docker.errors import APIError, NotFound

    try:
        with translated(f"removing the {owned.kind} {owned.name}"):
            if owned.kind == "container":
                engine.api.remove_container(owned.name, force=True, v=True)
            elif owned.kind == "volume":
                engine.api.remove_volume(owned.name, force=True)
            else:
                engine.api.remove_image(owned.name)
    except NotFound:
        return ""
    except EngineError as error:
        cause = error.__cause__
        if owned.kind == "image" and isinstance(cause, APIError) and cause.status_code == 409:
            return ""  # somebody else's container uses it by now: it is theirs to remove
        if isinstance(cause, APIError) and cause.status_code == 409 and "in progress" in plain(cause):
            return ""  # the daemon is already at it
        return error.headline
    return ""


def sweep_abandoned() -> list[str]:
    """Remove what dead runs of this user have left on this machine, and return what could not be removed."""
    problems: list[str] = []
    for run in abandoned_runs():
        problems += _sweep(run)
    return problems


def sweep_folder(folder: Path) -> list[str]:
    """Remove what one run has left, even where its process seems to live (the watchdog knows that it does not)."""
    run = open_abandoned(folder, even_if_alive=True)
    return _sweep(run) if run is not None else []


def _sweep(run: AbandonedRun) -> list[str]:
    if not run.ledger.entries():
        run.ledger.remove_folder()
        return []
    try:
        engine = Engine.connect(run.environ, timeout=30)
    except EngineUnavailable as error:
        return [f"{error.headline} (what the run {run.ledger.run_id} left is there)"]
    try:
        return close_book(engine, run.ledger)
    finally:
        engine.close()
