"""What keeps a warm container up: a program of ours where there is one for its machine, else one of the image's own.

It is chosen before the container is made, never by trying. Ours come first: they take reading no layer of the image, and no
shell in it. The first choice is the agent, which also runs commands; it is of the daemon's machine, so no emulator runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.engine.agent.program import agent_program
from pytest_multiarch.engine.tiny_elf import pausing_program
from pytest_multiarch.errors import DocumentError, EngineError, FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.platforms import Platform

PROGRAM_PATH: Final = "/.multiarch-keep-alive"
_DAY: Final = "86400"
# Each waits without end; a shell in a child of its own, because a trap runs only between commands.
_CANDIDATES: Final = (
    ("/bin/sh", "-c", f"trap 'exit 0' TERM INT; while :; do sleep {_DAY} & wait $!; done"),
    ("/bin/busybox", "sleep", "2147483647"),
    ("/bin/sleep", "2147483647"),
    ("/usr/bin/sleep", "2147483647"),
    ("/usr/bin/tail", "-f", "/dev/null"),
    ("/usr/local/bin/python3", "-c", "import signal\nwhile True: signal.pause()"),
    ("/usr/bin/python3", "-c", "import signal\nwhile True: signal.pause()"),
    ("/usr/bin/perl", "-e", "sleep while 1"),
)
_NEEDS_SLEEP: Final = "/bin/sh"


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Name a command that never ends by itself; ``program`` is put into the container first, at its path.

    ``is_agent`` is whether it runs commands, too.
    """

    command: tuple[str, ...]
    program: bytes = b""
    is_agent: bool = False


def choose_keep_alive(platform: Platform, machine: Platform, files: Callable[[], ImageFiles]) -> KeepAlive:
    """Return what keeps a container of a platform up on a daemon's machine; ``files`` is asked for only where ours do not run.

    Raises EngineError: the image has nothing that could, either; else what reading it raises.
    """
    agent = agent_program(machine) if platform.os == "linux" else None
    if agent is not None:
        return KeepAlive((PROGRAM_PATH,), agent, is_agent=True)
    program = pausing_program(platform)
    if program is not None:
        return KeepAlive((PROGRAM_PATH,), program)
    tree = files()
    for command in _CANDIDATES:
        if _can_run(tree, command[0], platform) and (command[0] != _NEEDS_SLEEP or _has_sleep(tree)):
            return KeepAlive(command)
    raise EngineError(
        f"choosing what keeps a container for {platform} up",
        "the image has no shell and nothing to wait with, and there is no program of ours for this architecture",
        "Test it with platform_image.run(), or start its own program with platform_image.start().",
    )


def _can_run(files: ImageFiles, path: str, platform: Platform) -> bool:
    from pytest_multiarch.image.elf import HEADER_BYTES, fits, is_elf, read_elf_header

    try:
        if not files.is_executable_by(path):
            return False
        start = files.read_start(path, HEADER_BYTES)
        elf = read_elf_header(start, path) if is_elf(start) else None
    except (FileProblem, DocumentError):
        return False
    return elf is not None and not fits(elf, platform)


def _has_sleep(files: ImageFiles) -> bool:
    return any(files.is_file(f"{folder}/sleep") for folder in ("/bin", "/usr/bin", "/usr/local/bin"))
