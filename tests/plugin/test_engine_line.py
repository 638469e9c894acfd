"""The line on the engine: before the first test, where one is used, and not where nobody wants to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

LINE = "multiarch: a made-up engine, buildx 0.0.1"
USING = "def test_it(platform_image):\n    assert platform_image"
RUNNING = "def test_it(platform_container):\n    assert platform_container"


def test_the_engine_is_named_before_the_first_test(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=USING)
    lines = project.run("--multiarch-platforms=linux/arm64").outlines
    assert lines.count(LINE) == 1
    assert lines.index(LINE) < next(number for number, line in enumerate(lines) if line.startswith("test_it.py"))


def test_workers_name_it_once_as_their_controller_has_found_it(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=USING)
    assert project.run("--multiarch-platforms=linux/arm64", "-n2").outlines.count(LINE) == 1


def test_where_nothing_is_built_buildx_is_not_named(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=RUNNING)
    run = project.run("--multiarch-platforms=linux/arm64", "--multiarch-image=example.org/app:1")
    assert "multiarch: a made-up engine" in run.outlines


def test_without_a_test_that_uses_one_no_engine_is_named(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it():\n    pass")
    assert "made-up engine" not in project.run("--multiarch-platforms=linux/arm64").stdout.str()


def test_a_quiet_run_does_not_name_it(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=USING)
    assert LINE not in project.run("-q", "--multiarch-platforms=linux/arm64").outlines
