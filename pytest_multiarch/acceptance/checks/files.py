"""Checks on files and licences: the layers are read, nothing is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_multiarch.acceptance.checks.outcome import Mismatch, Outcome
from pytest_multiarch.acceptance.checks.text import TextExpectation
from pytest_multiarch.errors import FileProblem
from pytest_multiarch.image.members import FileKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.acceptance.checks.outcome import Subject
    from pytest_multiarch.image.entries import FileEntry, Who
    from pytest_multiarch.image.filesystem import ImageFiles

_LETTERS: Final = {
    FileKind.FILE: "",
    FileKind.DIRECTORY: "d",
    FileKind.SYMLINK: "L",
    FileKind.CHARACTER_DEVICE: "Dc",
    FileKind.BLOCK_DEVICE: "D",
    FileKind.FIFO: "p",
}
_EXECUTE: Final[dict[Who, int]] = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111}
_FORBIDDEN: Final = ("AGPL", "WTFPL")
_LET_THROUGH: Final = ("libgnutls30",)
_DOCUMENTATION: Final = "/usr/share/doc"


def go_mode(kind: FileKind, mode: int) -> str:
    """Return a mode as Go's ``FileMode`` prints it: ``-rw-r--r--``, ``dtrwxrwxrwx``, ``Lrwxrwxrwx``."""
    special = "".join(letter for bit, letter in ((0o4000, "u"), (0o2000, "g")) if mode & bit)
    sticky = "t" if mode & 0o1000 else ""
    letters = _LETTERS[kind]
    # The order of Go's bits: d, a, l, T, L, D, p, S, u, g, c, t (io/fs, FileMode.String).
    device = "c" if letters == "Dc" else ""
    shown = f"{letters.removesuffix('c')}{special}{device}{sticky}" or "-"
    return shown + "".join(letter if mode & (0o400 >> place) else "-" for place, letter in enumerate("rwxrwxrwx"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """Look at one path of the image, without following a link at its end unless ``follow``.

    Args:
        path: absolute inside the image; one without a leading slash begins at the root.
        exists: whether there is to be anything; if not, nothing else is looked at.
        follow: whether a link at the path's end is followed before kind, mode and owner are looked at.
        kinds: what it may be, where that is not all the same.
        permissions: the mode as Go's ``FileMode`` prints it.
        mode: the permission bits, with set-user-id, set-group-id and sticky bits.
        uid: the owner's number; ``gid`` the group's.
        executable_by: whose execute bit is to be set: owner, group, other, or any.
        target: where a link points, as written.
        content: what the file holds, links followed.
        reads_content: whether it has to be a file that can be read, whatever it holds.
        devices_exist: whether devices and fifos count.

    """

    path: str
    exists: bool = True
    follow: bool = False
    kinds: tuple[FileKind, ...] = ()
    permissions: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    executable_by: Who | None = None
    target: str | None = None
    content: TextExpectation = field(default_factory=TextExpectation)
    reads_content: bool = False
    devices_exist: bool = True

    def check(self, subject: Subject) -> Outcome:
        """Return what is not as expected."""
        return Outcome(tuple(self._mismatches(subject.image.files)))

    def _mismatches(self, files: ImageFiles) -> Iterator[Mismatch]:
        if self.reads_content:
            yield from self._content(files)
            return
        entry: FileEntry | None = None
        reason = ""
        try:
            entry = files.stat(self.path, follow=self.follow or self.path.endswith("/"))
        except FileProblem as error:
            reason = error.found
        if entry is not None and entry.kind not in _PLAIN and not self.devices_exist:
            reason = f"it is a {entry.kind.value}"
            entry = None
        if entry is not None and self.path.endswith("/") and not entry.is_dir:
            reason = _no_directory(entry)
            entry = None
        if not self.exists:
            if entry is not None:
                yield Mismatch(self.path, "is not there", _described(entry))
        elif entry is None:
            yield Mismatch(self.path, "is there", reason)
        else:
            yield from self._attributes(entry)
            if self.content:
                yield from self._content(files)

    def _attributes(self, entry: FileEntry) -> Iterator[Mismatch]:
        shown = go_mode(entry.kind, entry.mode)
        if self.kinds and entry.kind not in self.kinds:
            yield Mismatch(self.path, f"is a {' or '.join(kind.value for kind in self.kinds)}", _described(entry))
        if self.permissions and shown != self.permissions:
            yield Mismatch(f"permissions of {self.path}", self.permissions, shown)
        if self.mode is not None and entry.mode != self.mode:
            yield Mismatch(f"mode of {self.path}", f"{self.mode:04o}", f"{entry.mode:04o}")
        for name, wanted, came in (("owner", self.uid, entry.uid), ("group", self.gid, entry.gid)):
            if wanted is not None and came != wanted:
                yield Mismatch(f"{name} of {self.path}", str(wanted), str(came))
        if self.executable_by is not None and not entry.mode & _EXECUTE[self.executable_by]:
            yield Mismatch(self.path, f"is executable by {self.executable_by}", shown)
        if self.target is not None and (not entry.is_symlink or entry.target != self.target):
            yield Mismatch(self.path, f"is a link to {self.target}", _described(entry))

    def _content(self, files: ImageFiles) -> Iterator[Mismatch]:
        try:
            text = _text(files, self.path)
        except FileProblem as error:
            yield Mismatch(self.path, "is a file that can be read", error.found)
            return
        yield from self.content.mismatches(f"content of {self.path}", text)


_PLAIN: Final = (FileKind.FILE, FileKind.DIRECTORY, FileKind.SYMLINK)


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseCheck:
    """Look for licences that forbid what most publishers do: AGPL and WTFPL, in copyright files.

    Args:
        debian: whether the copyright file of each Debian package is looked at; each folder of /usr/share/doc has to have one.
        files: more files.

    """

    debian: bool = False
    files: tuple[str, ...] = ()

    def check(self, subject: Subject) -> Outcome:
        """Return which file holds what, and which is not there."""
        return Outcome(tuple(self._mismatches(subject.image.files)))

    def _mismatches(self, files: ImageFiles) -> Iterator[Mismatch]:
        paths = list(self.files)
        if self.debian:
            try:
                packages = sorted(entry.name for entry in _children(files, _DOCUMENTATION) if entry.is_dir)
            except FileProblem as error:
                yield Mismatch(_DOCUMENTATION, "holds the packages' copyright files", error.found)
                packages = []
            paths += [f"{_DOCUMENTATION}/{name}/copyright" for name in packages if name not in _LET_THROUGH]
        for path in paths:
            try:
                text = _text(files, path).upper()
            except FileProblem as error:
                yield Mismatch(path, "is a licence that can be read", error.found)
                continue
            for word in _FORBIDDEN:
                if word in text:
                    yield Mismatch(path, f"does not name {word}", f"it names {word}")


def _text(files: ImageFiles, path: str) -> str:
    """Return what a file holds. Raises FileProblem: it cannot be read, or its path has a slash at its end."""
    if path.endswith("/") and not (entry := files.stat(path)).is_dir:
        raise FileProblem(f"read {path}", _no_directory(entry))
    return files.read_bytes(path).decode("utf-8", errors="replace")


def _no_directory(entry: FileEntry) -> str:
    return f"it is a {entry.kind.value}, and a path with a slash at its end names a directory"


def _children(files: ImageFiles, folder: str) -> Iterator[FileEntry]:
    top = files.stat(folder).path.rstrip("/")
    return (entry for entry in files.walk(folder) if entry.path.rpartition("/")[0] == top)


def _described(entry: FileEntry) -> str:
    shown = f"a {entry.kind.value}, {go_mode(entry.kind, entry.mode)}, {entry.uid}:{entry.gid}"
    return f"{shown}, to {entry.target}" if entry.is_symlink else shown
