"""``python -m pytest_multiarch prune``: remove what earlier runs have left, and what they keep for later ones, and nothing else.

What stands in the book of a dead run is known to be left. What only has a run's name, because its book is gone, too, may be of a
run that this process cannot see: in a container, or on another machine that uses the same daemon. So that takes ``--all``.
Images have no such names, and are told by books alone.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_multiarch.engine.cleanup import close_book
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.kept import prune
from pytest_multiarch.engine.kept_books import kept_books
from pytest_multiarch.engine.ledger import Ledger, Owned, abandoned_runs, boot_id
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# As `Ledger.prefix` makes it; buildx puts its own words before and after.
_NAME = re.compile(
    r"(?:buildx_buildkit_)?multiarch-(?P<run>[0-9a-f]{8})-(?P<pid>[0-9]+)-(?P<boot>[0-9a-f]{8}|)-\S+", re.ASCII
)


def find_orphans(engine: Engine) -> list[Owned]:
    """Return the containers and volumes that have a run's name, where no process of this machine is that run's.

    Raises `EngineError`.
    """
    with translated("looking for what earlier runs have left"):
        containers = engine.api.containers(all=True)
        volumes = engine.api.volumes().get("Volumes") or ()
    names = [name.lstrip("/") for container in containers for name in container.get("Names") or ()]
    found = [Owned("container", name) for name in names]
    found += [Owned("volume", str(volume["Name"])) for volume in volumes]
    return [owned for owned in found if _is_orphan(owned.name)]


def _is_orphan(name: str) -> bool:
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    if match["boot"] != boot_id()[:8]:
        return True
    try:
        os.kill(int(match["pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def main(arguments: Sequence[str]) -> int:
    """Remove what is left, print a line for each, and return the exit code: 1 where something could not be removed."""
    options = _parser().parse_args(arguments)
    for line in _in_books():
        print(f"{'would remove' if options.dry_run else 'removing'} {line}")
    problems = [] if options.dry_run else prune()
    try:
        problems += list(_prune_orphans(takes_all=options.all, is_dry=options.dry_run))
    except MultiArchError as error:
        problems.append(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _in_books() -> Iterator[str]:
    books = [(run.ledger, f"of the run {run.ledger.run_id}") for run in abandoned_runs()]
    books += [(book.ledger, f"kept for {book.project}") for book in kept_books()]
    for ledger, whose in books:
        for owned in ledger.entries():
            yield f"{owned.kind} {owned.name}{f' at {owned.daemon}' if owned.daemon else ''}, {whose}"


def _prune_orphans(*, takes_all: bool, is_dry: bool) -> Iterator[str]:
    """Remove, or only name, what has a run's name and no book; yield what could not be removed."""
    with closing(Engine.connect()) as engine:
        orphans = find_orphans(engine)
        does_remove = takes_all and not is_dry
        for owned in orphans:
            verb = "removing" if does_remove else "would remove" if takes_all else "left alone without --all:"
            print(f"{verb} {owned.kind} {owned.name}, whose run is not known here")
        if does_remove and orphans:
            # In a book of this process's, so that another can go on where this one is killed.
            ledger = Ledger.open_new(engine.environ)
            for owned in orphans:
                ledger.add(owned.kind, owned.name)
            yield from close_book(engine, ledger)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_multiarch prune",
        description="Remove what earlier runs have left, and what is kept for later ones (--multiarch-reuse).",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also what has a run's name while its run is not known here: end runs in containers, and on other machines "
        "that use this daemon, first",
    )
    return parser
