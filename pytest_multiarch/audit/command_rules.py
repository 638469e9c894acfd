"""Rules about what the image starts: entrypoint and command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.command import closed_folder, may_execute, programs, who_runs
from pytest_multiarch.audit.rule import PlatformRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.audit.command import Program
    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.views import PlatformView


class CommandMissingRule(PlatformRule):
    """Find an entrypoint or command that is not in the image.

    The first word is looked for as engines do: along the image's `PATH`, or from its working directory. For a script, what
    its first line names has to be there as well; behind an init (`tini --`), the program that it starts.

    Why: the container does not start. On one platform only, where a build step put nothing there and did not fail.

    Seen in: linuxserver/docker-mastodon#21, whose arm/v7 image was a tenth of the others and had no `/usr/bin/bundle`.

    Mend: look at the step that should have made the file; let it fail where it makes none (`set -e`, `test -x`). A script
    whose first line ends with a carriage return asks for an interpreter of that name: save it with line feeds.
    """

    code = "MA401"
    name = "command-missing"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each program that is wanted and not there."""
        for program in _programs(view):
            if not program.path:
                yield self.finding(
                    platform=view.platform,
                    path=program.word if program.word.startswith("/") else "",
                    item=program.word,
                    expected=f"{program.word}, which {program.wanted_by} names",
                    found="there is no such file in the image",
                )


class CommandNotExecutableRule(PlatformRule):
    """Find an entrypoint or command that the image's user may not execute.

    Mode and owner count as they do for the kernel: of the owner's, the group's and the others' permission only one. A
    directory is not executable either. The user also has to be allowed into each folder on the way, those that links lead
    through among them.

    Why: the container does not start ("permission denied"): what root installed below its own `/root` is nobody else's. On
    one platform only, where that one was built from another checkout or on another file system, which keep the bit or lose
    it.

    Seen in: aws-samples/aws-iot-securetunneling-localproxy#128 (a directory), roundcube/roundcubemail-docker#184.

    Mend: `COPY --chmod=0755`, or set the bit in the repository (`git update-index --chmod=+x`). Install what another user
    runs in a folder that all may enter.
    """

    code = "MA402"
    name = "command-not-executable"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each program that is there and cannot be executed."""
        user = who_runs(view.config, view.files)
        for program in _programs(view):
            if not program.path:
                continue
            entry = view.files.stat(program.path)
            name = view.config.user or "root"
            # What is started from the working directory does not need the way to that.
            is_absolute = "/" not in program.word or program.word.startswith("/")
            closed = closed_folder(program.path, view.files, user) if is_absolute else None
            if closed is not None:
                yield self.finding(
                    platform=view.platform,
                    path=entry.path,
                    item=program.word,
                    expected=f"a file that {name} may come to: {program.wanted_by} names it",
                    found=f"{closed.path} is on the way, mode {closed.mode:04o}, owner {closed.uid}:{closed.gid}",
                    brought=view.brought(closed.path),
                )
            elif not may_execute(entry, user):
                kind = (
                    f"mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}"
                    if entry.is_file
                    else f"a {entry.kind.value}"
                )
                yield self.finding(
                    platform=view.platform,
                    path=entry.path,
                    item=program.word,
                    expected=f"a file that {name} may execute: {program.wanted_by} names it",
                    found=kind,
                    brought=view.brought(entry.path),
                )


class CommandForeignRule(PlatformRule):
    """Find an entrypoint or command that is a program for another machine, or for a later processor.

    For a script, it is the interpreter that counts. The same file is also found by MA201, or by MA202; this one says that
    the image does not start at all.

    Why: "exec format error", or an emulator that nobody asked for.

    Seen in: Kong/kubernetes-ingress-controller#2525, apache/skywalking-swck#215, mescon/Muximux#355.

    Mend: as for MA201. Mostly `ARG TARGETARCH=amd64`, whose default wins over the platform that is built (MA603).
    """

    code = "MA403"
    name = "command-foreign"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each program that the platform does not run."""
        by_path = {one.path: one for one in view.elf_files}
        for program in _programs(view):
            if not program.path:
                continue
            one = by_path.get(view.files.stat(program.path).path)
            if one is not None and one.misfits:
                yield self.finding(
                    platform=view.platform,
                    path=one.path,
                    item=program.word,
                    expected="; ".join(misfit.expected for misfit in one.misfits),
                    found="; ".join(misfit.found for misfit in one.misfits),
                    brought=view.brought(one.path),
                )


def _programs(view: PlatformView) -> Iterator[Program]:
    """Yield what the image starts; nothing for Windows, whose rules are others, and where layers are not to be had."""
    if view.platform.os in ("", "linux") and not view.files.foreign:
        yield from programs(view.config, view.files)
