"""The line on the engine: before the first test, where one is used, and not where nobody wants to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

LINE = "multiarch: a made-up engine"
USING = "def test_it(platform_image):\n    assert platform_image"


def test_the_engine_is_named_before_the_first_test(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=USING)
    lines = project.run("--multiarch-platforms=linux/arm64").outlines
    assert lines.count(LINE) == 1
    assert lines.index(LINE) < next(number for number, line in enumerate(lines) if line.startswith("test_it.py"))


def test_without_a_test_that_uses_one_no_engine_is_named(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it():\n    pass")
    assert LINE not in project.run("--multiarch-platforms=linux/arm64").outlines


def test_a_quiet_run_does_not_name_it(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=USING)
    assert LINE not in project.run("-q", "--multiarch-platforms=linux/arm64").outlines
