"""Remove what stands in a run's book: containers first, then volumes and images, then the run's files."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_multiarch.engine.claims import is_claimed_elsewhere, turn
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.ledger import abandoned_runs, open_abandoned
from pytest_multiarch.engine.orphans import end_clients
from pytest_multiarch.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_multiarch.engine.ledger import AbandonedRun, Ledger, Owned

# Seconds between looks: in them a daemon, a busy one too, has finished what a client asked for that is gone.
_SETTLE = (1.0, 2.0)


def close_book(engine: Engine, ledger: Ledger, others: Callable[[], object] = lambda: None) -> list[str]:
    """Remove everything that a run has started and return what could not be removed, a line each.

    ``others`` waits until nobody else is at the books of the run's other processes. The run's folder goes last, and stays
    where something is left, so that the next run can try again.
    """

    def close_others() -> list[str]:
        others()
        return [line for folder in ledger.adopted() for line in sweep_folder(folder, settle=())]

    entries = ledger.entries()
    containers = [owned for owned in entries if owned.kind == "container"]
    with ThreadPoolExecutor(1) as pool:
        closing_others = pool.submit(close_others)
        problems = _remove_everywhere(engine, ledger, containers)
        problems += closing_others.result()
    # An image does not go while a container uses it, whichever process has made that.
    problems += _remove_everywhere(engine, ledger, [owned for owned in entries if owned.kind != "container"])
    if not problems:
        ledger.remove_folder()
    return problems


def _remove_everywhere(engine: Engine, ledger: Ledger, entries: Sequence[Owned]) -> list[str]:
    problems: list[str] = []
    for daemon in dict.fromkeys(owned.daemon for owned in entries):
        batch = [owned for owned in entries if owned.daemon == daemon]
        if not daemon:
            problems += remove(engine, ledger, batch)
            continue
        try:
            with closing(Engine.at(daemon)) as node:
                problems += remove(node, ledger, batch)
        except EngineUnavailable as error:
            problems.append(f"{error.headline} (what this run has started there is left)")
    return problems


def remove(engine: Engine, ledger: Ledger, entries: Sequence[Owned]) -> list[str]:
    """Remove some entries of the book, side by side, and strike them out."""
    problems: list[str] = []
    # A volume or image that a container uses cannot go, so containers go first.
    for kinds in (("container",), ("volume", "image")):
        batch = [owned for owned in entries if owned.kind in kinds]
        if not batch:
            continue
        with ThreadPoolExecutor(max_workers=min(8, len(batch))) as pool:
            for owned, problem in zip(
                batch, pool.map(lambda owned: _remove_one(engine, ledger, owned), batch), strict=True
            ):
                if problem:
                    problems.append(problem)
                elif owned.kind != "image":
                    ledger.strike(owned)
    return problems


def _remove_one(engine: Engine, ledger: Ledger, owned: Owned) -> str:
    if owned.kind != "image":
        return _objection(engine, owned)
    # In the same turn as it is struck out: a run that looks in between would leave the image to this one.
    with turn(ledger):
        problem = "" if is_claimed_elsewhere(ledger, owned) else _objection(engine, owned)
        if not problem:
            ledger.strike(owned)
    return problem


def _objection(engine: Engine, owned: Owned) -> str:
    """Remove something, and return why it could not be removed; empty where it is gone, or somebody else's by now."""
    try:
        with translated(f"removing the {owned.kind} {owned.name}"):
            if owned.kind == "container":
                engine.api.remove_container(owned.name, force=True, v=True)
            elif owned.kind == "volume":
                engine.api.remove_volume(owned.name, force=True)
            else:
                engine.api.remove_image(owned.name)
    except EngineError as error:
        if error.status == 404:
            return ""
        if error.status == 409 and owned.kind == "image":
            return ""  # somebody else's container uses it by now: it is theirs to remove
        if error.status == 409 and "in progress" in error.found:
            return ""  # the daemon is already at it
        return error.headline
    return ""


def sweep_abandoned() -> list[str]:
    """Remove what dead runs of this user have left on this machine, and return what could not be removed."""
    problems: list[str] = []
    for run in abandoned_runs():
        problems += _sweep(run)
    return problems


def sweep_folder(folder: Path, *, settle: Sequence[float] = _SETTLE) -> list[str]:
    """Remove what one run has left, even where its process seems to live (the watchdog knows that it does not).

    It has only just died: what it had asked the daemon for may come up a moment later, so it is looked for again.
    """
    run = open_abandoned(folder, even_if_alive=True)
    return _sweep(run, settle=settle) if run is not None else []


def _sweep(run: AbandonedRun, *, settle: Sequence[float] = ()) -> list[str]:
    end_clients(run.ledger.folder)
    entries = run.ledger.entries()
    if not entries and not run.ledger.adopted():
        run.ledger.remove_folder()
        return []
    try:
        engine = Engine.connect(run.environ, timeout=30)
    except EngineUnavailable as error:
        return [f"{error.headline} (what the run {run.ledger.run_id} left is there)"]
    try:
        for folder in run.ledger.adopted():  # first here, too
            sweep_folder(folder, settle=())
        for pause in settle:
            _remove_everywhere(engine, run.ledger, entries)
            time.sleep(pause)
            for owned in entries:
                run.ledger.add(owned.kind, owned.name, owned.daemon)
        return close_book(engine, run.ledger)
    finally:
        engine.close()
