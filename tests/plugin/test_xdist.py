"""Under pytest-xdist: workers build and run, the controller does not, and no wrong input becomes an internal error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import ALWAYS, BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

TEST = """
    import pytest
    def test_1(platform_container, target_platform):
        assert platform_container.exec(["uname", "-m"]).stdout.strip() == target_platform.machine
    def test_2(fresh_container): pass
    def test_3(multiarch_image): assert len(multiarch_image.platforms) == 2
    @pytest.mark.platforms("linux/arm64")
    def test_4(platform_image): pass
    def test_5(): pass
"""


def run(project: Project, *args: str) -> pytest.RunResult:
    result = project.run_apart("-n2", *args)
    assert "INTERNALERROR" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    return result


def test_workers_run_all_tests(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = run(project, BOTH, "-v")
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*PASSED test_it.py::test_1[[]linux/arm64[]]*"])
    assert result.outlines.count("multiarch: linux/amd64, linux/arm64") == 1
    # The controller starts nothing, and every worker removes what it has started.
    makers = [call["process"] for call in project.calls("made")]
    assert sorted(makers) == ["gw0", "gw1"]
    assert sorted(call["process"] for call in project.calls("close")) == ["gw0", "gw1"]
    assert {call["process"] for call in project.calls()} == {"gw0", "gw1"}


@pytest.mark.parametrize("args", [["-n0"], ["--dist=loadgroup"], ["--dist=each"]])
def test_every_way_to_distribute_works(project: Project, args: list[str]) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = run(project, BOTH, *args)
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["passed"] == (14 if args == ["--dist=each"] else 7)


def test_a_failed_test_shows_its_commands(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="def test_it(platform_container): assert not platform_container.exec(['complain', 'x']).stderr"
    )
    result = run(project, BOTH)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*multiarch command 1 on linux/amd64*", "exit code: 3 after 0.25 s"])


def test_a_platform_that_cannot_be_built_fails_its_own_tests(project: Project) -> None:
    project.fake_engine("failing_builds=('linux/arm64',)")
    project.write(test_it=TEST)
    result = run(project, BOTH)
    result.assert_outcomes(passed=3, errors=4)
    assert 1 <= result.outlines.count("the log's end on linux/arm64") <= 2


@pytest.mark.parametrize(
    ("plan", "dockerfile", "args", "message"),
    [
        ("daemon=False", True, [BOTH], "connecting to the Docker daemon: nobody is there"),
        ("", False, [BOTH], "looking for the Dockerfile */Dockerfile: there is no such file"),
    ],
    ids=["no daemon", "no Dockerfile"],
)
def test_what_is_missing_fails_the_tests_that_need_it(
    project: Project, plan: str, dockerfile: bool, args: list[str], message: str
) -> None:
    project.fake_engine(plan, dockerfile=dockerfile)
    project.write(test_it=TEST)
    result = run(project, *args)
    result.assert_outcomes(passed=1, errors=6)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([message])
    # Once in full in each worker, in short for the rest.
    assert len([line for line in result.outlines if line.startswith("(in full at ")]) >= 4
    assert project.calls("build") == []
    assert len(project.calls("close")) == len(project.calls("made"))


def test_a_wrong_marker_fails_its_own_test(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/amr64")
            def test_1(platform_image): pass
            def test_2(platform_image): pass
        """
    )
    result = run(project, BOTH)
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(
        [
            "reading the platform 'linux/amr64' in @pytest.mark.platforms of *: 'amr64' is not *",
            "did you mean linux/arm64[?]",
        ]
    )


def test_a_machine_without_a_platform_name_fails_the_tests_that_need_one(project: Project) -> None:
    project.fake_engine(conftest="import platform\nplatform.machine = lambda: 'vax'\n")
    project.write(test_it="def test_1(target_platform): pass\ndef test_2(): pass\n")
    result = run(project)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["reading this machine's platform: no known architecture is called 'vax'"])


def test_a_wrong_option_is_told_once_before_workers_start(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = run(project, "--multiarch-platforms=linux/amr64")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        "ERROR: reading the platform 'linux/amr64': 'amr64' is not a known architecture",
        "did you mean linux/arm64?",
    ]
    assert result.outlines == []


def test_what_a_worker_cannot_remove_is_a_warning_of_the_run(project: Project) -> None:
    project.fake_engine("leftovers=('removing container x: it is busy',)")
    project.write(test_it=TEST)
    result = project.pytester.runpytest_subprocess(*ALWAYS[1:], "-n2", BOTH)
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes() == {"passed": 7, "warnings": 2}
    result.stdout.fnmatch_lines(["*PytestWarning: multiarch: removing container x: it is busy"])
