"""How the platforms run is told: before the first test, at the end, in reports; and an emulator's crash is its own outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

LINE = "multiarch: linux/amd64 native; linux/arm64 emulated by qemu-aarch64 10.0.2"
TEST = """\
def test_it(platform_container):
    assert platform_container.exec(["uname", "-m"]).exit_code == 0
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine("emulated=('linux/arm64',)")
    project.write(test_it=TEST)
    return project


def test_how_platforms_run_is_told_before_the_first_test_and_at_the_end(project: Project) -> None:
    lines = project.run(BOTH).stdout.lines
    places = [number for number, line in enumerate(lines) if line == LINE]
    tests = [number for number, line in enumerate(lines) if line.startswith("test_it.py ")]
    assert len(places) == 2
    assert places[0] < tests[0] < places[1]


def test_quiet_runs_do_not_tell(project: Project) -> None:
    assert LINE not in project.run(BOTH, "-q").stdout.lines


def test_collecting_asks_no_daemon(project: Project) -> None:
    result = project.run(BOTH, "--collect-only")
    assert result.ret == pytest.ExitCode.OK
    assert project.calls() == []
    assert LINE not in result.stdout.lines


def test_a_published_image_that_is_only_read_asks_no_daemon(project: Project) -> None:
    project.write(test_it="def test_it(platform_image): assert platform_image.digest")
    result = project.run(BOTH, "--multiarch-image=example.org/app:1")
    result.assert_outcomes(passed=2)
    assert not any("native" in line for line in result.stdout.lines)


def test_of_workers_of_xdist_it_is_told_once_before_and_once_at_the_end(project: Project) -> None:
    pytest.importorskip("xdist")
    result = project.run_apart(BOTH, "-n2")
    result.assert_outcomes(passed=2)
    assert result.stdout.lines.count(LINE) == 2


def test_every_test_of_a_platform_says_in_the_junit_report_how_it_ran(project: Project) -> None:
    project.run(BOTH, "--junitxml=report.xml", "-p", "no:terminal")
    tree = ElementTree.parse(project.path / "report.xml")  # noqa: S314 - written by this test
    found = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in tree.iter("testcase")
    }
    assert found["test_it[linux/arm64]"] == {
        "multiarch_platform": "linux/arm64",
        "multiarch_how": "emulated by qemu-aarch64 10.0.2",
    }
    assert found["test_it[linux/amd64]"] == {"multiarch_platform": "linux/amd64", "multiarch_how": "native"}


def test_properties_are_of_builtin_types_for_they_cross_processes(project: Project) -> None:
    project.fake_engine(
        "emulated=('linux/arm64',)",
        conftest="def pytest_runtest_logreport(report):\n"
        "    for pair in report.user_properties:\n"
        "        assert type(pair) is tuple and [type(one) for one in pair] == [str, str]\n"
        "        print('checked', *pair)\n",
    )
    result = project.run(BOTH, "-s")
    result.assert_outcomes(passed=2)
    assert any("checked multiarch_how native" in line for line in result.stdout.lines)


def test_a_failed_test_shows_how_its_commands_ran(project: Project) -> None:
    project.write(test_it="def test_it(platform_container): assert platform_container.exec(['no']).exit_code == 0")
    result = project.run(BOTH)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["platform: linux/amd64 (native)", "platform: linux/arm64 (emulated by qemu-aarch64 10.0.2)"]
    )


def test_an_emulators_crash_is_no_assertion_and_counted_apart(project: Project) -> None:
    project.write(test_it="def test_it(platform_container): assert platform_container.exec(['abort']).exit_code == 134")
    result = project.run(BOTH)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*EmulatorCrash: running abort on linux/arm64: qemu: uncaught target signal 6*(twice)",
            "E*Emulated by qemu-aarch64 10.0.2 on kernel 6.1.0: *",
            "multiarch: the emulator has crashed in 1 of the failed tests*: test_it.py::test_it[[]linux/arm64]",
        ]
    )


def test_a_test_may_want_the_crash(project: Project) -> None:
    project.write(
        test_it="def test_it(platform_image, platform_container):\n"
        "    for run in platform_image.run, platform_container.exec:\n"
        "        assert run(['abort'], emulator_crash='return').exit_code == 134\n"
    )
    result = project.run(BOTH)
    result.assert_outcomes(passed=2)
    assert "crashed" not in result.stdout.str()
