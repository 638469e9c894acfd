"""The book of everything that a run has started, kept on disk so that another process can close it after a crash.

An entry is written before the thing exists and struck out after it is gone, so a crash between the two leaves at worst an entry
for something that never was. `cleanup` removes what stands in the book; nothing else removes anything.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["container", "volume", "image"]
FOLDER_PREFIX = "pytest-multiarch-"
RUN_LABEL = "org.pytest-multiarch.run"


@dataclass(frozen=True, slots=True)
class Owned:
    """Name one thing that the run has started: a container, a volume, or an image that was not there before.

    ``daemon`` is empty for the run's main daemon, else a node's endpoint.
    """

    kind: Kind
    name: str
    daemon: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Tell one process from every other that ever ran here: its id, when it started, and during which boot."""

    pid: int
    started: str
    boot: str

    @classmethod
    def current(cls) -> Owner:
        """Return the owner that this process is."""
        return cls(os.getpid(), _start_of(os.getpid()), boot_id())

    @property
    def is_alive(self) -> bool:
        """Say whether that very process still runs. Process ids come round again, start times do not."""
        if self.boot != boot_id():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.started == _start_of(self.pid) and not _is_zombie(self.pid)


class Ledger:
    """Keep the book of one run in a private folder, which is also where its other files live.

    The folder is readable by its owner only: it holds the credentials of the throwaway registry. Thread-safe.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self.folder = folder
        self.run_id = run_id
        self._book = folder / "ledger.jsonl"
        self._adoptions = folder / "adopted.jsonl"
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    @classmethod
    def open_new(cls, environ: Mapping[str, str]) -> Ledger:
        """Make the folder of a new run, with the owner's identity and the way to its daemon (``environ``) in it."""
        run_id = secrets.token_hex(4)
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{run_id}-"))  # mode 0700
        owner = {"owner": asdict(Owner.current()), "run": run_id, "environ": dict(environ)}
        (folder / "owner.json").write_text(json.dumps(owner), encoding="utf-8")
        return cls(folder, run_id)

    @property
    def prefix(self) -> str:
        """Return what the names of the run's containers and builder start with.

        The docker-container driver cannot label its container, so the name has to say whose it is.
        """
        return f"multiarch-{self.run_id}-{os.getpid()}-{boot_id()[:8]}"

    def new_name(self, what: str) -> str:
        """Return a container name that this run has not used yet."""
        return f"{self.prefix}-{what}-{next(self._numbers)}"

    @property
    def shelf(self) -> Path:
        """Return the folder in which the books of runs lie."""
        return self.folder.parent

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that every container of this run carries."""
        return {RUN_LABEL: self.run_id}

    def add(self, kind: Kind, name: str, daemon: str = "") -> Owned:
        """Write down something that is about to be made."""
        owned = Owned(kind, name, daemon)
        self._write("+", owned)
        return owned

    def strike(self, owned: Owned) -> None:
        """Write down that something is gone."""
        self._write("-", owned)

    def entries(self) -> tuple[Owned, ...]:
        """Return what is still in the book, the newest first."""
        kept: dict[Owned, None] = {}
        if self._book.exists():
            for sign, owned in _read(self._book):
                if sign == "+":
                    kept[owned] = None
                else:
                    kept.pop(owned, None)
        return tuple(reversed(kept))

    def adopt(self, folder: Path) -> None:
        """Write down the folder of another process's book that is to be closed before this one."""
        with self._lock, self._adoptions.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(str(folder))}\n")

    def adopted(self) -> tuple[Path, ...]:
        """Return the folders of the books that are to be closed before this one."""
        lines = self._adoptions.read_text(encoding="utf-8").splitlines() if self._adoptions.exists() else []
        found = []
        for line in lines:
            with suppress(ValueError):  # the last line of a process that was killed while it wrote
                found.append(Path(json.loads(line)))
        return tuple(found)

    def remove_folder(self) -> None:
        """Remove the run's folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, sign: str, owned: Owned) -> None:
        with self._lock, self._book.open("a", encoding="utf-8") as book:
            book.write(json.dumps([sign, owned.kind, owned.name, owned.daemon]) + "\n")


@dataclass(frozen=True, slots=True)
class AbandonedRun:
    """Hold the book of another process's run, and the environment in which its daemon is found."""

    ledger: Ledger
    environ: dict[str, str]
    is_alive: bool = False


def open_abandoned(folder: Path, *, even_if_alive: bool = False) -> AbandonedRun | None:
    """Open the book of another process's run; nothing where its process still lives, or where it is not this user's.

    The folder lies where others may write too, so only one that is this user's own and closed to others is believed.
    """
    try:
        status = folder.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077 or not folder.is_dir():
            return None
        said = json.loads((folder / "owner.json").read_text(encoding="utf-8"))
        owner = Owner(int(said["owner"]["pid"]), str(said["owner"]["started"]), str(said["owner"]["boot"]))
        environ = {str(name): str(value) for name, value in said["environ"].items()}
        run_id = str(said["run"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not a folder of ours, or killed while it was being made: nothing had been started yet
    is_alive = owner.is_alive
    if is_alive and not even_if_alive:
        return None
    return AbandonedRun(Ledger(folder, run_id), environ, is_alive)


def abandoned_runs() -> Iterator[AbandonedRun]:
    """Yield the runs on this machine, of this user, whose process is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        run = open_abandoned(folder)
        if run is not None:
            yield run


def boot_id() -> str:
    """Return what tells this boot of the machine from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """Return the process's start time in clock ticks (field 22 of /proc/PID/stat, proc(5)); empty where there is no /proc."""
    fields = _stat_of(pid)
    return fields[19] if fields else ""


def _is_zombie(pid: int) -> bool:
    """Say whether the process has ended and only its parent does not know: in a container nobody may ever ask."""
    return _stat_of(pid)[:1] in (["Z"], ["X"])


def _stat_of(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on; none where there is no such process, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()  # the command in parentheses may hold blanks


def _read(book: Path) -> Iterator[tuple[str, Owned]]:
    for line in book.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            sign, kind, name, daemon = json.loads(line)
        except (ValueError, TypeError):
            continue  # the last line of a process that was killed while it wrote
        yield sign, Owned(kind, name, daemon)
