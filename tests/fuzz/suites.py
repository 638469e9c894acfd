"""Harnesses of what reads acceptance suites: YAML and JSON, and the patterns in them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pytest_multiarch.acceptance.regex import PatternError, compile_pattern, quote
from pytest_multiarch.acceptance.structure import read_structure_file
from pytest_multiarch.acceptance.suite import read_suite
from pytest_multiarch.platforms import Platform
from tests.fuzz.harness import Harness

_EXAMPLES = Path(__file__).parents[2] / "example_project" / "tests"
_STRUCTURE = b"""schemaVersion: 2.0.0
commandTests:
  - {name: a, setup: [[x]], command: sh, args: [-c, 'echo $A'], envVars: [{key: A, value: b}], expectedOutput: ['^b$']}
fileExistenceTests: [{name: b, path: /b, shouldExist: true, permissions: '-rw-r--r--', uid: 0}]
metadataTest: {labels: [{key: a, value: '.*', isRegex: true}], exposedPorts: ['80'], cmd: []}
"""
_JSON = b'{"schemaVersion": "2.0.0", "fileContentTests": [{"name": "c", "path": "/c", "expectedContents": ["a\\\\d"]}]}'
_PLATFORM = Platform.parse("linux/arm/v7")


def _suite(data: bytes) -> None:
    """Read one of the formats, told by the first byte, and make the checks that it asks for."""
    text = data[1:].decode("utf-8", "replace")
    if data[:1] == b"s":
        suite = read_suite(text, "x.multiarch.yaml")
    else:
        name = "x.structure.json" if data[:1] == b"j" else "x.structure.yaml"
        suite = read_structure_file(text, name, is_strict=data[:1] == b"t")
    for case in suite.cases:
        if case.whole is None:
            case.make(_PLATFORM)


def _pattern(data: bytes) -> None:
    """Compile what stands before the first zero, and look for it in the rest."""
    pattern, _, text = data.decode("utf-8", "replace").partition("\0")
    assert compile_pattern(quote(text)).found_in(text)
    with suppress(PatternError):  # whoever reads the file wraps it in an error that is shown
        compile_pattern(pattern).found_in(text)


HARNESSES = {
    "suite": Harness(
        _suite,
        (
            b"s" + (_EXAMPLES / "app.multiarch.yaml").read_bytes(),
            b"y" + (_EXAMPLES / "image.structure.yaml").read_bytes(),
            b"t" + _STRUCTURE,
            b"j" + _JSON,
        ),
    ),
    "pattern": Harness(_pattern, (b"^(a|b)+?[^c\\d]{2,3}$\0abxx", b"(?i)\\pL\\b[[:alpha:]]\0x1", b"\\Qa.b\\E\0a.b")),
}
