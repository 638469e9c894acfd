"""Rules about dynamic executables: what they are started and loaded with has to be in the image."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_multiarch.audit.rule import PlatformRule
from pytest_multiarch.errors import FileProblem
from pytest_multiarch.image.elf import ElfType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.survey import ElfEntry
    from pytest_multiarch.audit.views import PlatformView


_Key: TypeAlias = tuple[str, int, int, str]

#: What musl's loader is itself and never looks for, whatever comes behind the point (``ldso/dynlink.c``, ``load_library``).
_MUSLS_OWN: Final = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")


class InterpreterMissingRule(PlatformRule):
    """Find dynamic executables whose interpreter is not in the image.

    The interpreter is the program loader that the executable names: `/lib64/ld-linux-x86-64.so.2`,
    `/lib/ld-musl-aarch64.so.1`.

    Why: the kernel answers "no such file or directory" for a program that is plainly there, and nobody thinks of the
    loader. It happens where glibc's programs meet Alpine's images, or musl's meet Debian's, and on one platform only where
    just that one's binary was downloaded from another place.

    Seen in: denoland/deno_docker#343, whose arm64 image had no `/lib/ld-linux-aarch64.so.1` because its base had no arm64.

    Mend: build for the image's C library, link statically, or take the loader's package into the image.
    """

    code = "MA203"
    name = "interpreter-missing"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each executable that the kernel could not start for want of its loader."""
        for one in _programs(view):
            if one.elf.interpreter and not view.files.exists(one.elf.interpreter):
                yield self.finding(
                    platform=view.platform,
                    path=one.path,
                    item=one.elf.interpreter,
                    expected=f"its interpreter {one.elf.interpreter} in the image",
                    found="there is no such file",
                    brought=view.brought(one.path),
                )


class LibraryMissingRule(PlatformRule):
    """Find dynamic executables with a needed library that is nowhere in the image.

    The libraries that those libraries need count as well; the program's own interpreter, which on some architectures is
    one of them, is left to MA203. Where in the image a library lies is not judged: loaders' paths depend on the
    environment that a program is started with. One that is there only for another machine is as good as none. musl's loader
    is the C library as well, and a program that is started by it lacks neither that nor its parts (`libm.so.6`).

    Why: the program ends at once with "error while loading shared libraries", on one platform only where a package is
    called otherwise there, or where a file was copied by a path that has another architecture's name in it.

    Seen in: jiangwenyuan/docker-nuster#8 (libatomic, which only the arm64 build needs), chaintope/tapyrus-core#185.

    Mend: install the library's package in the last stage, or copy it by the platform's own triplet.
    """

    code = "MA204"
    name = "library-missing"

    def check(self, view: PlatformView) -> Iterator[Finding]:
        """Return a finding for each library that an executable, or one of its libraries, asks for in vain."""
        libraries = _libraries(view)
        for program in _programs(view):
            for wanted, asked_by in _missing(program, libraries):
                yield self.finding(
                    platform=view.platform,
                    path=program.path,
                    item=wanted,
                    expected=f"{wanted} for {program.elf.machine_name} in the image",
                    found="it is not there"
                    if asked_by is program
                    else f"it is not there, and {asked_by.path} needs it",
                    brought=view.brought(program.path),
                )


def _programs(view: PlatformView) -> Iterator[ElfEntry]:
    """Yield the programs that are for this platform; what is for others says MA201.

    None where layers are not to be had: what seems to be missing may be in them.
    """
    if view.files.foreign:
        return
    for one in view.elf_files:
        elf = one.elf
        # Static programs name no interpreter and no library, and neither do the loaders of glibc and musl.
        if elf.is_executable and elf.complete and not elf.debug_only and not one.is_foreign:
            yield one


def _libraries(view: PlatformView) -> Mapping[_Key, ElfEntry]:
    """Return the image's libraries by the names that they are asked for, of the file and of links to it, and machine."""
    by_path = {one.path: one for one in view.elf_files if one.elf.type is ElfType.DYN}
    found = {_key(one.entry.name, one): one for one in reversed(by_path.values())}
    wanted = {name.rpartition("/")[2] for one in view.elf_files for name in one.elf.needed}
    for entry in view.entries:
        if not entry.is_symlink or entry.name not in wanted:
            continue
        with suppress(FileProblem):  # a link that leads nowhere
            target = by_path.get(view.files.stat(entry.path).path)
            if target is not None:
                found.setdefault(_key(entry.name, target), target)
    return found


def _missing(program: ElfEntry, libraries: Mapping[_Key, ElfEntry]) -> Iterator[tuple[str, ElfEntry]]:
    """Yield what a program, and the libraries that it loads, need in vain, with who asks; each name once."""
    loader = program.elf.interpreter.rpartition("/")[2]
    is_musls = loader.startswith("ld-musl-")
    seen = {loader}
    waiting = [program]
    while waiting:
        asking = waiting.pop()
        for wanted in asking.elf.needed:
            name = wanted.rpartition("/")[2]
            if name in seen or (is_musls and _MUSLS_OWN.match(wanted)):
                continue
            seen.add(name)
            library = libraries.get(_key(name, program))
            if library is not None:
                waiting.append(library)
            elif not _is_the_kernels(name):
                yield name, asking


def _key(name: str, one: ElfEntry) -> _Key:
    # x32 code has 32 bits on x86-64 and its own libraries; class and machine together tell it.
    return name, one.elf.machine, one.elf.bits, one.elf.byte_order


def _is_the_kernels(name: str) -> bool:
    """Tell whether a name is the kernel's own library, which is in no file system."""
    return name.startswith(("linux-vdso.so", "linux-gate.so"))
