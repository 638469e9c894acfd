"""Write the dpkg database of a root that dpkg never saw, so that `apt-get install` in it knows what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lab.debs import Control

FOLDER = "var/lib/dpkg"

# dpkg keeps the package's fields in `status`, not with the other control files.
_NOT_KEPT = frozenset({"control"})


@dataclass(slots=True)
class Installed:
    """What is installed: each package's paragraph of ``status``, and the lines of each file in ``triggers/``.

    Without the latter dpkg takes every trigger for a new one at the first installation, and runs it: under emulation
    that takes longer than the installation.
    """

    paragraphs: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, list[str]] = field(default_factory=dict)

    def add(self, control: Control, conffile_sums: Mapping[str, str]) -> None:
        """Add a package by its control files and the MD5 sums of its configuration files, by absolute path."""
        name = control.field("Package")
        self.paragraphs[name] = status_entry(control, conffile_sums)
        for file, line in interests(name, control.files.get("triggers", b"").decode()):
            self.triggers.setdefault(file, []).append(line)

    def on_top_of(self, below: Installed) -> Installed:
        """Return what is installed with the layers below: the upper layer's database replaces theirs."""
        names = dict.fromkeys([*below.triggers, *self.triggers])
        triggers = {name: [*below.triggers.get(name, []), *self.triggers.get(name, [])] for name in names}
        return Installed({**below.paragraphs, **self.paragraphs}, triggers)

    def files(self) -> dict[str, bytes]:
        """Return the database's files that are about all packages, by path below the root."""
        status = "\n".join(self.paragraphs[name] for name in sorted(self.paragraphs))
        triggers = {f"triggers/{name}": "".join(f"{line}\n" for line in lines) for name, lines in self.triggers.items()}
        texts = {"status": status, "available": "", "info/format": "1\n", "triggers/Unincorp": "", **triggers}
        return {f"{FOLDER}/{name}": text.encode() for name, text in texts.items()}


def status_entry(control: Control, conffile_sums: Mapping[str, str]) -> str:
    """Return a package's paragraph of ``status``: installed, its fields, its conffiles with their MD5 sums."""
    package, _, rest = control.text.strip("\n").partition("\n")
    lines = [package, "Status: install ok installed", rest]
    if control.conffiles:
        # A file that the package names and lacks has no sum; dpkg writes such an entry as "newconffile".
        lines.append("Conffiles:")
        lines += [f" {path} {conffile_sums.get(path, 'newconffile')}" for path in control.conffiles]
    return "\n".join(lines) + "\n"


def interests(package: str, text: str) -> list[tuple[str, str]]:
    """Return the triggers a package waits for, from its control file ``triggers`` (``deb-triggers(5)``).

    Each is a file's name in dpkg's ``triggers/`` and the line that belongs there.
    """
    found = []
    for line in text.splitlines():
        directive, _, name = line.partition("#")[0].strip().partition(" ")
        name = name.strip()
        if directive in {"interest", "interest-await", "interest-noawait"} and name:
            waiting = f"{package}/noawait" if directive == "interest-noawait" else package
            found.append(("File", f"{name} {waiting}") if name.startswith("/") else (name, waiting))
    return found


def file_list(paths: Iterable[str]) -> bytes:
    """Return ``info/NAME.list`` for plain paths as the package ships them, not as a merged /usr has them.

    The root comes first as `/.`; dpkg aborts at an empty line.
    """
    return "".join(f"/{path or '.'}\n" for path in dict.fromkeys(["", *paths])).encode()


def info_files(control: Control, paths: Iterable[str]) -> dict[str, bytes]:
    """Return what belongs into ``info/`` for a package, by path below the root."""
    name = control.field("Package")
    if control.field("Multi-Arch") == "same":
        name += f":{control.field('Architecture')}"
    kept = {f"{FOLDER}/info/{name}.{file}": data for file, data in control.files.items() if file not in _NOT_KEPT}
    return {**kept, f"{FOLDER}/info/{name}.list": file_list(paths)}
