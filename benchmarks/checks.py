"""Checks on an image that is ready, beside testinfra's docker backend; and on two workers beside one process.

``python -m benchmarks checks``: 10 commands, 10 files that exist and 10 with a content, for each of two platforms, from start
to exit. Then 100 run checks with ``-n 2`` and without.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.commands import PYTEST, Command, commands_in_turns, compared, pytest_options
from benchmarks.measuring import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Sequence

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
MOST: Final = {"with two workers": 0.5, "in one process": 0.65}
MOST_OF_ONE: Final = 1 / 1.6

_PATHS: Final = (
    *("/etc/passwd", "/etc/group", "/etc/os-release", "/bin/sh", "/usr/bin/env"),
    *("/usr/bin/python3", "/etc/debian_version", "/usr/bin/dpkg", "/bin/ls", "/bin/cat"),
)
_OURS: Final = f"""
import pytest

PATHS = {_PATHS!r}

@pytest.mark.parametrize("number", range(10))
def test_command(platform_container, number):
    assert platform_container.exec(["sh", "-c", f"echo {{number}}"]).stdout == f"{{number}}\\n"

@pytest.mark.parametrize("path", PATHS)
def test_exists(platform_image, path):
    assert platform_image.files.exists(path)

@pytest.mark.parametrize("number", range(10))
def test_content(platform_image, number):
    assert "root:x:0:0" in platform_image.files.read_text("/etc/passwd")
"""
_TESTINFRA: Final = f"""
import subprocess
import pytest
import testinfra

PATHS = {_PATHS!r}

@pytest.fixture(scope="session", params={PLATFORMS!r})
def host(request):
    command = ["docker", "run", "--detach", "--platform", request.param, "--entrypoint", "sleep", "IMAGE", "infinity"]
    name = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()
    yield testinfra.get_host(f"docker://{{name}}")
    subprocess.run(["docker", "rm", "--force", name], check=True, stdout=subprocess.DEVNULL)

@pytest.mark.parametrize("number", range(10))
def test_command(host, number):
    assert host.run(f"echo {{number}}").stdout == f"{{number}}\\n"

@pytest.mark.parametrize("path", PATHS)
def test_exists(host, path):
    assert host.file(path).exists

@pytest.mark.parametrize("number", range(10))
def test_content(host, number):
    assert "root:x:0:0" in host.file("/etc/passwd").content_string
"""
_RUNS: Final = """
import pytest

@pytest.mark.parametrize("number", range(50))
def test_run(platform_container, target_platform, number):
    program = "import platform; print(platform.machine())"
    assert platform_container.exec(["python3", "-c", program]).stdout.strip() == target_platform.machine
"""


def main(argv: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """Measure, print, and return the figures and whether all that has to hold does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks checks", description=__doc__)
    parser.add_argument("--image", default="python:3.11-slim", help="an image of both platforms (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3, help="how often each is measured, after one turn to warm up")
    options = parser.parse_args(argv)
    for module in ("testinfra", "xdist"):
        if find_spec(module) is None:
            raise BenchmarkError(f"{module} is not there: pip install pytest-{module}")
    _pull(options.image)
    ours = pytest_options([f"platforms={','.join(PLATFORMS)}", f"image={options.image}"])
    with tempfile.TemporaryDirectory(prefix="checks-benchmark-") as name:
        folder = Path(name)
        for file, text in (("ours", _OURS), ("testinfra", _TESTINFRA.replace("IMAGE", options.image)), ("runs", _RUNS)):
            (folder / f"test_{file}.py").write_text(text, encoding="utf-8")
        found = commands_in_turns(
            {
                "testinfra": Command((*PYTEST, "-pno:multiarch", "test_testinfra.py"), folder),
                "in one process": Command((*PYTEST, "test_ours.py", *ours), folder),
                "with two workers": Command((*PYTEST, "-n2", "test_ours.py", *ours), folder),
            },
            options.turns,
        )
        figures: dict[str, Any] = {}
        held = []
        for way, most in MOST.items():
            figures[way], holds = compared(found[way], found["testinfra"], most, f"beside testinfra, {way}")
            held.append(holds)
        found = commands_in_turns(
            {
                "100 runs": Command((*PYTEST, "test_runs.py", *ours), folder),
                "100 runs, two workers": Command((*PYTEST, "-n2", "test_runs.py", *ours), folder),
            },
            options.turns,
        )
        figures["workers"], holds = compared(
            found["100 runs, two workers"], found["100 runs"], MOST_OF_ONE, "100 runs, two workers beside one process"
        )
        held.append(holds)
    return figures, all(held)


def _pull(image: str) -> None:
    for platform in PLATFORMS:
        command = ["docker", "pull", "--quiet", "--platform", platform, image]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
