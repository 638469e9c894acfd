"""The values that our own files are made of: texts as they are expected, platforms, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.checks.json_path import JsonPath
from pytest_multiarch.acceptance.checks.text import TextExpectation
from pytest_multiarch.acceptance.objects import Field, Object
from pytest_multiarch.acceptance.places import Problem
from pytest_multiarch.acceptance.shapes import PATTERN, Anything, Flag, ListOf, MapOf, Number, Text
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.acceptance.objects import Record

ANY_TEXT: Final = Text(may_be_empty=True)
WORDS: Final = ListOf(ANY_TEXT, least=1)
PLATFORM: Final = Text(check=Platform.parse, wanted="a platform, such as linux/arm64")
PLATFORMS: Final = Field(ListOf(PLATFORM, least=1, or_one=True), "keep to these of the run's platforms")
ENV: Final = MapOf(ANY_TEXT)
SECONDS: Final = Number(least=0.001, most=86400, is_whole=False, wanted="a number of seconds")

EXPECTED: Final = Object(
    "what a text is to be",
    {
        "equals": Field(ANY_TEXT, "the whole text; one newline at its end does not count unless it is said"),
        "contains": Field(ListOf(Text(), or_one=True), "parts that are to be there"),
        "excludes": Field(ListOf(Text(), or_one=True), "parts that are not to be there"),
        "matches": Field(ListOf(PATTERN, or_one=True), "patterns of RE2 that are to match somewhere"),
        "excludes_matching": Field(ListOf(PATTERN, or_one=True), "patterns of RE2 that are not to match"),
        "json": Field(
            MapOf(Anything(), key=Text(check=JsonPath.parse), least=1), "values by JSON path: $.name, $.list[0]"
        ),
    },
    scalar="equals",
)
NAMED: Final = Object(
    "what a value is to be",
    {
        "equals": Field(ANY_TEXT, "exactly this"),
        "matches": Field(PATTERN, "a pattern of RE2"),
    },
    one_of=("equals", "matches"),
    scalar="equals",
)

_RUNNING: Final = {
    "user": Field(Text(), "who runs it, else the image's user"),
    "workdir": Field(Text(), "where it runs, else the image's folder"),
    "env": Field(ENV, "variables beside the image's"),
    "stdin": Field(ANY_TEXT, "what it reads"),
    "tty": Field(Flag(), "whether it has a terminal: all output is then stdout, with lines that end in \\r\\n"),
}
_CONTAINER: Final = {
    "mounts": Field(MapOf(Text()), "paths of this machine, each with its place in the container"),
    "network": Field(Text(), "none, host, or a network's name"),
    "privileged": Field(Flag(), "whether its container is privileged"),
    "cap_add": Field(ListOf(Text(), or_one=True), "capabilities that its container has beside the usual: NET_ADMIN"),
}
CONTAINER_OPTIONS: Final = tuple(_CONTAINER)
"""What a container has from its start: with any of these, a command has one of its own."""


def _check_terminal(record: Record) -> Iterator[Problem]:
    if record.get("tty") and "stdin" in record:
        yield Problem(record.places["stdin"], "with tty there is no stdin: nothing would end it")


RUN: Final = Object(
    "what is run",
    {
        "args": Field(ListOf(ANY_TEXT), "arguments for the image's entrypoint; without them the image's own command"),
        "entrypoint": Field(ListOf(ANY_TEXT), "in the place of the image's entrypoint"),
        **_RUNNING,
        **_CONTAINER,
    },
    check=_check_terminal,
)
EXEC: Final = Object(
    "what is run",
    {
        "args": Field(WORDS, "the command and its arguments", is_required=True),
        **_RUNNING,
        "fresh": Field(Flag(), "whether it has a container of its own"),
        "setup": Field(ListOf(WORDS), "commands that run before it, in a container of its own"),
        **_CONTAINER,
    },
    check=_check_terminal,
)


def expectation(record: Record | None) -> TextExpectation:
    """Return what a text is to be."""
    if record is None:
        return TextExpectation()
    given: dict[str, Any] = {key: value for key, value in record.values.items() if key != "json"}
    if "json" in record:
        given["json"] = {path: value.value for path, value in record.get("json").items()}
    return TextExpectation(**given)
