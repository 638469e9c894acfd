"""The plugin does its work whichever of pytest's own plugins is switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import ALWAYS, BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

TEST = """
    import pytest
    @pytest.mark.platforms("linux/arm64")
    def test_marked(platform_container):
        assert platform_container.exec(["uname", "-m"]).stdout == "aarch64\\n"
    def test_it(target_platform, fresh_container):
        assert fresh_container.exec(["uname", "-m"]).stdout.strip() == target_platform.machine
        with open("ran", "a") as file:
            print(target_platform, file=file)
"""
WITHOUT = [
    *("-pno:capture", "-s", "--capture=sys", "--capture=tee-sys", "-pno:cacheprovider", "-pno:xdist", "-pno:logging"),
    *("-pno:warnings", "-pno:junitxml", "-pno:skipping", "-pno:stepwise", "-pno:faulthandler", "-pno:doctest"),
    *("-pno:unittest", "-pno:threadexception", "-pno:unraisableexception", "-pno:tmpdir", "-pno:monkeypatch"),
    *("-pno:setuponly", "-pno:reports", "-pno:recwarn", "-pno:pastebin", "--strict-markers", "--strict-config"),
    *("--import-mode=importlib", "--no-header", "--no-summary", "--setup-show", "--durations=3", "--color=yes", "-l"),
]


@pytest.mark.parametrize("option", WITHOUT)
def test_the_plugin_works_with(project: Project, option: str) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    assert project.run(BOTH, option).ret == pytest.ExitCode.OK
    assert project.path.joinpath("ran").read_text(encoding="utf-8").splitlines() == ["linux/amd64", "linux/arm64"]
    assert len(project.calls("close")) == 1


def test_the_plugin_works_without_the_terminal_reporter(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = project.run_apart(BOTH, "-pno:terminal")
    assert result.ret == pytest.ExitCode.OK
    assert (result.outlines, result.errlines) == ([], [])
    assert project.path.joinpath("ran").read_text(encoding="utf-8").splitlines() == ["linux/amd64", "linux/arm64"]


def test_a_failure_without_the_terminal_reporter_is_in_the_exit_code(project: Project) -> None:
    project.fake_engine("failing_builds=('linux/arm64',)")
    project.write(test_it=TEST)
    result = project.run(BOTH, "-pno:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.path.joinpath("ran").read_text(encoding="utf-8").splitlines() == ["linux/amd64"]


def test_usage_errors_without_the_terminal_reporter_are_told(project: Project) -> None:
    project.fake_engine("daemon=False")
    project.write(test_it=TEST)
    result = project.run(BOTH, "-pno:terminal")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: connecting to the Docker daemon: nobody is there", "Start it."])


def test_python_itself_may_turn_warnings_into_errors(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    project.fake_engine()
    project.write(test_it=TEST)
    project.run_apart(BOTH).assert_outcomes(passed=3, deselected=1)


def test_a_run_in_python_without_asserts_works(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    project.fake_engine()
    project.write(test_it=TEST)
    # pytest itself warns that assertions do nothing then.
    result = project.pytester.runpytest_subprocess(*ALWAYS[1:], BOTH)
    result.assert_outcomes(passed=3, deselected=1, warnings=1)


def test_the_run_before_can_be_repeated_for_what_has_failed(project: Project) -> None:
    project.fake_engine("failing_builds=('linux/arm64',)")
    project.write(test_it=TEST)
    project.run(BOTH).assert_outcomes(passed=1, errors=2, deselected=1)
    result = project.run(BOTH, "--last-failed")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["run-last-failure: rerun previous 2 failures*"])
