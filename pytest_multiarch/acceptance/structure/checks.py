"""Make checks of the tests of a container-structure-test file, as its binary takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.checks import (
    CommandCheck,
    ConfigCheck,
    FileCheck,
    LicenseCheck,
    Mismatch,
    Named,
    Outcome,
    TextExpectation,
)
from pytest_multiarch.acceptance.expand import expand
from pytest_multiarch.acceptance.structure.env_file import read_env_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from pytest_multiarch.acceptance.checks import Check, Subject
    from pytest_multiarch.acceptance.objects import Record
    from pytest_multiarch.engine.mounts import Mount

_MOST_LINKS: Final = 40


@dataclass(frozen=True, slots=True)
class StructureChecks:
    """Make the checks of one file.

    ``global_env`` are its variables as written; ``run_options`` what it says of running, if anything. ``environ`` is where
    the names of ``containerRunOptions.envVars`` have their values.
    """

    global_env: tuple[tuple[str, str], ...]
    run_options: Record | None
    json_defaults: bool
    is_first_version: bool
    is_strict: bool
    environ: Mapping[str, str]

    @classmethod
    def of(cls, record: Record, **how: Any) -> Self:
        """Return what makes the checks of a file."""
        options = record.get("containerRunOptions")
        is_set = options is not None and any(options.values.values())
        return cls(_pairs(record.get("globalEnvVars")), options if is_set else None, **how)

    @property
    def runs_apart(self) -> bool:
        """Tell whether each command has a container of its own: in strict mode what one changes, no other sees."""
        return self.run_options is not None or self.is_strict

    def command(self, test: Record) -> Check:
        """Return a command test's check."""
        command = test.get("command")
        return _StructureCommand(
            words=tuple(command) if self.is_first_version else (command, *(test.get("args") or ())),
            setup=tuple(test.get("setup") or ()),
            env=_pairs(test.get("envVars")),
            exit_code=test.get("exitCode") or 0,
            stdout=_patterns(test, "expectedOutput", "excludedOutput"),
            stderr=_patterns(test, "expectedError", "excludedError"),
            file=self,
        )

    def existence(self, test: Record) -> Check:
        """Return a file existence test's check."""
        exists = test.get("shouldExist", not self.json_defaults)
        check = FileCheck(
            path=test.get("path"),
            exists=exists,
            permissions=test.get("permissions", ""),
            uid=self._owner(test, "uid"),
            gid=self._owner(test, "gid"),
            executable_by=test.get("isExecutableBy") or None,
            devices_exist=not self.is_strict,
        )
        return check if self.is_first_version else _ExpandedPath(check, self)

    def _owner(self, test: Record, key: str) -> int | None:
        """Return the number that is wanted, None where any is."""
        number = test.get(key, 0 if self.json_defaults else -1)
        if number is None and self.is_strict:
            return 0  # what Go's YAML makes of a null, where a key that is left out stays -1
        return None if number == -1 else number

    def content(self, test: Record) -> Check:
        """Return a file content test's check."""
        expected = _patterns(test, "expectedContents", "excludedContents")
        check = FileCheck(path=test.get("path"), content=expected, reads_content=True)
        return _LinksFromRoot(check) if self.is_strict else check

    def metadata(self, test: Record) -> Check:
        """Return the metadata test's check."""
        return ConfigCheck(
            env=_named(test.get("envVars")),
            no_env=tuple(one.get("key") for one in test.get("unboundEnvVars") or ()),
            labels=_named(test.get("labels")),
            entrypoint=test.get("entrypoint"),
            cmd=test.get("cmd"),
            ports=test.get("exposedPorts") or (),
            no_ports=test.get("unexposedPorts") or (),
            any_protocol=self.is_strict,
            volumes=test.get("volumes") or (),
            no_volumes=test.get("unmountedVolumes") or (),
            workdir=test.get("workdir") or None,
            user=test.get("user") or None,
        )

    def licenses(self, test: Record) -> Check:
        """Return a license test's check."""
        return LicenseCheck(debian=bool(test.get("debian")), files=test.get("files") or ())

    def environment(self, subject: Subject) -> tuple[dict[str, str], dict[str, str]]:
        """Return the file's own variables with their values, and all that a process of the image has with them."""
        image = subject.image.config.environment
        own = {key: expand(value, image) for key, value in self.global_env}
        return own, {**image, **own}


@dataclass(frozen=True, slots=True)
class _ExpandedPath:
    """Look at a path that names variables of the image."""

    check_of: FileCheck
    file: StructureChecks

    def check(self, subject: Subject) -> Outcome:
        _, environment = self.file.environment(subject)
        return replace(self.check_of, path=expand(self.check_of.path, environment)).check(subject)


@dataclass(frozen=True, slots=True)
class _LinksFromRoot:
    """Read a file as the binary does, which looks for what a relative link names at the root and not beside the link."""

    check_of: FileCheck

    def check(self, subject: Subject) -> Outcome:
        path, files = self.check_of.path, subject.image.files
        for _ in range(_MOST_LINKS):
            if path.endswith("/") or not files.is_symlink(path):
                break
            path = f"/{files.readlink(path)}"
        return replace(self.check_of, path=path).check(subject)


@dataclass(frozen=True, slots=True)
class _StructureCommand:
    """Run a command as a command test means it: its words name variables of the image, its entrypoint is not the image's."""

    words: tuple[str, ...]
    setup: tuple[tuple[str, ...], ...]
    env: tuple[tuple[str, str], ...]
    exit_code: int
    stdout: TextExpectation
    stderr: TextExpectation
    file: StructureChecks

    def check(self, subject: Subject) -> Outcome:
        own, environment = self.file.environment(subject)
        setup_env = {**own, **{key: expand(value, environment) for key, value in self.env}}
        # What runs before is committed with its variables, and they are then the image's.
        known = {**environment, **setup_env} if self.setup else environment
        check = CommandCheck(
            args=tuple(expand(word, known) for word in self.words),
            way="fresh" if self.file.runs_apart else "warm",
            setup=self.setup,
            setup_env=setup_env,
            setup_may_fail=self.file.is_strict,
            env={**own, **dict(self.env)},
            exit_code=self.exit_code,
            stdout=self.stdout,
            stderr=self.stderr,
        )
        options = self.file.run_options
        return check.check(subject) if options is None else self._with_options(check, own, options, subject)

    def _with_options(self, check: CommandCheck, own: Mapping[str, str], options: Record, subject: Subject) -> Outcome:
        try:
            callers = _callers(options, self.file.environ, is_strict=self.file.is_strict)
        except _NotThere as error:
            return Outcome((error.mismatch,))
        # The binary loses the test's own variables here.
        env = {**own, **({} if self.file.is_strict else dict(self.env)), **callers}
        with_options = replace(
            check,
            env=env,
            user=options.get("user") or None,
            tty=bool(options.get("allocateTty")),
            options=self._container_options(options),
        )
        return with_options.check(subject)

    def _container_options(self, options: Record) -> dict[str, Any]:
        """Return what the container of the command, and of the commands before it, has."""
        capabilities = options.get("capabilities")
        if self.file.is_strict:
            # The binary sends them in a field that the Engine API has lost, and so gets none
            # (GoogleContainerTools/container-structure-test#538).
            capabilities = ()
        found = {
            "mounts": _mounts(options.get("bindMounts") or ()),
            "privileged": options.get("privileged"),
            "cap_add": capabilities,
        }
        return {key: value for key, value in found.items() if value}


def _pairs(variables: Any) -> tuple[tuple[str, str], ...]:
    return tuple((one.get("key"), one.get("value") or "") for one in variables or ())


def _named(variables: Any) -> tuple[Named, ...]:
    return tuple(Named(one.get("key"), one.get("value") or "", bool(one.get("isRegex"))) for one in variables or ())


def _patterns(test: Record, expected: str, excluded: str) -> TextExpectation:
    return TextExpectation(matches=test.get(expected) or (), excludes_matching=test.get(excluded) or ())


class _NotThere(Exception):
    """Say that a variable that is to come from the caller does not."""

    def __init__(self, what: str, expected: str, came: str) -> None:
        super().__init__(what)
        self.mismatch = Mismatch(what, expected, came)


def _callers(options: Record, environ: Mapping[str, str], *, is_strict: bool) -> dict[str, str]:
    """Return the variables that a file of variables holds, and those of the caller that are named. Raises _NotThere."""
    path = options.get("envFile")
    found = _from_file(path, is_strict=is_strict) if path else {}
    for name in options.get("envVars") or ():
        # The binary asks the daemon for a variable without a name in the place of one that is not set, or is empty.
        if name not in environ or (is_strict and not environ[name]):
            how = "empty" if name in environ else "not set"
            raise _NotThere(f"variable {name}", "is set", f"it is {how} in this process's environment")
        found[name] = environ[name]
    return found


def _from_file(path: str, *, is_strict: bool) -> dict[str, str]:
    what = f"envFile {path}"
    try:
        # Go does not mind what is no UTF-8, and sends it to the daemon as U+FFFD.
        text = Path(path).read_bytes().decode("utf-8", errors="replace" if is_strict else "strict")
        found = read_env_file(text)
    except (OSError, ValueError) as error:
        if is_strict:
            return {}  # the binary warns, and goes on
        raise _NotThere(what, "can be read", _why(error)) from None
    if found.pop("", None) is not None and not is_strict:
        raise _NotThere(what, "has a name for each value", "one has none")
    return found


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line}: the byte 0x{error.object[error.start]:02x} is not UTF-8"
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def _mounts(texts: tuple[str, ...]) -> tuple[Mount, ...]:
    """Return what is bound: ``/here:/there`` or ``/here:/there:ro``."""
    from pytest_multiarch.engine.mounts import Mount

    parts = ([*text.split(":", 2), "", ""][:3] for text in texts)
    return tuple(Mount.bind(source, target, read_only="ro" in how.split(",")) for source, target, how in parts)
