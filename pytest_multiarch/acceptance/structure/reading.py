"""Turn container-structure-test's files into cases: the same verdicts, except where its own hide a failure.

Where the two differ, ``is_strict`` decides for the binary's. docs/acceptance.md lists each such place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.cases import Case, Needs, Suite, lines_of
from pytest_multiarch.acceptance.documents import Listing, Mapping, Scalar, read_document
from pytest_multiarch.acceptance.places import BadFile, Place, Problem
from pytest_multiarch.acceptance.structure.checks import StructureChecks
from pytest_multiarch.acceptance.structure.schema import VERSIONS, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.acceptance.checks import Check
    from pytest_multiarch.acceptance.documents import Value
    from pytest_multiarch.acceptance.objects import Record
    from pytest_multiarch.platforms import Platform

SUFFIXES: Final = (".structure.yaml", ".structure.yml", ".structure.json")
"""How files are called that are collected without being named."""


def is_structure_file(text: str) -> bool:
    """Tell, at a glance, whether a YAML or JSON file is one of container-structure-test's."""
    return "schemaversion" in text[:100_000].lower()


def read_structure_file(text: str, file: str, *, is_strict: bool = False) -> Suite:
    """Return the tests of a file; ``file`` names it in messages and says, by its end, whether it is JSON.

    Raises BadFile: it cannot be read, says what is not known, or holds no tests.
    """
    record = read_record(text, file, is_strict=is_strict)
    checks = StructureChecks.of(
        record,
        json_defaults=file.endswith(".json") and is_strict,
        is_first_version=record.get("schemaVersion") == VERSIONS[0],
        is_strict=is_strict,
        environ=dict(os.environ),
    )
    cases = tuple(_cases(record, checks, text))
    if not cases:
        raise BadFile(file, [Problem(Place(file, 1, 1), "it holds no tests")])
    return Suite(file=file, cases=cases)


def read_record(text: str, file: str, *, is_strict: bool = False) -> Record:
    """Return what a file says. Raises BadFile: it cannot be read, or says what is not known."""
    is_json = file.endswith(".json")
    document = read_document(text, file, is_json=is_json, only_first=is_strict)
    version = _version(document, file, is_json=is_json)
    problems: list[Problem] = []
    record: Record = schema(version, is_strict=not (is_json and is_strict)).read(document, problems)
    if problems:
        raise BadFile(file, problems)
    return record


def _version(document: Value, file: str, *, is_json: bool) -> str:
    if not isinstance(document, Mapping):
        found = "a list" if isinstance(document, Listing) else "a text"
        raise BadFile(file, [Problem(document.place, f"{found}, where there is to be a mapping with schemaVersion")])
    # Go reads the keys of JSON in upper and lower case alike.
    names = [
        entry
        for entry in document.entries
        if entry.key == "schemaVersion" or (is_json and entry.key.lower() == "schemaversion")
    ]
    value = names[0].value if names else None
    if not isinstance(value, Scalar) or value.text not in VERSIONS:
        said = value.text if isinstance(value, Scalar) else "nothing"
        place = document.place if value is None else value.place
        raise BadFile(file, [Problem(place, f"schemaVersion is {said}, where there is to be {' or '.join(VERSIONS)}")])
    return value.text


@dataclass(frozen=True, slots=True)
class _Always:
    """Give the same check for every platform."""

    found: Check

    def __call__(self, platform: Platform) -> Check:
        return self.found


def _cases(record: Record, checks: StructureChecks, text: str) -> Iterator[Case]:
    makers: tuple[tuple[str, Needs, Callable[[Any], Check]], ...] = (
        ("commandTests", Needs.RUNNING if checks.runs_apart else Needs.WARM, checks.command),
        ("fileExistenceTests", Needs.FILES, checks.existence),
        ("fileContentTests", Needs.FILES, checks.content),
        ("metadataTest", Needs.CONFIG, checks.metadata),
        ("licenseTests", Needs.FILES, checks.licenses),
    )
    for group, needs, make in makers:
        found = record.get(group) or ()
        tests = (found,) if group == "metadataTest" and found else found
        for number, test in enumerate(tests, 1):
            if group == "metadataTest" and not any(test.values.values()) and not _says_empty(test):
                continue
            name = test.get("name") or {"metadataTest": "metadata"}.get(group, f"licenses {number}")
            yield Case(
                group=group,
                name=name,
                place=test.place,
                source=lines_of(text, test.place.line, test.end),
                needs=Needs.RUNNING if test.get("setup") else needs,
                make=_Always(make(test)),
            )


def _says_empty(test: Record) -> bool:
    """Tell whether entrypoint or command are to be empty, which is a test as well."""
    return test.get("entrypoint") is not None or test.get("cmd") is not None
