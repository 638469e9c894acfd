"""Collection never talks to Docker, and a run that does not use the plugin does not notice it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch import Platform
from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

OWN = str(Platform.host())
# What costs time to load, or would show that something is done that nobody has asked for.
HEAVY = ["docker", "requests", "testcontainers", "yaml", "pytest_multiarch.engine", "pytest_multiarch.image"]
NOTING = f"""
    import json, sys
    def pytest_unconfigure(config):
        loaded = [name for name in {HEAVY!r} if name in sys.modules]
        (config.rootpath / "loaded.json").write_text(json.dumps(loaded))
"""


def loaded(project: Project) -> list[str]:
    names: list[str] = json.loads(project.path.joinpath("loaded.json").read_text(encoding="utf-8"))
    return names


def test_collecting_needs_neither_daemon_nor_dockerfile(project: Project) -> None:
    project.write(test_it="def test_it(platform_container, fresh_container, multiarch_builder): pass")
    result = project.run(BOTH, "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    assert result.stdout.lines[:2] == ["test_it.py::test_it[linux/amd64]", "test_it.py::test_it[linux/arm64]"]


def test_collecting_does_not_load_what_talks_to_docker(project: Project) -> None:
    project.pytester.makeconftest(NOTING)
    project.write(test_it="def test_it(platform_container): pass")
    assert project.run_apart(BOTH, "--collect-only", "-pno:cacheprovider").ret == pytest.ExitCode.OK
    assert {"docker", "requests", "testcontainers"}.isdisjoint(loaded(project))


def test_collecting_makes_no_environment(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it(platform_container): pass")
    assert project.run(BOTH, "--collect-only").ret == pytest.ExitCode.OK
    assert project.calls() == []


def test_an_unused_plugin_loads_nothing_and_says_nothing(project: Project) -> None:
    project.pytester.makeconftest(NOTING)
    project.write(test_it="def test_it(tmp_path): pass")
    result = project.run_apart("-pno:cacheprovider", "-v")
    result.assert_outcomes(passed=1)
    assert loaded(project) == []
    # Its distribution's name stands in pytest's own list of plugins.
    assert not [line for line in result.outlines if "multiarch" in line and not line.startswith("plugins:")]
    assert result.errlines == []


def test_the_modules_that_must_not_be_loaded_are_those_that_a_build_loads(project: Project) -> None:
    project.fake_engine(conftest="from conftest_noting import *\n")
    project.path.joinpath("conftest_noting.py").write_text(
        "import atexit, json, sys\n"
        f"atexit.register(lambda: open('loaded.json', 'w').write(json.dumps([n for n in {HEAVY!r} if n in sys.modules])))\n",
        encoding="utf-8",
    )
    project.write(test_it="def test_it(multiarch_image): import docker, testcontainers, yaml")
    project.run_apart().assert_outcomes(passed=1)
    assert loaded(project) == HEAVY


def test_without_a_choice_the_machines_own_platform_is_tested_and_named(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it(target_platform): pass")
    result = project.run("-v")
    result.stdout.fnmatch_lines([f"multiarch: {OWN}, this machine's own (choose others with --multiarch-platforms)"])
    result.stdout.fnmatch_lines([f"test_it.py::test_it[[]{OWN}[]] PASSED*"])
    result.assert_outcomes(passed=1)


def test_the_machines_own_platform_is_named_once_where_another_option_is_set(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it(): pass")
    result = project.run("--multiarch-image=app:1")
    result.stdout.fnmatch_lines([f"multiarch: app:1 for {OWN} (this machine's own; choose with --multiarch-platforms)"])


@pytest.mark.parametrize("fixture", ["multiarch_platforms", "multiarch_image", "multiarch_builder", "platform_image"])
def test_every_use_of_the_own_platform_names_it(project: Project, fixture: str) -> None:
    project.fake_engine()
    project.write(test_it=f"def test_it({fixture}): pass")
    shown = [line for line in project.run().stdout.lines if "this machine's own" in line]
    assert shown == [f"multiarch: {OWN}, this machine's own (choose others with --multiarch-platforms)"]


def test_a_run_with_chosen_platforms_does_not_speak_of_the_own_one(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it(target_platform): pass")
    project.run(BOTH).stdout.no_fnmatch_line("*this machine's own*")
