"""`--multiarch-unavailable`: what tests of a platform do that this machine cannot run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

TESTS = """\
def test_warm(platform_container): pass
def test_fresh(fresh_container): pass
def test_run(platform_image): platform_image.run(["uname", "-m"])
def test_read(platform_image): assert platform_image.config.platform == platform_image.platform
def test_names(target_platform): pass
"""
REASON = "running linux/arm64 here: no emulator is registered"


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine("unavailable=('linux/arm64',)")
    project.write(test_it=TESTS)
    return project


def test_what_runs_fails_at_once_and_what_reads_is_tested(project: Project) -> None:
    result = project.run(BOTH)
    result.assert_outcomes(passed=7, errors=2, failed=1)
    assert [call["platform"] for call in project.calls("warm")] == ["linux/amd64"]
    result.stdout.fnmatch_lines(["multiarch: linux/amd64 native; linux/arm64 unavailable (no emulator is registered)"])


def test_the_reason_is_told_in_full_once_with_what_mends_it(project: Project) -> None:
    project.write(test_it="def test_a(platform_container): pass\ndef test_b(fresh_container): pass")
    result = project.run(BOTH, "-rN")
    result.assert_outcomes(passed=2, errors=2)
    text = result.stdout.str()
    assert text.count("Mend it with:") == 1
    assert text.count("mend it\n") == 1
    assert text.count("(in full at ") == 1


def test_with_skip_what_runs_is_skipped_with_the_reason(project: Project) -> None:
    result = project.run(BOTH, "--multiarch-unavailable=skip", "-rs")
    result.assert_outcomes(passed=7, skipped=3)
    result.stdout.fnmatch_lines([f"SKIPPED [[]1] test_it.py:{line}: {REASON}" for line in (1, 2, 3)])


def test_with_skip_in_the_ini_file(project: Project) -> None:
    project.path.joinpath("pytest.ini").write_text("[pytest]\nmultiarch_unavailable = skip\n", encoding="utf-8")
    project.run(BOTH).assert_outcomes(passed=7, skipped=3)


def test_the_command_line_wins(project: Project) -> None:
    project.path.joinpath("pytest.ini").write_text("[pytest]\nmultiarch_unavailable = skip\n", encoding="utf-8")
    project.run(BOTH, "--multiarch-unavailable=fail").assert_outcomes(passed=7, errors=2, failed=1)


def test_another_word_ends_the_run(project: Project) -> None:
    result = project.run(BOTH, "--multiarch-unavailable=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*reading 'maybe' of --multiarch-unavailable: it is no choice", "*Give fail or skip."])


def test_a_platform_that_a_test_names_itself_is_judged_too(project: Project) -> None:
    project.write(
        test_it="import pytest\n"
        "@pytest.mark.parametrize('target_platform', ['linux/amd64', 'linux/arm64'])\n"
        "def test_it(platform_container): pass\n"
    )
    project.run(BOTH, "--multiarch-unavailable=skip").assert_outcomes(passed=1, skipped=1)
