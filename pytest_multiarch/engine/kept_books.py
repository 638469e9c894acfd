"""The books of what lives on between runs: one for each project of this user's that asks for it, closed by `prune` alone."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.engine.ledger import RUN_LABEL, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OWNER = "owner.json"


class KeptLedger(Ledger):
    """The book of what outlives a run: its names are made from the project's, not from a process's."""

    @property
    def prefix(self) -> str:
        """Return what the names of containers and builder start with."""
        return f"multiarch-kept-{self.run_id}"

    @property
    def shelf(self) -> Path:
        """Return the folder in which the books of runs lie: this one is kept elsewhere."""
        return Path(tempfile.gettempdir())

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that every container carries."""
        return {RUN_LABEL: f"kept-{self.run_id}"}


@dataclass(frozen=True, slots=True)
class KeptBook:
    """Hold a book, the project that it is kept for, and the environment in which its daemon is found."""

    ledger: KeptLedger
    project: str
    environ: Mapping[str, str]


def kept_books() -> Iterator[KeptBook]:
    """Yield the books of this user that can be read."""
    for folder in kept_folders():
        with suppress(OSError, ValueError, KeyError, TypeError):  # `prune` says what is the matter with it
            yield read_kept(folder)


def read_kept(folder: Path) -> KeptBook:
    """Open a book. Raises OSError, ValueError, KeyError or TypeError where nobody has written down whose it is."""
    said = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
    return KeptBook(KeptLedger(folder, folder.name), str(said["project"]), dict(said["environ"]))


def kept_folders() -> list[Path]:
    """Return the folders that books lie in; none where this user has no place for them."""
    try:
        return sorted(folder for folder in state_folder().iterdir() if folder.is_dir())
    except (OSError, RuntimeError):  # not there; or a user without a home
        return []


def state_folder() -> Path:
    """Return where this user's kept things are written down (XDG Base Directory Specification).

    Raises RuntimeError: the user has no home.
    """
    given = Path(os.environ.get("XDG_STATE_HOME") or "")
    return (given if given.is_absolute() else Path.home() / ".local" / "state") / "pytest-multiarch"
