"""How a user names an image in an OCI layout; nothing of the layout is read here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_multiarch.errors import InvalidReference, UsageProblem
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.wording import plain
from pytest_multiarch.oci.digest import is_digest

FOLDER: Final = "oci-layout"
ARCHIVE: Final = "oci-archive"

_TAGGED: Final = re.compile(r"(.*):(\w[\w.-]{0,127})", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class LayoutLocation:
    """Name an image in a layout: where the layout is, and which tag or digest of it; neither, if it has one image."""

    scheme: str
    path: Path
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> LayoutLocation:
        """Read ``oci-layout://PATH[:TAG][@DIGEST]`` or ``oci-archive://PATH[:TAG][@DIGEST]``.

        What follows the last colon is the tag if it has a tag's form: a path that ends so needs a tag or a digest.

        Raises InvalidReference: the text names no layout.
        """
        scheme, separator, rest = text.partition("://")
        tried = f"read image reference {plain(text)!r}"
        if not separator or scheme not in (FOLDER, ARCHIVE):
            raise InvalidReference(tried, f"expected {FOLDER}://PATH[:TAG] or {ARCHIVE}://PATH[:TAG]")
        path, _, digest = rest.partition("@") if "@sha" in rest else (rest, "", "")
        if digest and not is_digest(digest):
            raise InvalidReference(tried, f"digest {plain(digest)!r} is neither sha256 nor sha512")
        match = _TAGGED.fullmatch(path)
        path, tag = match.groups() if match else (path, "")
        if not path or "\0" in path:
            raise InvalidReference(tried, "it names no path")
        return cls(scheme, Path(path), tag, digest)

    @staticmethod
    def is_one(text: str) -> bool:
        """Tell whether a text means a layout rather than a registry's image."""
        return text.startswith((f"{FOLDER}://", f"{ARCHIVE}://"))

    @property
    def reference(self) -> Reference:
        """Return what `LayoutClient` is asked for; as text it is this location again."""
        return Reference(f"{self.scheme}:/", str(self.path), self.tag, self.digest)

    @property
    def place(self) -> str:
        """Return the layout without tag and digest, as errors name it."""
        return f"{self.scheme}://{plain(str(self.path))}"

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return str(self.reference)

    def check(self) -> None:
        """Raise UsageProblem unless there is a folder, or a file, as the scheme says; looks at nothing else."""
        is_folder = self.scheme == FOLDER
        if self.path.is_dir() if is_folder else self.path.is_file():
            return
        kind, other = ("folder", ARCHIVE) if is_folder else ("file", FOLDER)
        found = f"it is no {kind}" if self.path.exists() else f"there is no such {kind}"
        fits_other = self.path.is_file() if is_folder else self.path.is_dir()
        hint = f"Use {other}:// for {'an archive' if is_folder else 'a folder'}" if fits_other else ""
        raise UsageProblem(f"open {self.place}", found, hint)
