"""However a run ends, what it has started is removed, once, and after the tests' own fixtures are done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import ALWAYS, BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

ENDS = {
    "all tests pass": ("def test_it(platform_container): pass", [], pytest.ExitCode.OK),
    "a test fails": ("def test_it(platform_container): assert False", [], pytest.ExitCode.TESTS_FAILED),
    "the first failure ends the run": (
        "def test_it(platform_container): assert False\ndef test_more(): pass",
        ["-x"],
        pytest.ExitCode.TESTS_FAILED,
    ),
    "somebody presses Ctrl-C in a test": (
        "def test_it(platform_container): raise KeyboardInterrupt",
        [],
        pytest.ExitCode.INTERRUPTED,
    ),
    "somebody presses Ctrl-C in a fixture": (
        "import pytest\n@pytest.fixture\ndef mine(platform_container): raise KeyboardInterrupt\ndef test_it(mine): pass",
        [],
        pytest.ExitCode.INTERRUPTED,
    ),
    "a test ends the run": (
        "import pytest\ndef test_it(platform_container): pytest.exit('enough', 7)",
        [],
        7,
    ),
    "a fixture cannot be torn down": (
        "import pytest\n@pytest.fixture(scope='session')\ndef mine(platform_container):\n    yield\n    assert False\n"
        "def test_it(mine): pass",
        [],
        pytest.ExitCode.TESTS_FAILED,
    ),
    "another file cannot be collected and the run goes on": (
        "def test_it(platform_container): pass",
        ["--continue-on-collection-errors", "broken.py", "test_it.py"],
        pytest.ExitCode.TESTS_FAILED,
    ),
}


@pytest.mark.parametrize(("test", "args", "ret"), ENDS.values(), ids=ENDS.keys())
def test_all_is_removed_once_where(project: Project, test: str, args: list[str], ret: int) -> None:
    project.fake_engine()
    project.write(test_it=test, broken="raise RuntimeError")
    # A keyboard interrupt would end this process's run as well.
    run = project.run_apart if ret == pytest.ExitCode.INTERRUPTED else project.run
    assert run("--multiarch-platforms=linux/arm64", *args).ret == ret
    ahead = {"prepare", "built", "end_building"}
    calls = [call["call"] for call in project.calls() if call["call"] not in ahead]
    assert calls == ["made", "check", "build", "warm", "close"]


def test_nothing_is_made_where_a_file_cannot_be_collected(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_it(platform_container): pass", broken="raise RuntimeError")
    assert project.run(BOTH, "broken.py", "test_it.py").ret == pytest.ExitCode.INTERRUPTED
    assert project.calls() == []


def test_all_is_checked_for_where_a_run_goes_on_after_a_collection_error(project: Project) -> None:
    project.fake_engine("daemon=False")
    project.write(test_it="def test_it(platform_container): pass", broken="raise RuntimeError")
    result = project.run(BOTH, "--continue-on-collection-errors", "broken.py", "test_it.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: connecting to the Docker daemon: nobody is there"])


def test_a_check_that_fails_leaves_nothing_open(project: Project) -> None:
    project.fake_engine("daemon=False")
    project.write(test_it="def test_it(platform_container): pass")
    assert project.run(BOTH).ret == pytest.ExitCode.USAGE_ERROR
    assert [call["call"] for call in project.calls()] == ["made", "check", "close"]


def test_all_is_removed_after_an_internal_error_of_another_plugin(project: Project) -> None:
    broken = "def pytest_runtest_logfinish(): raise RuntimeError('mine')\n"
    project.fake_engine(conftest=broken)
    project.write(test_it="def test_it(platform_container): pass")
    assert project.run_apart(BOTH).ret == pytest.ExitCode.INTERNAL_ERROR
    assert len(project.calls("close")) == 1


@pytest.mark.parametrize("ending", ["pass", "assert False", "raise KeyboardInterrupt"])
def test_a_users_session_fixture_can_still_run_commands_when_it_ends(project: Project, ending: str) -> None:
    project.fake_engine()
    project.write(
        test_it=f"""
            import pytest
            @pytest.fixture(scope="session")
            def service(platform_container):
                yield
                open("said", "w").write(platform_container.exec(["echo", "bye"]).stdout)
            def test_it(service): {ending}
        """
    )
    project.run_apart("--multiarch-platforms=linux/arm64")
    assert project.path.joinpath("said").read_text(encoding="utf-8") == "bye\n"


@pytest.mark.parametrize("hook", ["pytest_configure", "pytest_sessionstart"])
@pytest.mark.parametrize("args", [[], [BOTH]])
def test_a_conftest_that_ends_the_run_early_is_not_spoken_over(project: Project, hook: str, args: list[str]) -> None:
    project.pytester.makeconftest(f"import pytest\ndef {hook}(): raise pytest.UsageError('the users own')")
    project.write(test_it="def test_it(platform_container): pass")
    result = project.run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == ["ERROR: the users own"]


class TestWhatCannotBeRemoved:
    @pytest.fixture
    def project(self, project: Project) -> Project:
        project.fake_engine("leftovers=('removing container x: it is busy', 'removing volume y: it is in use')")
        project.write(test_it="def test_it(platform_container): pass")
        return project

    def test_becomes_warnings(self, project: Project) -> None:
        result = project.pytester.runpytest_subprocess(*ALWAYS[1:], BOTH)
        result.assert_outcomes(passed=2, warnings=2)
        assert result.ret == pytest.ExitCode.OK
        result.stdout.fnmatch_lines(["*PytestWarning: multiarch: removing container x: it is busy"])
        result.stdout.fnmatch_lines(["*PytestWarning: multiarch: removing volume y: it is in use"])

    def test_fails_the_run_where_warnings_are_errors(self, project: Project) -> None:
        result = project.run_apart(BOTH)
        result.assert_outcomes(passed=2)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert result.errlines == [
            "multiarch: removing container x: it is busy",
            "multiarch: removing volume y: it is in use",
        ]

    def test_does_not_hide_what_else_has_happened(self, project: Project) -> None:
        project.write(test_it="def test_it(platform_container): raise KeyboardInterrupt")
        result = project.run_apart(BOTH)
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert "multiarch: removing container x: it is busy" in result.errlines
