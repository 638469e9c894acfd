"""The real container-structure-test, and our own verdicts on the same files, both by the tests' names."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_multiarch.acceptance import BadFile
from pytest_multiarch.acceptance.checks import Subject
from pytest_multiarch.acceptance.structure import read_structure_file
from tests.integration.support import docker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_multiarch.image.platform_image import PlatformImage

Verdicts: TypeAlias = dict[str, list[tuple[str, bool]]]
_GROUPS: Final = {
    "Command Test": "commandTests",
    "File Existence Test": "fileExistenceTests",
    "File Content Test": "fileContentTests",
    "Metadata Test": "metadataTest",
    "License Test": "licenseTests",
}
BINARY: Final = shutil.which("container-structure-test")


def binary_verdicts(image: str, files: Iterable[Path], *options: str) -> Verdicts:
    """Return what the binary says of the tests of each part, in the files' order, in one run over all files."""
    assert BINARY is not None
    before = _volumes()
    configs = [argument for file in files for argument in ("--config", str(file))]
    done = subprocess.run(
        [BINARY, "test", "--image", image, "--output", "json", *options, *configs],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # It removes its containers without the volumes that the image declares. Those in use are of containers that came meanwhile.
    for volume in _volumes("--filter", "dangling=true") - before:
        docker("volume", "rm", "--force", volume)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    document: dict[str, Any] = json.loads(done.stdout)
    verdicts: Verdicts = {group: [] for group in _GROUPS.values()}
    for result in document["Results"]:
        kind, _, name = result["Name"].partition(": ")
        verdicts[_GROUPS[kind]].append((name, bool(result["Pass"])))
    return verdicts


def our_verdicts(image: PlatformImage, files: Iterable[Path], subject: Subject, *, is_strict: bool = False) -> Verdicts:
    """Return what we say of the tests of each part, in the files' order."""
    verdicts: Verdicts = {group: [] for group in _GROUPS.values()}
    for file in files:
        suite = read_structure_file(file.read_text(encoding="utf-8"), str(file), is_strict=is_strict)
        for case in suite.cases:
            name = case.name if case.group not in ("metadataTest", "licenseTests") else ""
            passed = not case.make(image.platform).check(subject).mismatches
            verdicts[case.group].append((name, passed))
    return verdicts


def differences(binary: Verdicts, ours: Verdicts) -> list[str]:
    """Return where the two do not agree, a line each; all tests have to be there on both sides."""
    assert {group: len(found) for group, found in binary.items()} == {
        group: len(found) for group, found in ours.items()
    }
    return [
        f"{group} {number} {name}: the binary says {passed}, we say {our_verdict}"
        for group, found in binary.items()
        for number, ((name, passed), (_, our_verdict)) in enumerate(zip(found, ours[group], strict=True))
        if passed != our_verdict
    ]


def reading(image: PlatformImage) -> Subject:
    """Return an image whose files and documents are read, and that nothing runs."""

    def refuse(**_: Any) -> Any:
        raise AssertionError("nothing is to be started")

    return Subject(image, warm=refuse, fresh=refuse)


def is_refused(file: Path) -> bool:
    """Say whether we refuse a file."""
    try:
        read_structure_file(file.read_text(encoding="utf-8"), str(file))
    except BadFile:
        return True
    return False


def _volumes(*options: str) -> frozenset[str]:
    return frozenset(docker("volume", "ls", "--quiet", *options).split())
