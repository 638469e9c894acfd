"""What an unused plugin costs: next to nothing is loaded, with tests that do not use it as without any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

HEAVY = (
    *("docker", "testcontainers", "yaml", "requests", "urllib3", "zstandard", "isal", "dockerfile_parse"),
    *("multiprocessing.managers", "multiprocessing.connection"),
    *("pytest_multiarch.engine", "pytest_multiarch.image", "pytest_multiarch.audit", "pytest_multiarch.platforms"),
)
CONFTEST = """
import sys
def pytest_unconfigure(config):
    loaded = [name for name in {heavy!r} if name in sys.modules]
    ours = [name for name in sys.modules if name.startswith("pytest_multiarch")]
    print("loaded:", *loaded)
    print("ours:", len(ours))
"""


@pytest.mark.parametrize("test", ["", "def test_it(tmp_path): pass"], ids=["no tests", "a test of something else"])
@pytest.mark.parametrize("options", [[], ["-pno:xdist"], ["--help"]], ids=["plain", "no xdist", "help"])
def test_an_unused_plugin_loads_nothing_heavy(project: Project, test: str, options: list[str]) -> None:
    project.path.joinpath("conftest.py").write_text(CONFTEST.format(heavy=HEAVY), encoding="utf-8")
    if test:
        project.write(test_it=test)
    result = project.run_apart(*options)
    assert "loaded:" in result.outlines
    (ours,) = (line for line in result.outlines if line.startswith("ours: "))
    assert int(ours.removeprefix("ours: ")) <= (14 if test else 8)


def test_workers_of_an_unused_plugin_cost_no_more(project: Project) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    project.path.joinpath("conftest.py").write_text(CONFTEST.format(heavy=HEAVY[:10]), encoding="utf-8")
    project.write(test_it="def test_it(tmp_path): pass")
    result = project.run_apart("-n1")
    result.assert_outcomes(passed=1)
    assert "loaded:" in result.outlines
