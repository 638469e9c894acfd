"""Our verdicts against those of the real container-structure-test, on files that nobody has picked."""

from __future__ import annotations

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from pytest_multiarch.acceptance.checks import Subject
from pytest_multiarch.engine.spec import BuildSpec
from tests.integration.acceptance import built, crafted
from tests.integration.acceptance.binary import BINARY, binary_verdicts, differences, our_verdicts, reading
from tests.integration.acceptance.generated import Generator
from tests.integration.support import BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.image.platform_image import PlatformImage
    from tests.integration.acceptance.binary import Verdicts

# Where there is one to be had, CI has to have it: there the tests run, and fail without it.
pytestmark = pytest.mark.skipif(
    BINARY is None and not (os.environ.get("CI") and platform.machine() == "x86_64"),
    reason="container-structure-test is there for x86-64 Linux only",
)


def test_files_and_metadata_of_a_made_up_image(tmp_path: Path) -> None:
    generator = Generator(Random(1), crafted.POOL)  # noqa: S311
    kinds: list[dict[str, int]] = [
        {"fileExistenceTests": 1, "fileContentTests": 1},
        {"metadataTest": 1},
        {"fileExistenceTests": 1, "licenseTests": 1},
    ]
    files = [generator.write(tmp_path / f"{number}.yaml", **kinds[number % 3]) for number in range(300)]
    binary = binary_verdicts(crafted.write_archive(tmp_path / "image.tar"), files, "--driver", "tar")
    with crafted.crafted_image() as image:
        ours = our_verdicts(image, files, reading(image))
    assert differences(binary, ours) == []
    for group in ("fileExistenceTests", "fileContentTests", "metadataTest", "licenseTests"):
        assert {passed for _, passed in binary[group]} == {True, False}, f"{group}: all came out alike"


def test_json_by_the_binarys_own_defaults(tmp_path: Path) -> None:
    # Without links: the tar driver follows them, and strict is what the docker driver does.
    links = ("/etc/link", "/etc/dangling")
    pool = replace(crafted.POOL, files=tuple(path for path in crafted.POOL.files if path not in links))
    generator = Generator(Random(2), pool)  # noqa: S311
    files = [generator.write(tmp_path / f"{number}.json", fileContentTests=2, metadataTest=1) for number in range(20)]
    files += [generator.write(tmp_path / "existence.json", fileExistenceTests=40)]
    binary = binary_verdicts(crafted.write_archive(tmp_path / "image.tar"), files, "--driver", "tar")
    with crafted.crafted_image() as image:
        ours = our_verdicts(image, files, reading(image), is_strict=True)
    # The tar driver knows no owners, and fails what looks for them: as JSON does where it says nothing of them.
    known = {group: found for group, found in binary.items() if group != "fileExistenceTests"}
    assert differences(known, {group: ours[group] for group in known}) == []
    wanted_there = [
        name for (name, passed), (_, we) in zip(*_existence(binary, ours), strict=True) if passed and not we
    ]
    assert wanted_there == []


def _existence(binary: Verdicts, ours: Verdicts) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    return binary["fileExistenceTests"], ours["fileExistenceTests"]


@pytest.fixture(scope="module")
def image(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "Dockerfile").write_text(built.DOCKERFILE, encoding="utf-8")
    return environment.build(BuildSpec(context=folder), BOTH)


def subject_of(source: ImageSource, image: PlatformImage) -> Subject:
    return Subject(
        image,
        warm=lambda: source.running.warm_container(image),
        fresh=lambda **options: source.running.fresh_container(image, **options),
    )


def test_commands_on_both_platforms_and_the_rest_on_one(image: ImageSource, tmp_path: Path) -> None:
    generator = Generator(Random(3), built.POOL)  # noqa: S311
    commands = [generator.write(tmp_path / f"{number}.yaml", commandTests=3) for number in range(4)]
    rest = [
        generator.write(tmp_path / f"rest-{number}.yaml", fileExistenceTests=3, fileContentTests=2, metadataTest=1)
        for number in range(3)
    ]
    images = [image.platform(platform) for platform in BOTH]
    asked = [commands, [*commands, *rest]]
    # First, so that both have been pulled, with the credentials that only we have.
    ours = [our_verdicts(one, files, subject_of(image, one)) for one, files in zip(images, asked, strict=True)]
    with ThreadPoolExecutor(2) as pool:
        binary = list(pool.map(_binary_of, images, asked))
    for theirs, own, one in zip(binary, ours, images, strict=True):
        assert differences(theirs, own) == [], one.platform
        assert {passed for _, passed in theirs["commandTests"]} == {True, False}
    assert {passed for _, passed in binary[1]["fileExistenceTests"]} == {True, False}


def _binary_of(image: PlatformImage, files: list[Path]) -> Verdicts:
    return binary_verdicts(str(image.reference), files, "--platform", str(image.platform))


def test_commands_with_run_options(image: ImageSource, tmp_path: Path) -> None:
    (tmp_path / "bound").mkdir()
    (tmp_path / "bound" / "word").write_text("said\n", encoding="utf-8")
    generator = Generator(Random(8), built.POOL)  # noqa: S311
    files = [
        generator.write_with_options(tmp_path / f"{number}.yaml", tmp_path / "bound", built.OUTCOMES, 3)
        for number in range(10)
    ]
    one = image.platform(BOTH[0])
    ours = our_verdicts(one, files, subject_of(image, one), is_strict=True)
    binary = _binary_of(one, files)
    assert differences(binary, ours) == []
    assert {passed for _, passed in binary["commandTests"]} == {True, False}


DEVIATIONS: Final = """\
schemaVersion: 2.0.0
commandTests:
  - {name: setup that fails, setup: [["false"]], command: "true"}
fileContentTests:
  - {name: a relative link, path: /opt/app/link, expectedContents: [hello]}
metadataTest:
  unexposedPorts: ["53/udp"]
"""
RUN_OPTIONS: Final = """\
schemaVersion: 2.0.0
containerRunOptions: {user: root}
commandTests:
  - {name: variables beside run options, command: env, envVars: [{key: A, value: b}], expectedOutput: ["A=b"]}
"""
CAPABILITIES: Final = """\
schemaVersion: 2.0.0
containerRunOptions: {user: root, capabilities: [SYS_NICE]}
commandTests:
  - {name: a capability, command: nice, args: ["-n", "-1", nice], expectedOutput: ["^-1\\n$"]}
"""
TERMINAL: Final = """\
schemaVersion: 2.0.0
containerRunOptions: {allocateTty: true}
commandTests:
  - {name: "what a terminal shows", command: echo, args: [hello, there], expectedOutput: ["^hello there\\r\\n$"]}
  - {name: "how it ends in a terminal", command: sh, args: [-c, "test -t 1 && exit 3"], exitCode: 3}
"""


def test_the_two_differ_where_the_documentation_says_so(image: ImageSource, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("deviations.yaml", "options.yaml", "capabilities.yaml")]
    for file, text in zip(files, (DEVIATIONS, RUN_OPTIONS, CAPABILITIES), strict=True):
        file.write_text(text, encoding="utf-8")
    one = image.platform(BOTH[0])
    subject = subject_of(image, one)
    ours, strict = our_verdicts(one, files, subject), our_verdicts(one, files, subject, is_strict=True)
    binary = _binary_of(one, files)
    assert differences(binary, strict) == []
    names = ("setup that fails", "variables beside run options", "a capability")
    assert ours["commandTests"] == list(zip(names, (False, True, True), strict=True))
    assert binary["commandTests"] == list(zip(names, (True, False, False), strict=True))
    assert (ours["fileContentTests"][0][1], binary["fileContentTests"][0][1]) == (True, False)
    assert (ours["metadataTest"][0][1], binary["metadataTest"][0][1]) == (False, True)


def test_what_a_terminal_shows_is_for_us_alone_to_see(image: ImageSource, tmp_path: Path) -> None:
    file = tmp_path / "terminal.yaml"
    file.write_text(TERMINAL, encoding="utf-8")
    one = image.platform(BOTH[0])
    ours = our_verdicts(one, [file], subject_of(image, one))
    assert [passed for _, passed in ours["commandTests"]] == [True, True]
    assert [passed for _, passed in _binary_of(one, [file])["commandTests"]] == [False, True]
