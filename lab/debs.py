"""Read Debian packages without installing them, and map their paths onto a merged /usr.

A root of bookworm has `bin`, `sbin`, `lib` (and `lib64` where the dynamic loader's name asks for it) as links into
`usr/`; packages of that release still ship files under both names. Hard links name their target by its path in the
archive, so they are mapped as well. A symbolic link's target is left alone: dpkg does so, too.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.console import LabError
from lab.process import tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.foreign_apt import Deb

# What usrmerge turns into links, on the architectures that have them.
MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"})

# As in Debian's slim images; dpkg records these files all the same.
LEFT_OUT = (
    "usr/share/doc/",
    "usr/share/groff/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/linda/",
    "usr/share/locale/",
    "usr/share/man/",
)


@dataclass(frozen=True, slots=True)
class Control:
    """A package's control files, by name, and the fields of the one called ``control``."""

    files: dict[str, bytes]

    @property
    def text(self) -> str:
        """Return the control fields as written."""
        return self.files["control"].decode()

    def field(self, name: str) -> str:
        """Return a one-line field's value, empty if the package lacks it."""
        prefix = f"{name}: ".lower()
        return next((line[len(prefix) :] for line in self.text.splitlines() if line.lower().startswith(prefix)), "")

    @property
    def conffiles(self) -> tuple[str, ...]:
        """Return the configuration files' absolute paths."""
        lines = self.files.get("conffiles", b"").decode().splitlines()
        return tuple(line.strip() for line in lines if line.startswith("/"))


def control(deb: Deb) -> Control:
    """Read a package's control files. Raises `LabError` for a file that is no package."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(_dpkg_deb("--ctrl-tarfile", deb))) as archive:
        for member in archive:
            data = archive.extractfile(member) if member.isfile() else None
            if data is not None:
                files[plain(member.name)] = data.read()
    return Control(files)


def members(deb: Deb) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield a package's files as it ships them, each with its content."""
    with tarfile.open(fileobj=io.BytesIO(_dpkg_deb("--fsys-tarfile", deb))) as archive:
        for member in archive:
            data = archive.extractfile(member) if member.isreg() else None
            yield member, data.read() if data is not None else b""


def plain(path: str) -> str:
    """Return a tar member's path without its leading `./` and trailing slash; the root is the empty path."""
    return path.removeprefix(".").strip("/")


def merge_usr(path: str) -> str:
    """Return where a plain path lies once /usr is merged."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def is_left_out(path: str) -> bool:
    """Tell whether a slim image lacks this file; it keeps every folder, copyright and C locale."""
    if not path.startswith(LEFT_OUT):
        return False
    return not (path.startswith("usr/share/doc/") and path.endswith("/copyright"))


def _dpkg_deb(what: str, deb: Deb) -> bytes:
    try:
        done = subprocess.run(["dpkg-deb", what, str(deb.path)], capture_output=True, check=False, timeout=120)
    except FileNotFoundError:
        raise LabError(f"unpacking {deb.path.name}", "no program dpkg-deb here", "Run the lab on Debian.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"unpacking {deb.path.name}", "no end within 120 s", "Is the machine short of memory?") from None
    if done.returncode != 0:
        raise LabError(f"unpacking {deb.path.name}", tail(done.stderr), f"Remove {deb.path} and try again.")
    return done.stdout
