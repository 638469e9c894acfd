"""What our own files may say: the file, and the kinds of its tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.documents import Listing, Mapping
from pytest_multiarch.acceptance.objects import Field, Object, Record
from pytest_multiarch.acceptance.places import Problem
from pytest_multiarch.acceptance.shapes import Flag, ListOf, MapOf, Number, OneOf, Text, refuse
from pytest_multiarch.acceptance.suite.values import (
    ANY_TEXT,
    ENV,
    EXEC,
    EXPECTED,
    NAMED,
    PLATFORM,
    PLATFORMS,
    RUN,
    SECONDS,
)

if TYPE_CHECKING:
    from pytest_multiarch.acceptance.documents import Value


def _check_mode(text: str) -> None:
    if not re.fullmatch("[0-7]{3,5}", text):
        raise ValueError(f"{text!r} is no mode: write it in octal, '0755'")


_TEXTS: Final = ListOf(Text(), or_one=True)
_OCTAL: Final = Text(check=_check_mode, wanted="a mode, such as '0755'")
KINDS_OF_FILES: Final = ("file", "directory", "link", "device", "fifo")
CONFIG_LISTS: Final = ("env", "labels", "entrypoint", "cmd", "ports", "volumes", "workdir", "user", "stop_signal")

_NAME: Final = {"name": Field(Text(), "the test's name", is_required=True)}
_PER_PLATFORM: Final = {**_NAME, "platforms": PLATFORMS}
_RESULT: Final = {
    "exit_code": Field(Number(least=0, most=255), "0 unless said otherwise"),
    "stdout": Field(EXPECTED, "what the output is to be"),
    "stderr": Field(EXPECTED, "what the error output is to be"),
    "timeout": Field(SECONDS, "seconds that it may take"),
}

CONFIG: Final = Object(
    "what the configuration is to be",
    {
        "env": Field(MapOf(NAMED), "variables with their values"),
        "no_env": Field(_TEXTS, "variables that are not to be set"),
        "labels": Field(MapOf(NAMED), "labels with their values"),
        "entrypoint": Field(ListOf(ANY_TEXT), "exactly this; [] for none"),
        "cmd": Field(ListOf(ANY_TEXT), "exactly this; [] for none"),
        "ports": Field(_TEXTS, "ports that are to be exposed: 80, 53/udp"),
        "no_ports": Field(_TEXTS, "ports that are not to be exposed"),
        "volumes": Field(_TEXTS, "paths that are to be volumes"),
        "no_volumes": Field(_TEXTS, "paths that are not to be volumes"),
        "workdir": Field(ANY_TEXT, "the working directory"),
        "user": Field(ANY_TEXT, "the user"),
        "stop_signal": Field(ANY_TEXT, "the signal that stops it"),
        "os": Field(Text(), "the operating system that the image says it is for"),
        "architecture": Field(Text(), "the architecture that the image says it is for"),
        "variant": Field(ANY_TEXT, "the architecture's variant"),
    },
)
INDEX: Final = Object(
    "what the index is to be",
    {
        "platforms": Field(ListOf(PLATFORM, least=1, or_one=True), "exactly these are offered"),
        "includes": Field(ListOf(PLATFORM, least=1, or_one=True), "at least these are offered"),
        "annotations": Field(MapOf(NAMED), "annotations of the index"),
        "provenance": Field(Flag(), "whether each of the run's platforms has provenance"),
        "sbom": Field(Flag(), "whether each of the run's platforms has an SBOM"),
    },
)
AUDIT: Final = Object(
    "what is audited",
    {
        "select": Field(_TEXTS, "rules by code, by the beginning of a code, or by name"),
        "ignore": Field(_TEXTS, "rules that do not count"),
        "allow": Field(_TEXTS, "what may be found: MA201 /usr/lib/firmware/** because …"),
    },
)
PARITY: Final = Object(
    "what is to be the same on all platforms",
    {
        "config": Field(ListOf(OneOf(CONFIG_LISTS), or_one=True), "parts of the configuration"),
        "paths": Field(_TEXTS, "patterns of paths that are to be there on all or on none"),
        "content": Field(_TEXTS, "patterns of files that are to have the same bytes"),
    },
)
ANSWER: Final = Object(
    "a request and its answer",
    {
        "path": Field(Text(), "the path that is asked for; / unless said otherwise"),
        "port": Field(Number(least=1, most=65535), "which port; the first of the service unless said otherwise"),
        "method": Field(
            OneOf(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")), "GET unless said otherwise"
        ),
        "headers": Field(ENV, "headers of the request"),
        "data": Field(ANY_TEXT, "what is sent"),
        "status": Field(Number(least=100, most=599), "200 unless said otherwise"),
        "body": Field(EXPECTED, "what the answer is to be"),
        "response_headers": Field(MapOf(NAMED), "headers of the answer"),
        "timeout": Field(SECONDS, "seconds that the answer may take; 10 unless said otherwise"),
    },
)
WAIT_FOR: Final = Object(
    "what is waited for",
    {
        "port": Field(Number(least=1, most=65535), "until this port takes connections"),
        "http": Field(Text(), "until this path answers with 200, on the first port"),
        "log": Field(Text(), "until the log has this text"),
        "healthy": Field(Flag(), "until the image's health check passes"),
    },
    one_of=("port", "http", "log", "healthy"),
)
LICENSES: Final = Object(
    "which licences are looked at",
    {
        "debian": Field(Flag(), "the copyright file of each Debian package; each has to have one"),
        "files": Field(_TEXTS, "files that hold licences"),
    },
)
SERVICE_OPTIONS: Final = ("args", "entrypoint", "user", "workdir", "env", "mounts", "privileged", "cap_add")
"""What a service has of what a run has."""
SERVICE: Final = Object(
    "the service",
    {
        **{name: RUN.fields[name] for name in SERVICE_OPTIONS},
        "ports": Field(
            ListOf(Number(least=1, most=65535), least=1, or_one=True), "the ports that it listens on", is_required=True
        ),
        "wait_for": Field(WAIT_FOR, "when it is ready; when its ports take connections unless said otherwise"),
        "timeout": Field(SECONDS, "seconds until it is ready"),
    },
)


@dataclass(frozen=True, slots=True)
class Words:
    """A command: a list of words, or an object that says more of it."""

    more: Object

    @property
    def wanted(self) -> str:
        """Say in words what is wanted."""
        return f"a list of words, or a mapping: {self.more.what}"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the value as the object, or say what is wrong with it."""
        if isinstance(value, Mapping):
            return self.more.read(value, problems)
        if not isinstance(value, Listing):
            return refuse(self, value, problems)
        before = len(problems)
        found = ListOf(ANY_TEXT, least=1).read(value, problems)
        if len(problems) > before:
            return None
        return Record(value.place, value.place.line, {"args": found}, {"args": value.place})

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        return {"anyOf": [ListOf(ANY_TEXT, least=1).schema(), self.more.schema()]}


TESTS: Final[dict[str, Object]] = {
    "run": Object(
        "a run test",
        {
            **_PER_PLATFORM,
            "run": Field(Words(RUN), "run the image in a fresh container, as docker run does"),
            **_RESULT,
        },
    ),
    "exec": Object(
        "an exec test",
        {**_PER_PLATFORM, "exec": Field(Words(EXEC), "run a command in a container that is up"), **_RESULT},
    ),
    "file": Object(
        "a file test",
        {
            **_PER_PLATFORM,
            "file": Field(Text(), "a path of the image; nothing is started"),
            "exists": Field(Flag(), "true unless said otherwise"),
            "follow": Field(
                Flag(), "whether a link at the path's end is followed; true unless the link itself is meant"
            ),
            "kind": Field(OneOf(KINDS_OF_FILES)),
            "mode": Field(_OCTAL, "permission bits in octal, with set-user-id and the like: '0755', '4755'"),
            "permissions": Field(Text(), "the mode as Go prints it: -rwxr-xr-x"),
            "uid": Field(Number(least=0), "the owner's number"),
            "gid": Field(Number(least=0), "the group's number"),
            "executable_by": Field(OneOf(("owner", "group", "other", "any"))),
            "target": Field(Text(), "where a link points, as written"),
            "content": Field(EXPECTED, "what the file holds, links followed"),
        },
    ),
    "config": Object("a config test", {**_PER_PLATFORM, "config": Field(CONFIG, "the image's configuration")}),
    "licenses": Object(
        "a licenses test",
        {**_PER_PLATFORM, "licenses": Field(LICENSES, "fail where a licence names AGPL or WTFPL; nothing is started")},
    ),
    "service": Object(
        "a service test",
        {
            **_PER_PLATFORM,
            "service": Field(SERVICE, "start the image and wait until it is ready"),
            "http": Field(ListOf(ANSWER, least=1, or_one=True), "requests and their answers", is_required=True),
        },
    ),
    "index": Object("an index test", {**_NAME, "index": Field(INDEX, "the index, of all platforms at once")}),
    "audit": Object("an audit test", {**_NAME, "audit": Field(AUDIT, "the rules of the audit")}),
    "parity": Object("a parity test", {**_NAME, "parity": Field(PARITY, "hold the platforms against each other")}),
}
WHOLE: Final = ("index", "audit", "parity")


@dataclass(frozen=True, slots=True)
class TestKind:
    """A test: of the kind that one of its keys says. ``per_platform`` holds what is otherwise on some platforms."""

    __test__ = False
    wanted: str = f"a mapping with name and one of {', '.join(TESTS)}"

    def read(self, value: Value, problems: list[Problem]) -> Any:
        """Return the test's kind with what it says, or say what is wrong with it; ``per_platform`` is not looked at."""
        if not isinstance(value, Mapping):
            return refuse(self, value, problems)
        kinds = [kind for kind in TESTS if value.get(kind) is not None]
        if len(kinds) != 1:
            said = "none of" if not kinds else "more than one of"
            problems.append(Problem(value.place, f"a test has {said} {', '.join(TESTS)}"))
            return None
        return kinds[0], TESTS[kinds[0]].read(value, problems)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of such values."""
        found = []
        for kind, what in TESTS.items():
            schema = what.schema()
            schema["required"] = list(dict.fromkeys([*schema.get("required", ()), kind]))
            if kind not in WHOLE:
                part = {key: one for key, one in schema["properties"].items() if key not in ("name", "platforms")}
                schema["properties"]["per_platform"] = {
                    "type": "object",
                    "description": "what is otherwise on some platforms: each with the keys that take the place of the test's",
                    "additionalProperties": {"type": "object", "properties": part, "additionalProperties": False},
                }
            found.append(schema)
        return {"oneOf": found}


BUILD: Final = Object(
    "what is built",
    {
        "context": Field(Text(), "the folder, relative to this file; its own unless said otherwise"),
        "dockerfile": Field(
            Text(), "the Dockerfile, relative to this file; Dockerfile in the context unless said otherwise"
        ),
        "target": Field(Text(), "the stage"),
        "args": Field(MapOf(ANY_TEXT), "build arguments"),
    },
)
IMAGE: Final = Object(
    "the image",
    {
        "reference": Field(Text(), "a published one, or oci-layout://DIR"),
        "build": Field(BUILD, "one that is built, unless --multiarch-image says what is tested"),
    },
    one_of=("reference", "build"),
    scalar="reference",
)
SUITE: Final = Object(
    "the file",
    {
        "image": Field(IMAGE, "the image that is tested; the run's own unless said otherwise"),
        "platforms": PLATFORMS,
        "tests": Field(ListOf(TestKind(), least=1), "the tests", is_required=True),
    },
)
