"""What pytest lists of the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch import plugin

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

PUBLIC = [
    *("fresh_container", "multiarch_build", "multiarch_builder", "multiarch_image", "multiarch_image_factory"),
    *("multiarch_platforms", "multiarch_registry", "platform_container", "platform_image", "target_platform"),
]


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_fixture_is_listed_with_its_scope_and_its_docstring(project: Project, name: str) -> None:
    lines = project.run("--fixtures", "-pno:cacheprovider").stdout.lines
    scope = "" if name == "fresh_container" else " [session scope]"
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{name}{scope} -- "))
    assert lines[place + 1].startswith("    ")
    assert "no docstring available" not in lines[place + 1]


def test_private_fixtures_are_not_listed(project: Project) -> None:
    result = project.run("--fixtures")
    assert result.ret == pytest.ExitCode.OK
    assert not [line for line in result.stdout.lines if line.startswith("_")]


def test_the_plugin_offers_the_documented_fixtures_and_no_more(project: Project) -> None:
    listed = [
        line.split()[0]
        for line in project.run("--fixtures").stdout.lines
        if "pytest_multiarch/" in line and " -- " in line
    ]
    assert sorted(listed) == sorted(PUBLIC)
    assert sorted(name for name in plugin.__all__ if not name.startswith("_")) == sorted(PUBLIC)


def test_the_marker_is_listed_with_an_example(project: Project) -> None:
    result = project.run("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.platforms(platform, ...): *'linux/arm64'*"])


@pytest.mark.parametrize("option", ["--version", "--help", "--markers", "--fixtures", "--co"])
def test_listing_needs_no_docker(project: Project, option: str) -> None:
    project.write(test_it="def test_it(platform_container): pass")
    assert project.run(option, "--multiarch-platforms=linux/arm64").ret == pytest.ExitCode.OK
