"""Rules about the files that the platforms of one image have in common: which are there, and their modes and owners."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pytest_multiarch.audit.rule import ImageRule
from pytest_multiarch.errors import FileProblem
from pytest_multiarch.image.packages import owned_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.views import ImageView, PlatformView
    from pytest_multiarch.image.entries import FileEntry


class FilesDifferRule(ImageRule):
    """Find files that only some platforms have.

    Files that a package brought (dpkg, apk, rpm, Python) are left to the comparison of versions (MA502): packages have
    other files on other architectures. Names of the platform in a path do not count, and neither do the groups of
    expected differences: package databases, caches and logs, program loaders, libraries for later processors, files that
    engines write. Of a directory that is missing as a whole only the directory is named.

    Why: a step of the build did less on one platform and did not fail: a download that is not there for it, a plugin that
    was not compiled, a copy by a pattern that matched nothing.

    Seen in: linuxserver/docker-mastodon#21, attevon-llc/OpenTranscribe#680.

    Mend: let the step fail where it brings nothing; what a platform really cannot have is allowed, with the reason.
    """

    code = "MA503"
    name = "files-differ"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each path that is there on some platforms and not on all."""
        # What layers that may not be distributed bring is not known.
        judged = [one for one in view.offered if not one.files.foreign]
        everything = view.comparable_files
        found = {one.platform: _own_files(one, everything[one.platform]) for one in judged}
        told: set[str] = set()
        for path in sorted(set().union(*found.values())):
            having = next(one for one in judged if path in found[one.platform])
            entry = found[having.platform][path]
            # What is there on a platform at all, by a package or not, and by whichever of the two names, is not missing.
            missing = [
                one.platform for one in judged if path not in everything[one.platform] and entry.path not in one.paths
            ]
            if not missing:
                continue
            if posixpath.dirname(path) in told:
                told.add(path)
                continue
            told.add(path)
            there = [str(one.platform) for one in judged if one.platform not in missing]
            yield self.finding(
                path=entry.path,
                expected="on all platforms, or on none",
                found=f"a {entry.kind.value} on {', '.join(there)}, nothing on {', '.join(map(str, missing))}",
                brought=having.brought(entry.path),
            )


class FileModesDifferRule(ImageRule):
    """Find files whose kind, permissions or owner differ between platforms.

    Of all files that platforms have in common, whether a package brought them or not.

    Why: what may be executed, read or written differs, and with it what works, and who can do harm.

    Seen in: roundcube/roundcubemail-docker#184 (an entrypoint that was not executable on arm).

    Mend: set modes and owners in the Dockerfile (`COPY --chmod`, `--chown`), and not by the checkout that happened to be
    there on each build machine.
    """

    code = "MA504"
    name = "file-modes-differ"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each path that is not of the same kind, mode and owner everywhere."""
        found = view.comparable_files
        for path in sorted(set().union(*found.values())):
            there_on = [(one, entry) for one in view.offered if (entry := found[one.platform].get(path)) is not None]
            first = there_on[0][1]
            if all(_is_alike(entry, first) for _, entry in there_on):
                continue  # nearly all are
            groups: dict[str, list[PlatformView]] = {}
            for one, entry in there_on:
                groups.setdefault(_attributes(entry), []).append(one)
            if len(groups) > 1:
                last = list(groups.values())[-1][0]
                shown = "; ".join(
                    f"{attributes} on {', '.join(str(one.platform) for one in views)}"
                    for attributes, views in groups.items()
                )
                there = found[last.platform][path].path
                yield self.finding(
                    path=there, expected="the same on all platforms", found=shown, brought=last.brought(there)
                )


def _own_files(view: PlatformView, comparable: Mapping[str, FileEntry]) -> Mapping[str, FileEntry]:
    """Return those of the comparable files that no package brought."""
    owned = set(_real(view, owned_paths(view.files)))
    return {name: entry for name, entry in comparable.items() if entry.path not in owned}


def _real(view: PlatformView, paths: Iterable[str]) -> Iterator[str]:
    """Follow the links in directories' names: with a merged /usr, dpkg's /lib/… is /usr/lib/…."""
    folders: dict[str, str] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        real = folders.get(folder)
        if real is None:
            try:
                real = view.files.stat(folder or "/").path.rstrip("/")
            except FileProblem:
                real = folder
            folders[folder] = real
        yield f"{real}/{name}"


def _is_alike(one: FileEntry, other: FileEntry) -> bool:
    return one.mode == other.mode and one.uid == other.uid and one.gid == other.gid and one.kind is other.kind


def _attributes(entry: FileEntry) -> str:
    if entry.is_symlink:
        return "symbolic link"  # its own mode and owner mean nothing to anybody
    return f"{entry.kind.value} {entry.mode:04o} {entry.uid}:{entry.gid}"
