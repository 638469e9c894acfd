"""Choose and download Debian packages of any architecture with apt, beside the machine's own apt.

Each architecture has an apt configuration and state of its own under the cache: nothing is installed, no lock of the
system's is taken, and the machine's hooks (which may empty its package cache) are not read. Signatures are checked by
apt itself.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import sources
from lab.console import LabError, say
from lab.paths import CACHE
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from lab.carried import Carried
    from lab.sources import Source

_URI = re.compile(r"'[^']+' (?P<file>\S+\.deb) \d+ .*")
_HINT = "Look whether the machine's own `apt-get update` works; the lab uses the same archive."


@dataclass(frozen=True, slots=True, order=True)
class Deb:
    """One package file; its name has the form ``name_version_architecture.deb``."""

    path: Path

    @property
    def name(self) -> str:
        """Return the package's name."""
        return self.path.name.partition("_")[0]


class ForeignApt:
    """Debian's archive as one architecture sees it; its apt state and downloads are gone at the end."""

    def __init__(self, release: str, architecture: str, machine: Carried) -> None:
        self._home = CACHE / "apt" / f"{release}-{architecture}"
        self._architecture = architecture
        self._release = release
        self._machine = machine
        self.sources = machine.sources  # those that serve this architecture, once entered

    def __enter__(self) -> Self:
        """Write the configuration and download the package lists."""
        for folder in ("lists/partial", "archives/partial", "empty/partial"):
            (self._home / folder).mkdir(parents=True, exist_ok=True)
        (self._home / "status").write_bytes(b"")
        (self._home / "apt.conf").write_text(self._configuration())
        try:
            self._update(self.sources)
        except LabError as error:
            self._leave_out_pockets(error)
        return self

    def __exit__(self, *error: object) -> None:
        """Remove all of it, unless something failed: what was downloaded then saves time the next time."""
        if error[0] is None:
            shutil.rmtree(self._home, ignore_errors=True)

    def closures(self, wanted: Sequence[Sequence[str]]) -> list[tuple[Deb, ...]]:
        """Download the packages and all they depend on; return each list's own closure, by name.

        Raises `LabError` when the archive has not all of them for this architecture, or cannot be reached.
        """
        return [self._closure(packages) for packages in wanted]

    def _closure(self, packages: Sequence[str]) -> tuple[Deb, ...]:
        # --print-uris leaves out what the archive folder already has, so it is shown an empty one.
        empty = f"-oDir::Cache::archives={self._home / 'empty'}"
        printed = self._apt("install", "--print-uris", empty, *packages, timeout=60)
        names = sorted(found["file"] for line in printed.splitlines() if (found := _URI.fullmatch(line)))
        self._apt("install", "--download-only", *packages, timeout=300)
        closure = tuple(Deb(self._home / "archives" / name) for name in names)
        for deb in closure:
            if not deb.path.is_file():
                raise LabError(f"downloading {deb.path.name}", "apt ended well and the file is not there", _HINT)
        return closure

    def _update(self, chosen: Sequence[Source]) -> None:
        keyring = sources.KEYRING if Path(sources.KEYRING).is_file() else ""
        (self._home / "debian.sources").write_text(sources.render(chosen, keyring))
        self._apt("update", timeout=180)

    def _leave_out_pockets(self, error: LabError) -> None:
        """Go on with the sources that can be had: mirrors serve the security pocket of some architectures only."""
        had = tuple(source for source in self.sources if self._can_be_had(source))
        if not any(self._release in source.suites for source in had):
            raise error
        missing = {suite for source in self.sources if source not in had for suite in source.suites}
        if missing:
            say(f"{self._architecture}: the archive has no good {', '.join(sorted(missing))}; its images go without")
        self._update(had)
        self.sources = had

    def _can_be_had(self, source: Source) -> bool:
        try:
            self._update([source])
        except LabError:
            return False
        return True

    def _apt(self, verb: str, *args: str, timeout: float) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self._home / "apt.conf"), "LC_ALL": "C"}
        return run(["apt-get", "-qq", verb, *args], timeout=timeout, env=environment, hint=_HINT)

    def _configuration(self) -> str:
        home = self._home
        settings = {
            "APT::Architecture": self._architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",  # the folder is root's; apt would warn of it at each file
            "APT::Get::Assume-Yes": "true",
            "APT::Update::Error-Mode": "any",  # a source out of reach is a failure, not a warning
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Dir::State": home,
            "Dir::State::status": home / "status",
            "Dir::State::lists": home / "lists",
            "Dir::Cache": home,
            "Dir::Cache::archives": home / "archives",
            "Dir::Etc::sourcelist": home / "debian.sources",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::main": "/dev/null",
            "Dir::Log": home,
        }
        lines = [f'{key} "{value}";' for key, value in settings.items()]
        architectures = f'#clear APT::Architectures;\nAPT::Architectures {{ "{self._architecture}"; }};'
        return "\n".join([architectures, *lines, *self._machine.apt, ""])
