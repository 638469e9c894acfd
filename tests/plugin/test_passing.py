"""Which tests run while builds go on: those that wait for none, and the others in their turn once theirs is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

HELD = "held=('linux/amd64', 'linux/arm64')"
CONFTEST = """
import platform, pytest
platform.machine = lambda: "x86_64"
@pytest.fixture
def let(pytestconfig):
    return pytestconfig.pluginmanager.get_plugin("fake-workshop").let
"""
NATIVE = "def test_native(let): let('linux/amd64')\ndef test_more(): pass\n"


def ran(project: Project, *args: str) -> list[str]:
    """Return the tests in the order in which they ran, by file, name and architecture; all have passed."""
    result = project.run(BOTH, "-v", *args)
    assert result.ret == pytest.ExitCode.OK
    return told(result, "PASSED")


def told(result: pytest.RunResult, outcomes: str) -> list[str]:
    """Return the tests with one of these outcomes, in the order in which they were told."""
    pattern = re.compile(rf"test_(\w+)\.py::test_(\w+)(?:\[linux/(\w+)\])? (?:{outcomes})")
    found = [found for found in map(pattern.match, result.outlines) if found is not None]
    return [" ".join(part for part in line.groups() if part) for line in found]


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine(HELD, conftest=CONFTEST)
    return project


def test_what_waits_for_no_build_runs_first_and_then_the_platform_that_is_there(project: Project) -> None:
    project.write(
        test_a="def test_1(platform_image): pass\ndef test_2(multiarch_image): pass",
        test_b="def test_1(platform_image): pass",
        test_c="""
            def test_1(platform_image, target_platform, let):
                if target_platform.architecture == "amd64": let("linux/arm64")
        """,
        test_d="def test_1(platform_image): pass",
        test_e=NATIVE,
    )
    assert ran(project) == [
        *("e native", "e more"),
        *("a 1 amd64", "b 1 amd64", "c 1 amd64", "d 1 amd64"),  # c lets the other end when d stands next already
        *("a 1 arm64", "a 2", "b 1 arm64", "c 1 arm64", "d 1 arm64"),
    ]


def test_a_file_that_was_passed_over_comes_in_its_turn(project: Project) -> None:
    project.write(
        test_a="""
            def test_1(platform_image, target_platform, let):
                if target_platform.architecture == "amd64": let("linux/arm64")
        """,
        **{f"test_{name}": "def test_1(platform_image): pass" for name in "bcd"},
        test_e=NATIVE,
    )
    assert ran(project) == [
        *("e native", "e more"),
        # The test that follows stands when one begins, so that what they share is kept.
        *("a 1 amd64", "b 1 amd64", "c 1 amd64"),
        *("a 1 arm64", "b 1 arm64", "c 1 arm64"),
        *("d 1 amd64", "d 1 arm64"),
    ]


@pytest.mark.parametrize("scope", ["module", "class", "package", "session"])
def test_what_shares_a_fixture_is_not_left_for_what_has_been_passed_over(project: Project, scope: str) -> None:
    project.write(
        test_a="def test_1(platform_image): pass",
        test_b=f"""
            import pytest
            @pytest.fixture(scope="{scope}")
            def shared(target_platform):
                with open("setups", "a") as file:
                    print(target_platform, file=file)
            class TestIt:
                def test_1(self, shared, platform_image, target_platform, let):
                    if target_platform.architecture == "amd64": let("linux/arm64")
                def test_2(self, shared, platform_image): pass
                def test_3(self, shared, platform_image): pass
                def test_4(self, shared, platform_image): pass
        """,
        test_c=NATIVE,
    )
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=12)
    assert project.path.joinpath("setups").read_text(encoding="utf-8").split() == ["linux/amd64", "linux/arm64"]
    result.stdout.fnmatch_lines(["test_b.py::TestIt::test_4?linux/amd64?*", "test_a.py::test_1?linux/arm64?*"])


def test_the_machines_own_platform_is_waited_for_first(project: Project) -> None:
    # Both builds go on at the beginning; that of arm64 ends in a test of the other platform only.
    project.fake_engine("held=('linux/arm64',), build_seconds=0.5", conftest=CONFTEST)
    project.write(
        test_a="""
            import pytest
            @pytest.mark.parametrize("target_platform", ["linux/arm64"])
            def test_1(platform_image): pass
        """,
        test_b="""
            def test_1(platform_image, target_platform, let):
                if target_platform.architecture == "amd64": let("linux/arm64")
        """,
    )
    assert ran(project)[0] == "b 1 amd64"


def test_what_needs_a_build_that_has_failed_comes_in_its_turn(project: Project) -> None:
    project.fake_engine(f"{HELD}, failing_builds=('linux/arm64',)", conftest=CONFTEST)
    project.write(
        test_a="def test_1(platform_image): pass",
        test_b="def test_1(platform_image): pass",
        test_c="def test_1(let): let('linux/amd64', 'linux/arm64')\ndef test_2(): pass",
    )
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=4, errors=2)
    expected = ["c 1", "c 2", "a 1 amd64", "a 1 arm64", "b 1 amd64", "b 1 arm64"]
    assert told(result, "PASSED|ERROR") == expected


@pytest.mark.parametrize("how", ["tryfirst=True", "wrapper=True", "wrapper=True, tryfirst=True"])
def test_an_order_that_somebody_chose_before_pytest_is_that_of_the_files_and_waits_where_it_stands(
    project: Project, how: str
) -> None:
    # As pytest-randomly does, whose order can be had again only where nothing depends on the time.
    chosen = f"@pytest.hookimpl({how})\ndef pytest_collection_modifyitems(items):\n    items.reverse()\n"
    chosen += "    return (yield)\n" if "wrapper" in how else ""
    project.fake_engine("build_seconds=0.3", conftest=CONFTEST + chosen)
    project.write(
        test_a="def test_1(platform_image): pass", test_b="def test_1(platform_image): pass\ndef test_2(): pass"
    )
    assert ran(project) == ["b 2", "b 1 arm64", "b 1 amd64", "a 1 arm64", "a 1 amd64"]


@pytest.mark.parametrize(
    "chosen",
    [
        "def pytest_collection_modifyitems(items): items.reverse()",
        "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session): session.items.reverse()",
    ],
)
def test_an_order_that_the_project_chooses_waits_where_it_stands(project: Project, chosen: str) -> None:
    project.fake_engine("build_seconds=0.3", conftest=f"{CONFTEST}{chosen}\n")
    project.write(
        test_a="def test_1(platform_image): pass", test_b="def test_1(platform_image): pass\ndef test_2(): pass"
    )
    assert ran(project) == ["b 2", "b 1 arm64", "b 1 amd64", "a 1 arm64", "a 1 amd64"]


def test_a_loop_of_the_projects_own_runs_each_test_once(project: Project) -> None:
    loop = """
@pytest.hookimpl
def pytest_runtestloop(session):
    for place in reversed(range(len(session.items))):
        session.items[place].config.hook.pytest_runtest_protocol(item=session.items[place], nextitem=None)
    return True
"""
    project.fake_engine("build_seconds=0.3", conftest=CONFTEST + loop)
    project.write(**{f"test_{name}": "def test_1(platform_image): pass" for name in "abcd"})
    found = ran(project)
    assert len(found) == len(set(found)) == 8


def test_an_image_that_is_there_is_tested_by_file(project: Project) -> None:
    project.write(test_a="def test_1(platform_image): pass", test_b="def test_1(platform_image): pass")
    assert ran(project, "--multiarch-image=example.org/app:1") == ["a 1 amd64", "a 1 arm64", "b 1 amd64", "b 1 arm64"]
