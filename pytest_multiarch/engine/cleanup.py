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
        return [line for folder in ledger.adopted() for line in sweep_folder(folder, settle=(), known=engine)]

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
    # A volume or image that a container uses cannot go, so containers go first.
    problems = _remove_batch(engine, ledger, [owned for owned in entries if owned.kind == "container"])
    with ThreadPoolExecutor(1) as pool:
        volumes = pool.submit(_remove_batch, engine, ledger, [owned for owned in entries if owned.kind == "volume"])
        problems += _remove_images(engine, ledger, [owned for owned in entries if owned.kind == "image"])
        return problems + volumes.result()


def _remove_images(engine: Engine, ledger: Ledger, images: Sequence[Owned]) -> list[str]:
    if not images:
        return []
    # In the same turn as they are struck out: a run that looks in between would leave an image to this one.
    with turn(ledger):
        theirs = {owned for owned in images if is_claimed_elsewhere(ledger, owned)}
        for owned in theirs:
            ledger.strike(owned)
        return _remove_batch(engine, ledger, [owned for owned in images if owned not in theirs])


def _remove_batch(engine: Engine, ledger: Ledger, batch: Sequence[Owned]) -> list[str]:
    if not batch:
        return []
    with ThreadPoolExecutor(max_workers=min(8, len(batch))) as pool:
        objections = list(pool.map(lambda owned: _objection(engine, owned), batch))
    for owned, problem in zip(batch, objections, strict=True):
        if not problem:
            ledger.strike(owned)
    return [problem for problem in objections if problem]


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


def sweep_folder(folder: Path, *, settle: Sequence[float] = _SETTLE, known: Engine | None = None) -> list[str]:
    """Remove what one run has left, even where its process seems to live (the watchdog knows that it does not).

    It has only just died: what it had asked the daemon for may come up a moment later, so it is looked for again.
    ``known`` is a connection that is there already, used where it leads to that run's daemon.
    """
    run = open_abandoned(folder, even_if_alive=True)
    return _sweep(run, settle=settle, known=known) if run is not None else []


def _sweep(run: AbandonedRun, *, settle: Sequence[float] = (), known: Engine | None = None) -> list[str]:
    end_clients(run.ledger.folder)
    entries = run.ledger.entries()
    if not entries and not run.ledger.adopted():
        run.ledger.remove_folder()
        return []
    try:
        engine = (
            known
            if known is not None and dict(known.environ) == run.environ
            else Engine.connect(run.environ, timeout=30)
        )
    except EngineUnavailable as error:
        return [f"{error.headline} (what the run {run.ledger.run_id} left is there)"]
    try:
        for folder in run.ledger.adopted():  # first here, too
            sweep_folder(folder, settle=(), known=engine)
        for pause in settle:
            _remove_everywhere(engine, run.ledger, entries)
            time.sleep(pause)
            for owned in entries:
                run.ledger.add(owned.kind, owned.name, owned.daemon)
        return close_book(engine, run.ledger)
    finally:
        if engine is not known:
            engine.close()
