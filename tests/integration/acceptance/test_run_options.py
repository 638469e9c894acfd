"""Run options of container-structure-test's files in real containers: each does what a container without it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from pytest_multiarch.acceptance.checks import Subject
from pytest_multiarch.acceptance.structure import read_structure_file
from tests.integration.support import AMD64, BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.platforms import Platform

# Of the container's own UTS namespace; /proc/sys is read-only where a container is not privileged.
PRIVILEGED: Final = "echo given > /proc/sys/kernel/domainname && cat /proc/sys/kernel/domainname"
COMMANDS: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "privileged": ({"privileged": True}, PRIVILEGED, "^given\n$"),
    "capabilities": ({"capabilities": ["SYS_NICE"]}, "nice -n -1 nice", "^-1\n$"),
    "allocateTty": ({"allocateTty": True}, "test -t 0 && test -t 1 && test -t 2 && echo err >&2", "^err\r\n$"),
}


@pytest.fixture(scope="module")
def python(environment: Environment) -> ImageSource:
    return environment.published("python:3.11-slim")


def verdicts(source: ImageSource, platform: Platform, text: str) -> dict[str, list[str]]:
    """Return what is not as expected, by the names of the tests."""
    image = source.platform(platform)
    subject = Subject(
        image,
        warm=lambda: source.running.warm_container(image),
        fresh=lambda **options: source.running.fresh_container(image, **options),
    )
    cases = read_structure_file(text, "image.yaml").cases
    return {case.name: [one.what for one in case.make(platform).check(subject).mismatches] for case in cases}


def file_of(options: dict[str, Any], command: str, pattern: str) -> str:
    """Return a file whose command runs alone, and after another one."""
    test = {"command": "sh", "args": ["-c", command], "expectedOutput": [pattern]}
    return yaml.safe_dump(
        {
            "schemaVersion": "2.0.0",
            "containerRunOptions": options,
            "commandTests": [{"name": "alone", **test}, {"name": "after setup", "setup": [["true"]], **test}],
        }
    )


@pytest.mark.parametrize("platform", BOTH, ids=str)
@pytest.mark.parametrize("option", COMMANDS)
def test_a_command_can_do_what_it_cannot_without(python: ImageSource, option: str, platform: Platform) -> None:
    options, command, pattern = COMMANDS[option]
    assert verdicts(python, platform, file_of(options, command, pattern)) == {"alone": [], "after setup": []}
    without = verdicts(python, platform, file_of({"user": "root"}, command, pattern))
    assert all(without.values()), without


BOUND: Final = """\
schemaVersion: 2.0.0
containerRunOptions: {{bindMounts: ["{folder}:/bound", "{folder}/word:/word:ro"]}}
commandTests:
  - name: alone
    command: cat
    args: [/bound/word]
    expectedOutput: ["^said\\n$"]
  - name: seen before it, and by it
    setup: [[sh, -c, "cp /bound/word /bound/copied && echo more >> /bound/copied"], [cp, /bound/copied, /seen]]
    command: cat
    args: [/bound/copied, /seen]
    expectedOutput: ["^said\\nmore\\nsaid\\nmore\\n$"]
  - name: read only
    setup: [[test, -r, /word]]
    command: sh
    args: [-c, "echo x > /word"]
    exitCode: 2
    expectedError: ["Read-only file system"]
"""


@pytest.mark.parametrize("platform", BOTH, ids=str)
def test_what_is_bound_is_seen_by_the_setup_and_after_it(
    python: ImageSource, platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "word").write_text("said\n", encoding="utf-8")
    found = verdicts(python, platform, BOUND.format(folder=tmp_path))
    assert found == {"alone": [], "seen before it, and by it": [], "read only": []}
    assert (tmp_path / "copied").read_text(encoding="utf-8") == "said\nmore\n"


def test_what_cannot_be_had_fails_the_test(python: ImageSource, tmp_path: Path) -> None:
    unknown = {"capabilities": ["NO_SUCH_THING"]}
    missing = {"bindMounts": [f"{tmp_path}/missing:/bound"]}
    for options in (unknown, missing):
        found = verdicts(python, AMD64, file_of(options, "true", ""))
        assert found == {"alone": ["container"], "after setup": ["container"]}
