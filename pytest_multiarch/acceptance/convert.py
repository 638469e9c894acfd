"""Write a container-structure-test file as one of ours: the same checks, in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from pytest_multiarch.acceptance.structure.reading import read_record
from pytest_multiarch.acceptance.suite.templates import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.acceptance.objects import Record

_VARIABLE = "$"


def convert(text: str, file: str) -> str:
    """Return the file in our own format; what has no counterpart is in comments at its top.

    Raises BadFile: it cannot be read.
    """
    record = read_record(text, file)
    converter = _Converter(record)
    tests = list(converter.tests())
    for test in tests:
        converter.note_placeholders(test)
    notes = "".join(f"# {note}\n" for note in converter.notes)
    body = yaml.safe_dump({"tests": tests}, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    return f"# Converted from {file}.\n{notes}{body}"


class _Converter:
    def __init__(self, record: Record) -> None:
        self._record = record
        self._global = {one.get("key"): one.get("value", "") for one in record.get("globalEnvVars") or ()}
        self._options: Record | None = record.get("containerRunOptions")
        self.notes: list[str] = []

    def tests(self) -> Iterator[dict[str, Any]]:
        """Yield the tests in the file's order."""
        for test in self._record.get("commandTests") or ():
            yield self._command(test)
        for test in self._record.get("fileExistenceTests") or ():
            yield self._existence(test)
        for test in self._record.get("fileContentTests") or ():
            content = _expected(test, "expectedContents", "excludedContents")
            yield {"name": test.get("name"), "file": test.get("path"), "content": content or {"matches": [""]}}
        if metadata := self._record.get("metadataTest"):
            config = _config(metadata)
            if config:
                yield {"name": "metadata", "config": config}
        for number, test in enumerate(self._record.get("licenseTests") or (), 1):
            found = {"debian": test.get("debian"), "files": list(test.get("files") or ())}
            yield {"name": f"licenses {number}", "licenses": {key: value for key, value in found.items() if value}}

    def _command(self, test: Record) -> dict[str, Any]:
        command = test.get("command")
        words = [command, *(test.get("args") or ())] if isinstance(command, str) else list(command)
        env = {**self._global, **{one.get("key"): one.get("value") for one in test.get("envVars") or ()}}
        what: dict[str, Any] = {"args": words}
        if env:
            what["env"] = env
        if test.get("setup"):
            what["setup"] = [list(one) for one in test.get("setup")]
        if self._options is not None:
            what.update({"fresh": True, **self._run_options(self._options)})
        for text in [*words, *env.values()]:
            if _VARIABLE in text:
                self._note(
                    f"{test.get('name')}: {text!r} names a variable of the image; here, a shell would have to read it."
                )
        found: dict[str, Any] = {"name": test.get("name"), "exec": what if len(what) > 1 else words}
        if test.get("exitCode"):
            found["exit_code"] = test.get("exitCode")
        for stream, expected, excluded in (
            ("stdout", "expectedOutput", "excludedOutput"),
            ("stderr", "expectedError", "excludedError"),
        ):
            if text := _expected(test, expected, excluded):
                found[stream] = text
        return found

    def _run_options(self, options: Record) -> dict[str, Any]:
        found: dict[str, Any] = {
            ours: options.get(key)
            for key, ours in (("user", "user"), ("privileged", "privileged"), ("allocateTty", "tty"))
            if options.get(key)
        }
        if options.get("capabilities"):
            found["cap_add"] = list(options.get("capabilities"))
        mounts: dict[str, str] = {}
        for text in options.get("bindMounts") or ():
            source, _, rest = text.partition(":")
            target, _, how = rest.partition(":")
            if how or source in mounts:
                self._note(
                    f"containerRunOptions.bindMounts: {text!r} is said otherwise here: a path has one place, as it is."
                )
            mounts[source] = target
        if mounts:
            found["mounts"] = mounts
        for key in ("envFile", "envVars"):
            if options.get(key):
                self._note(f"containerRunOptions.{key} has no counterpart: write the variables into env.")
        return found

    def _existence(self, test: Record) -> dict[str, Any]:
        found: dict[str, Any] = {"name": test.get("name"), "file": test.get("path"), "follow": False}
        if _VARIABLE in test.get("path"):
            self._note(f"{test.get('name')}: the path names a variable of the image; here, write what it is.")
        if not test.get("shouldExist", True):
            return {**found, "exists": False}
        for key, ours in (("permissions", "permissions"), ("isExecutableBy", "executable_by")):
            if test.get(key):
                found[ours] = test.get(key)
        for key in ("uid", "gid"):
            if test.get(key) not in (None, -1):
                found[key] = test.get(key)
        return found

    def _note(self, text: str) -> None:
        text = " ".join(text.splitlines())
        if text not in self.notes:
            self.notes.append(text)

    def note_placeholders(self, test: dict[str, Any]) -> None:
        """Note the texts of a test of ours, but its name, that name the platform where its source has them as they stand."""
        for text in _texts({key: value for key, value in test.items() if key != "name"}):
            for found in PLACEHOLDER.finditer(text):
                self._note(f"{test['name']}: {found[0]} in {text!r} stands for the platform here; write it otherwise.")


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts of a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _expected(test: Record, expected: str, excluded: str) -> dict[str, Any]:
    parts = (("matches", test.get(expected)), ("excludes_matching", test.get(excluded)))
    return {key: list(patterns) for key, patterns in parts if patterns}


def _config(metadata: Record) -> dict[str, Any]:
    def named(values: Any) -> dict[str, Any]:
        return {
            one.get("key"): {"matches": one.get("value", "")} if one.get("isRegex") else one.get("value", "")
            for one in values or ()
        }

    lists = {
        "exposedPorts": "ports",
        "unexposedPorts": "no_ports",
        "volumes": "volumes",
        "unmountedVolumes": "no_volumes",
    }
    found: dict[str, Any] = {
        "env": named(metadata.get("envVars")),
        "no_env": [one.get("key") for one in metadata.get("unboundEnvVars") or ()],
        "labels": named(metadata.get("labels")),
        **{ours: list(metadata.get(key) or ()) for key, ours in lists.items()},
        "workdir": metadata.get("workdir") or "",
        "user": metadata.get("user") or "",
    }
    found = {key: value for key, value in found.items() if value}
    return {**found, **{key: list(metadata.get(key)) for key in ("entrypoint", "cmd") if metadata.get(key) is not None}}
