"""What the kernel has been told to hand to an interpreter: the registrations of binfmt_misc, read and understood.

The kernel's documentation: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL = Path("/proc/sys/fs/binfmt_misc")
DESCRIPTIONS = (
    Path("/etc/binfmt.d"),
    Path("/run/binfmt.d"),
    Path("/usr/local/lib/binfmt.d"),
    Path("/usr/lib/binfmt.d"),
)
"""Where distributions describe formats, the most important first (binfmt.d(5))."""

_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class Format:
    """One format: programs whose bytes from ``offset`` on are ``magic``, where ``mask`` has ones, go to ``interpreter``."""

    name: str
    interpreter: str
    flags: str
    offset: int
    magic: bytes
    mask: bytes
    enabled: bool = True
    line: str = ""
    """What registers it, where it is described and not only known to the kernel."""

    @property
    def works_in_containers(self) -> bool:
        """Tell whether the kernel holds the interpreter open (flag F): containers do not have that file."""
        return "F" in self.flags

    def takes(self, program: bytes) -> bool:
        """Tell whether the kernel hands this program to the interpreter, by the program's first bytes."""
        found = program[self.offset : self.offset + len(self.magic)]
        mask = self.mask or b"\xff" * len(self.magic)
        return len(found) == len(self.magic) and all(
            one & bits == other & bits for one, other, bits in zip(found, self.magic, mask, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Registrations:
    """Hold what the kernel knows. ``readable`` is false where binfmt_misc is not mounted, ``enabled`` where it is off."""

    formats: tuple[Format, ...] = ()
    readable: bool = True
    enabled: bool = True

    def taking(self, program: bytes) -> Format | None:
        """Return the format that takes this program, one that is on before one that is off."""
        found = [one for one in self.formats if one.takes(program)]
        return next((one for one in found if one.enabled), found[0] if found else None)


def read_registrations(folder: Path = KERNEL) -> Registrations:
    """Read what is registered; formats told by a file's name have nothing to do with platforms and are left out."""
    try:
        enabled = (folder / "status").read_text().strip() == "enabled"
        paths = sorted(path for path in folder.iterdir() if path.name not in ("register", "status"))
    except OSError:
        return Registrations(readable=False)
    return Registrations(tuple(one for path in paths for one in _registered(path)), enabled=enabled)


def read_descriptions(*folders: Path) -> tuple[Format, ...]:
    """Return the formats that are described on this machine, registered or not; a file replaces later folders' of its name."""
    files: dict[str, Path] = {}
    for folder in folders or DESCRIPTIONS:
        for path in sorted(folder.glob("*.conf")):
            files.setdefault(path.name, path)
    return tuple(one for name in sorted(files) for one in _described(files[name]))


def _registered(path: Path) -> Iterator[Format]:
    try:
        first, *rest = path.read_text().splitlines() or [""]
    except OSError:
        return  # taken away by somebody else in the meantime
    fields = {key.rstrip(":"): value for key, _, value in (line.partition(" ") for line in rest)}
    if "magic" not in fields:
        return
    yield Format(
        path.name,
        fields.get("interpreter", ""),
        fields.get("flags", ""),
        int(fields.get("offset", "0")),
        bytes.fromhex(fields["magic"]),
        bytes.fromhex(fields.get("mask", "")),
        enabled=first == "enabled",
    )


def _described(path: Path) -> Iterator[Format]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        # :name:type:offset:magic:mask:interpreter:flags, with any character in the colon's place
        fields = line[1:].split(line[0]) if line and line[0] not in "#;" else []
        if len(fields) == 7 and fields[1] == "M":
            name, _, offset, magic, mask, interpreter, flags = fields
            yield Format(name, interpreter, flags, int(offset or 0), _unescaped(magic), _unescaped(mask), line=line)


def _unescaped(text: str) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode())
