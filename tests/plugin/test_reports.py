"""What a failed test shows, what is told only once, and what the exit code says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

ARM64 = "--multiarch-platforms=linux/arm64"


def block(result: pytest.RunResult, *lines: str) -> bool:
    """Say whether these lines stand one under another in the output."""
    return "\n".join(lines) in "\n".join(result.outlines)


def headings(result: pytest.RunResult) -> list[str]:
    """Return which commands are shown, by their headings."""
    return [line.strip("- ") for line in result.outlines if re.match(r"-+ multiarch command", line)]


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine()
    return project


class TestAFailedTest:
    def test_shows_what_a_command_wrote_without_letting_a_terminal_obey_it(self, project: Project) -> None:
        project.write(
            test_it=r"""
                def test_it(platform_container):
                    result = platform_container.exec(["echo", "\x1b[2J\x1b]0;title\x07"])
                    assert result.stdout.startswith("\x1b[2J")  # a value stays what it is
                    assert result.exit_code == 1
            """
        )
        result = project.run(ARM64)
        result.assert_outcomes(failed=1)
        assert r"\x1b[2J\x1b]0;title\x07" in result.stdout.str()
        assert not {"\x1b", "\x07"} & set(result.stdout.str())

    def test_shows_its_commands_with_exit_code_duration_and_both_outputs(self, project: Project) -> None:
        project.write(
            test_it="""
                def test_it(platform_container, platform_image):
                    assert platform_container.exec(["echo", "one", "two words"]).exit_code == 0
                    assert platform_image.run(["complain", "three"]).exit_code == 0
            """
        )
        result = project.run(ARM64)
        result.assert_outcomes(failed=1)
        assert headings(result) == ["multiarch command 1 on linux/arm64", "multiarch command 2 on linux/arm64"]
        assert block(
            result,
            "command: echo one 'two words'",
            "platform: linux/arm64 (native)",
            "exit code: 0 after 0.25 s",
            "stdout:",
            "  one two words",
            "stderr: (empty)",
        )
        assert block(
            result,
            "command: complain three",
            "platform: linux/arm64 (native)",
            "exit code: 3 after 0.25 s",
            "stdout: (empty)",
            "stderr:",
            "  three",
        )

    def test_shows_the_logs_of_its_platforms_services(self, project: Project) -> None:
        project.write(
            test_it="""
                import pytest

                @pytest.fixture(scope="session")
                def service(platform_image):
                    with platform_image.start(ports=[80]) as service:
                        yield service

                def test_good(service): pass
                def test_bad(service): assert not service.name
            """
        )
        result = project.run("--multiarch-platforms=linux/amd64,linux/arm64")
        result.assert_outcomes(passed=2, failed=2)
        logs = [line.strip("- ") for line in result.outlines if "multiarch log of" in line]
        assert logs == ["multiarch log of service-1 on linux/amd64", "multiarch log of service-2 on linux/arm64"]
        assert block(result, "the log of service-2")

    def test_does_not_show_another_tests_commands(self, project: Project) -> None:
        project.write(
            test_it="""
                def test_1(platform_container): platform_container.exec(["echo", "first"])
                def test_2(platform_container): assert not platform_container.exec(["echo", "second"]).stdout
                def test_3(platform_container): assert not platform_container
            """
        )
        result = project.run(ARM64)
        result.assert_outcomes(passed=1, failed=2)
        assert headings(result) == ["multiarch command 1 on linux/arm64"]
        assert "  second" in result.outlines
        assert "  first" not in result.outlines

    def test_shows_the_last_ten_commands(self, project: Project) -> None:
        project.write(
            test_it="""
                def test_it(platform_container):
                    for number in range(12): platform_container.exec(["echo", f"number-{number}"])
                    assert False
            """
        )
        result = project.run(ARM64)
        shown = re.findall(r"^  (number-\d+)$", "\n".join(result.outlines), re.MULTILINE)
        assert shown == [f"number-{number}" for number in range(2, 12)]
        assert headings(result) == [f"multiarch command {number} on linux/arm64" for number in range(1, 11)]

    def test_shows_what_its_own_fixtures_have_run(self, project: Project) -> None:
        project.write(
            test_it="""
                import pytest
                @pytest.fixture
                def ready(fresh_container): assert fresh_container.exec(["complain", "not ready"]).exit_code == 0
                def test_it(ready): pass
            """
        )
        result = project.run(ARM64)
        result.assert_outcomes(errors=1)
        assert "  not ready" in result.outlines

    def test_shows_what_ran_before_its_teardown_failed(self, project: Project) -> None:
        project.write(
            test_it="""
                import pytest
                @pytest.fixture
                def tidy(platform_container):
                    yield
                    assert platform_container.exec(["complain", "untidy"]).exit_code == 0
                def test_it(tidy): pass
            """
        )
        result = project.run(ARM64)
        result.assert_outcomes(passed=1, errors=1)
        assert "  untidy" in result.outlines

    def test_shows_beginning_and_end_of_what_is_very_long(self, project: Project) -> None:
        project.write(
            test_it="""
                def test_it(platform_container):
                    platform_container.exec(["echo", "BEGIN", *["x" * 99] * 5000, "END"])
                    raise RuntimeError("short")
            """
        )
        text = project.run(ARM64).stdout.str()
        assert "command: echo BEGIN xxx" in text
        assert "xxx END\n" in text
        assert re.search(r"^… \d{6,7} characters left out …$", text, re.MULTILINE)
        assert len(text) < 30_000

    def test_shows_its_own_traceback_where_a_command_could_not_be_run(self, project: Project) -> None:
        project.write(
            test_it="""
                from pytest_multiarch import MultiArchError
                def test_it(platform_container):
                    raise MultiArchError("running x", "it is not there", "Look for it.")
            """
        )
        result = project.run(ARM64)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([">*raise MultiArchError*", "E*running x: it is not there", "E*Look for it."])


@pytest.mark.parametrize("option", ["-ra", "-rA", "-rP", "-vv"])
def test_a_passed_test_shows_no_commands(project: Project, option: str) -> None:
    project.write(test_it="def test_it(platform_container): platform_container.exec(['echo', 'hidden'])")
    result = project.run(BOTH, option)
    result.assert_outcomes(passed=2)
    assert headings(result) == []
    assert "hidden" not in result.stdout.str()


def test_a_test_that_is_expected_to_fail_shows_no_commands(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.xfail(strict=True)
            def test_it(platform_container): assert platform_container.exec(["complain", "hidden"]).exit_code == 0
        """
    )
    result = project.run(BOTH)
    result.assert_outcomes(xfailed=2)
    assert headings(result) == []


class TestAPlatformThatCannotBeBuilt:
    @pytest.fixture
    def project(self, project: Project) -> Project:
        project.fake_engine("failing_builds=('linux/arm64',)")
        project.write(
            test_it="""
                def test_1(platform_image): pass
                def test_2(platform_container): pass
                def test_3(fresh_container): pass
                def test_4(multiarch_image): pass
                def test_5(): pass
            """
        )
        return project

    def test_fails_its_own_tests_and_leaves_the_others_alone(self, project: Project) -> None:
        result = project.run(BOTH, "-v")
        result.assert_outcomes(passed=4, errors=4)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        for number in (1, 2, 3):
            result.stdout.fnmatch_lines([f"test_it.py::test_{number}[[]linux/amd64[]] PASSED *"])
            result.stdout.fnmatch_lines([f"test_it.py::test_{number}[[]linux/arm64[]] ERROR *"])
        result.stdout.fnmatch_lines(["test_it.py::test_5 PASSED *", "test_it.py::test_4 ERROR *"])

    def test_is_told_once_in_full_and_then_in_short(self, project: Project) -> None:
        result = project.run(BOTH)
        assert block(
            result,
            "building linux/arm64: Dockerfile:3: exit code 1",
            "Its log ends with:",
            "the log's end on linux/arm64",
        )
        assert result.outlines.count("the log's end on linux/arm64") == 1
        assert result.outlines.count("building linux/arm64: Dockerfile:3: exit code 1") == 4
        assert result.outlines.count("(in full at test_it.py::test_1[linux/arm64])") == 3

    def test_is_told_once_in_full_in_ci_too(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CI", "true")  # there, pytest shows the summary's messages whole
        result = project.run(BOTH)
        assert result.stdout.str().count("the log's end on linux/arm64") == 1
        result.stdout.fnmatch_lines(
            ["ERROR test_it.py::test_1[[]linux/arm64[]] - building linux/arm64: Dockerfile:3: *"]
        )

    def test_shows_no_traceback_of_ours(self, project: Project) -> None:
        text = project.run(BOTH).stdout.str()
        assert "fixtures.py" not in text
        assert "fake_environment.py" not in text

    @pytest.mark.parametrize("style", ["auto", "long", "short", "line", "native"])
    def test_is_told_in_every_style_of_traceback(self, project: Project, style: str) -> None:
        result = project.run(BOTH, f"--tb={style}")
        result.assert_outcomes(passed=4, errors=4)
        assert result.outlines.count("the log's end on linux/arm64") == 1

    def test_is_in_the_short_summary_by_its_tests_names(self, project: Project) -> None:
        result = project.run(BOTH, "-rA")
        result.stdout.fnmatch_lines(["PASSED test_it.py::test_1[[]linux/amd64[]]"])
        result.stdout.fnmatch_lines(
            ["ERROR test_it.py::test_1[[]linux/arm64[]] - building linux/arm64: Dockerfile:3: *"]
        )

    def test_is_in_a_junit_report(self, project: Project) -> None:
        project.run(BOTH, "--junit-xml=report.xml")
        # What is read is what this run has just written.
        suite = ElementTree.parse(project.path / "report.xml").getroot().find("testsuite")  # noqa: S314
        assert suite is not None
        assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("8", "4", "0")
        cases = {case.get("name"): case for case in suite.findall("testcase")}
        assert set(cases) >= {"test_1[linux/amd64]", "test_1[linux/arm64]", "test_4", "test_5"}
        error = cases["test_1[linux/arm64]"].find("error")
        assert error is not None
        assert error.text is not None
        assert "the log's end on linux/arm64" in error.text
        assert cases["test_1[linux/amd64]"].find("error") is None


def test_each_platforms_fault_is_told_in_full(project: Project) -> None:
    project.fake_engine("failing_containers=('linux/amd64', 'linux/arm64', 'linux/s390x')")
    project.write(test_it="def test_1(platform_container): pass\ndef test_2(platform_container): pass")
    result = project.run("--multiarch-platforms=linux/amd64,linux/arm64,linux/s390x")
    result.assert_outcomes(errors=6)
    for platform in ("linux/amd64", "linux/arm64", "linux/s390x"):
        assert block(
            result,
            f"starting a warm container for {platform}: exec format error",
            "Its log ends with:",
            "the log's end",
        )
    assert result.outlines.count("the log's end") == 3


def test_a_fault_that_comes_again_for_each_test_is_told_once_in_full(project: Project) -> None:
    project.fake_engine("failing_containers=('linux/arm64',)")
    project.write(test_it="\n".join(f"def test_{number}(fresh_container): pass" for number in range(5)))
    result = project.run(BOTH)
    result.assert_outcomes(passed=5, errors=5)
    assert result.outlines.count("the log's end") == 1
    assert result.outlines.count("(in full at test_it.py::test_0[linux/arm64])") == 4


def test_output_that_is_no_text_does_not_break_a_junit_report(project: Project) -> None:
    project.write(
        test_it="""
            def test_it(platform_container):
                result = platform_container.exec(["complain", chr(0) + chr(27) + "[31mred" + chr(0xFFFF)])
                assert result.stderr == ""
        """
    )
    project.run(ARM64, "--junit-xml=report.xml", "-ojunit_logging=all").assert_outcomes(failed=1)
    case = ElementTree.parse(project.path / "report.xml").getroot().find("testsuite/testcase")  # noqa: S314
    assert case is not None
    assert case.get("name") == "test_it[linux/arm64]"
    assert case.find("failure") is not None
