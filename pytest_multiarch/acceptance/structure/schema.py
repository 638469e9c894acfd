"""What container-structure-test's files may say, schemas 1.0.0 and 2.0.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_multiarch.acceptance.objects import Field, Object
from pytest_multiarch.acceptance.places import Problem
from pytest_multiarch.acceptance.shapes import PATTERN, Flag, ListOf, Number, OneOf, Text, check_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.acceptance.objects import Record

VERSIONS: Final = ("1.0.0", "2.0.0")

_NAME: Final = Field(Text(), is_required=True)
_ANY_TEXT: Final = Text(may_be_empty=True, null_is_empty=True)
_FLAG: Final = Field(Flag(), may_be_null=True)
_ONE_TEXT: Final = Field(_ANY_TEXT)
_PATTERNS: Final = Field(ListOf(PATTERN, null_is_empty=True))
_TEXTS: Final = Field(ListOf(Text(), null_is_empty=True))
_COMMANDS: Final = Field(ListOf(ListOf(_ANY_TEXT, least=1), null_is_empty=True))


def _check_mount(text: str) -> None:
    if not text.partition(":")[2].startswith("/"):
        raise ValueError(f"{text!r} is no bind mount: write /here:/there or /here:/there:ro")


_MOUNT: Final = Text(check=_check_mount, wanted="a bind mount, /here:/there")


def _check_named(record: Record) -> Iterator[Problem]:
    if record.get("isRegex"):
        try:
            check_pattern(record.get("value", ""))
        except ValueError as error:
            yield Problem(record.places.get("value", record.place), str(error))


def schema(version: str, *, is_strict: bool = True) -> Object:
    """Return what a file of this version may say; unless ``is_strict``, other keys are passed over, as for JSON."""

    def thing(what: str, **fields: Field) -> Object:
        return Object(what, fields, is_strict=is_strict, check=_check_named if "isRegex" in fields else None)

    def many(kind: Object) -> Field:
        return Field(ListOf(kind, null_is_empty=True))

    second = version == "2.0.0"
    variable = thing("a variable", key=_NAME, value=Field(Text(), is_required=True), isRegex=_FLAG)
    named = thing("a name with its value", key=_NAME, value=_ONE_TEXT, isRegex=_FLAG)
    outputs = dict.fromkeys(("expectedOutput", "excludedOutput", "expectedError", "excludedError"), _PATTERNS)
    command = thing(
        "a command test",
        name=_NAME,
        setup=_COMMANDS,
        teardown=_COMMANDS,
        envVars=many(variable),
        exitCode=Field(Number(), may_be_null=True),
        command=Field(Text() if second else ListOf(_ANY_TEXT, least=1), is_required=True),
        **({"args": Field(ListOf(_ANY_TEXT, null_is_empty=True))} if second else {}),
        **outputs,
    )
    owner = {
        "uid": Field(Number(least=-1), may_be_null=True),
        "gid": Field(Number(least=-1), may_be_null=True),
        "isExecutableBy": Field(OneOf(("owner", "group", "other", "any"), may_be_empty=True), may_be_null=True),
    }
    existence = thing(
        "a file existence test",
        name=_NAME,
        path=_NAME,
        shouldExist=Field(Flag()),
        permissions=_ONE_TEXT,
        **(owner if second else {}),
    )
    content = thing(
        "a file content test", name=_NAME, path=_NAME, expectedContents=_PATTERNS, excludedContents=_PATTERNS
    )
    fields = {
        "schemaVersion": Field(OneOf(VERSIONS), is_required=True),
        "globalEnvVars": many(thing("a variable", key=_NAME, value=_ONE_TEXT, isRegex=_FLAG)),
        "commandTests": many(command),
        "fileExistenceTests": many(existence),
        "fileContentTests": many(content),
    }
    if second:
        fields["metadataTest"] = Field(
            thing(
                "the metadata test",
                envVars=many(named),
                unboundEnvVars=many(thing("a name", key=_NAME)),
                labels=many(named),
                entrypoint=Field(ListOf(_ANY_TEXT), may_be_null=True),
                cmd=Field(ListOf(_ANY_TEXT), may_be_null=True),
                exposedPorts=_TEXTS,
                unexposedPorts=_TEXTS,
                volumes=_TEXTS,
                unmountedVolumes=_TEXTS,
                workdir=_ONE_TEXT,
                user=_ONE_TEXT,
            ),
            may_be_null=True,
        )
    fields["licenseTests"] = many(thing("a license test", debian=_FLAG, files=_TEXTS))
    if second:
        fields["containerRunOptions"] = Field(
            thing(
                "the run options",
                user=_ONE_TEXT,
                privileged=_FLAG,
                allocateTty=_FLAG,
                envFile=_ONE_TEXT,
                envVars=_TEXTS,
                capabilities=_TEXTS,
                bindMounts=Field(ListOf(_MOUNT, null_is_empty=True)),
            ),
            may_be_null=True,
        )
    return thing("the file", **fields)
