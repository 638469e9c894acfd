"""Which program an image starts: its entrypoint and command resolved in its files, as an engine and the kernel do."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_multiarch.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pytest_multiarch.image.entries import FileEntry, Who
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.oci import ImageConfig

User: TypeAlias = tuple[int, frozenset[int]]
"""A user's number and groups."""

#: What engines take where the config has none (containerd ``oci.defaultUnixEnv``).
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Programs that do nothing but start the one behind `--`, each with its options that take a value; docker-init is tini.
_INITS: Final[Mapping[str, Collection[str]]] = {
    "tini": ("p", "e"),
    "tini-static": ("p", "e"),
    "docker-init": ("p", "e"),
    "dumb-init": ("r", "rewrite"),
    "catatonit": (),
}
_SCRIPT_BYTES: Final = 256  # Linux' BINPRM_BUF_SIZE
_MOST_SCRIPTS: Final = 5  # Linux gives up at this depth of interpreters (ELOOP)


@dataclass(frozen=True, slots=True)
class Program:
    """Say where a word of a command line leads.

    ``word`` is as it is written, ``path`` where it was found, empty where it was not; ``wanted_by`` is what asks for it: the
    config's field, or the script whose first line names it.
    """

    word: str
    path: str
    wanted_by: str


def programs(config: ImageConfig, files: ImageFiles) -> Iterator[Program]:
    """Yield what has to be there for the image to start, in the order in which the kernel comes to it.

    First the entrypoint's (or the command's) first word; then, as long as it is a script, what its first line names; and
    behind an init, what that starts. Nothing for an image without entrypoint and command.
    """
    line = (*config.entrypoint, *config.cmd)
    if not line or not line[0]:
        return
    field = "Entrypoint" if config.entrypoint else "Cmd"
    first = _resolved(line[0], field, config, files)
    yield first
    yield from _interpreters(first, config, files)
    if posixpath.basename(line[0]) in _INITS:
        behind = _behind_init(line)
        if behind:
            second = _resolved(behind, f"{field} (behind {posixpath.basename(line[0])})", config, files)
            yield second
            yield from _interpreters(second, config, files)


def may_execute(entry: FileEntry, user: User | None) -> bool:
    """Tell whether a user may execute a file: the owner's, the group's or the others' bit counts, and only that one.

    None is a user of whom nothing is known, for whom any bit will do. Root needs any one.
    """
    return entry.is_executable_by("any" if user is None or user[0] == 0 else _counted_as(entry, user))


def closed_folder(path: str, files: ImageFiles, user: User | None) -> FileEntry | None:
    """Return the first folder on the way to a path, links' ways included, that a user may not search; None without one.

    As path_resolution(7) has it. Root may search any folder, and so may a user of whom nothing is known. The image's root is
    passed over: which permissions that gets is up to the engine.
    """
    if user is None or user[0] == 0:
        return None
    folders = (folder for folder in files.searched(path) if folder.path != "/")
    return next((one for one in folders if not one.is_searchable_by(_counted_as(one, user))), None)


def _counted_as(entry: FileEntry, user: User) -> Who:
    number, groups = user
    if entry.uid == number:
        return "owner"
    return "group" if entry.gid in groups else "other"


def who_runs(config: ImageConfig, files: ImageFiles) -> User | None:
    """Return the user that the image runs as; None where the image does not tell.

    Names are looked up in the image's own /etc/passwd and /etc/group, as engines do (moby ``oci.WithUser``).
    """
    name, _, group = config.user.partition(":")
    users = [row for row in _table(files, "/etc/passwd") if len(row) >= 4]
    groups = [row for row in _table(files, "/etc/group") if len(row) >= 4]
    row = next((row for row in users if row[0] == name or (_number(name) is not None and row[2] == name)), None)
    number = 0 if name in ("", "root") else _number(name)
    own = 0
    if row is not None and number != 0:
        listed = _number(row[2]), _number(row[3])
        if listed[0] is not None and listed[1] is not None:
            number, own = listed[0], listed[1]
    if number is None:
        return None
    if group:
        found = _number(next((row[2] for row in groups if row[0] == group), group))
        return None if found is None else (number, frozenset({found}))
    login = row[0] if row is not None else name
    others = {_number(row[2]) for row in groups if login in row[3].split(",")}
    return number, frozenset({own, *(one for one in others if one is not None)})


def _number(text: str) -> int | None:
    """Return a user's or group's number, None for what is none: as `id_t`, it has ten digits at most."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None


def _resolved(word: str, wanted_by: str, config: ImageConfig, files: ImageFiles) -> Program:
    """Look for a word as engines do: with a slash from the working directory, else along the image's PATH."""
    if "/" in word:
        path = posixpath.join("/", config.working_dir, word)
        return Program(word, path if files.exists(path) else "", wanted_by)
    search = config.environment.get("PATH", DEFAULT_PATH)
    candidates = [posixpath.join("/", config.working_dir, folder, word) for folder in search.split(":")]
    there = [path for path in candidates if files.is_file(path)]
    # As execvp does: one that the user may not execute, or not come to, is passed over, unless there is no other.
    user = who_runs(config, files) if len(there) > 1 else None
    executable = (
        path for path in there if may_execute(files.stat(path), user) and closed_folder(path, files, user) is None
    )
    return Program(word, next(executable, (there or [""])[0]), wanted_by)


def _interpreters(program: Program, config: ImageConfig, files: ImageFiles) -> Iterator[Program]:
    current = program
    for _ in range(_MOST_SCRIPTS):
        if not current.path or not files.is_file(current.path):
            return
        words = _first_line(files, current.path)
        if not words:
            return
        wanted_by = f"the first line of {current.path}"
        path = words[0] if files.exists(words[0]) else ""
        current = Program(words[0], path, wanted_by)
        yield current
        if path and posixpath.basename(words[0]) == "env" and (behind := _behind_env(words[1:])):
            yield _resolved(behind, wanted_by, config, files)


def _first_line(files: ImageFiles, path: str) -> list[str]:
    """Return a script's interpreter and its one argument, where it has one; nothing for what is no script.

    As Linux' ``load_script`` does: only blanks and tabs are cut off, so that a carriage return belongs to the name.
    """
    start = files.read_start(path, _SCRIPT_BYTES)
    if not start.startswith(b"#!"):
        return []
    line = start[2:].partition(b"\n")[0].decode("utf-8", "replace").strip(" \t")
    return re.split("[ \t]+", line, maxsplit=1) if line else []


def _behind_env(arguments: Sequence[str]) -> str:
    """Return the program that `env` starts. It gets all of a first line as one argument, unless that begins with ``-S``."""
    if not arguments:
        return ""
    whole = arguments[0]
    split = re.match(r"(?:-S|-vS|--split-string[= ])(.*)", whole, re.DOTALL)
    if split is None:
        return "" if whole.startswith("-") or "=" in whole else whole
    words = iter(split[1].split())
    for word in words:
        if word in ("-u", "-C", "--unset", "--chdir"):
            next(words, "")
        elif not word.startswith("-") and "=" not in word:
            return word
    return ""


def _behind_init(line: Sequence[str]) -> str:
    """Return the program that an init starts behind its own `--`; nothing where it has none.

    One that comes after the first word that is neither an option nor an option's value is the program's: as getopt does.
    """
    with_value = _INITS[posixpath.basename(line[0])]
    words = iter(line[1:])
    for word in words:
        if word == "--":
            return next(words, "")
        if word == "-" or not word.startswith("-"):
            return ""
        if _wants_value(word, with_value):
            next(words, "")
    return ""


def _wants_value(option: str, with_value: Collection[str]) -> bool:
    """Tell whether the next word is an option's value: not of ``-pSIGTERM`` and ``--rewrite=15:3``, which hold theirs."""
    if option.startswith("--"):
        return option[2:] in with_value
    letters = option[1:]
    return next((index for index, letter in enumerate(letters) if letter in with_value), -1) == len(letters) - 1


def _table(files: ImageFiles, path: str) -> list[list[str]]:
    try:
        text = files.read_bytes(path, 1024 * 1024).decode("utf-8", "replace")
    except FileProblem:  # it is not there, or is something that no engine reads either
        return []
    return [line.split(":") for line in text.splitlines()]
