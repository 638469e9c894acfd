"""`--multiarch-no-run`: only what can be read is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine()
    project.write(
        test_it="def test_warm(platform_container): pass\n"
        "def test_fresh(fresh_container): pass\n"
        "def test_run(platform_image): platform_image.run(['true'])\n"
        "def test_read(platform_image): assert platform_image.digest\n"
        "def test_other(): pass\n"
    )
    return project


def test_tests_with_containers_are_deselected(project: Project) -> None:
    result = project.run(BOTH, "--multiarch-no-run", "-k", "not test_run")
    result.assert_outcomes(passed=3, deselected=6)
    assert project.calls("warm") == project.calls("fresh") == []


def test_a_test_that_turns_out_to_run_something_is_skipped(project: Project) -> None:
    result = project.run(BOTH, "--multiarch-no-run", "-rs", "-k", "test_run")
    result.assert_outcomes(skipped=2, deselected=7)
    result.stdout.fnmatch_lines(["SKIPPED*test_it.py:3: running linux/*: this run only reads images"])


def test_nobody_asks_how_platforms_run(project: Project) -> None:
    result = project.run(BOTH, "--multiarch-no-run", "-k", "test_read")
    result.assert_outcomes(passed=2, deselected=7)
    assert "native" not in result.stdout.str()


def test_it_can_stand_in_the_ini_file(project: Project) -> None:
    project.path.joinpath("pytest.ini").write_text("[pytest]\nmultiarch_no_run = true\n", encoding="utf-8")
    project.run(BOTH).assert_outcomes(passed=3, skipped=2, deselected=4)
