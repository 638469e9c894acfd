"""`@pytest.mark.platforms` keeps a test to some of the run's platforms; for the others it is deselected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


def passed(result: pytest.RunResult) -> list[str]:
    """Return the names of the tests that have passed, without their file."""
    lines = [line.split()[0] for line in result.stdout.lines if " PASSED" in line]
    return sorted(line.partition("::")[2] for line in lines)


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine()
    return project


def test_a_marked_test_is_deselected_for_other_platforms(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/arm64")
            def test_marked(platform_image): pass
            def test_free(target_platform): pass
        """
    )
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=3, deselected=1)
    result.stdout.fnmatch_lines(["*collected 4 items / 1 deselected / 3 selected"])
    assert passed(result) == ["test_free[linux/amd64]", "test_free[linux/arm64]", "test_marked[linux/arm64]"]


@pytest.mark.parametrize("spelling", ["linux/arm64", "aarch64", "linux/arm64/v8", "Linux/ARM64"])
def test_every_spelling_of_a_platform_counts(project: Project, spelling: str) -> None:
    project.write(
        test_it=f"""
            import pytest
            @pytest.mark.platforms("{spelling}")
            def test_it(target_platform): assert str(target_platform) == "linux/arm64"
        """
    )
    project.run(BOTH).assert_outcomes(passed=1, deselected=1)


def test_a_platform_object_will_do(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            from pytest_multiarch import Platform
            @pytest.mark.platforms(Platform.parse("arm64"), "linux/s390x")
            def test_it(target_platform): assert str(target_platform) == "linux/arm64"
        """
    )
    project.run(BOTH).assert_outcomes(passed=1, deselected=1)


def test_an_older_variant_is_another_platform(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/arm/v6")
            def test_it(target_platform): assert target_platform.variant == "v6"
        """
    )
    project.run("--multiarch-platforms=linux/arm/v7,linux/arm/v6").assert_outcomes(passed=1, deselected=1)


def test_a_marker_on_a_class_counts_for_its_methods(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/arm64")
            class TestIt:
                def test_1(self, target_platform): pass
                def test_2(self): pass
            def test_3(target_platform): pass
        """
    )
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=4, deselected=1)
    assert passed(result) == [
        *("TestIt::test_1[linux/arm64]", "TestIt::test_2"),
        *("test_3[linux/amd64]", "test_3[linux/arm64]"),
    ]


def test_a_marker_on_a_module_counts_for_its_tests(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            pytestmark = pytest.mark.platforms("linux/amd64")
            def test_1(platform_container): pass
            def test_2(target_platform): pass
        """,
        test_other="def test_3(target_platform): pass",
    )
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=4, deselected=2)
    assert passed(result) == [
        *("test_1[linux/amd64]", "test_2[linux/amd64]"),
        *("test_3[linux/amd64]", "test_3[linux/arm64]"),
    ]


def test_where_several_markers_stand_above_a_test_all_count(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/amd64", "linux/arm64")
            class TestIt:
                @pytest.mark.platforms("linux/arm64", "linux/s390x")
                def test_it(self, target_platform): assert str(target_platform) == "linux/arm64"
        """
    )
    result = project.run("--multiarch-platforms=linux/amd64,linux/arm64,linux/s390x")
    result.assert_outcomes(passed=1, deselected=2)


def test_a_test_for_platforms_that_the_run_has_not_is_deselected_altogether(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/s390x")
            def test_it(platform_image): pass
        """
    )
    result = project.run(BOTH)
    result.assert_outcomes(deselected=2)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert project.calls() == []


def test_a_marker_also_chooses_among_a_tests_own_platforms(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/arm64")
            @pytest.mark.parametrize("target_platform", ["linux/amd64", "aarch64"])
            def test_it(platform_image): assert str(platform_image.platform) == "linux/arm64"
        """
    )
    project.run(BOTH).assert_outcomes(passed=1, deselected=1)


def test_a_marker_on_one_set_of_parameters_counts_for_it_alone(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.parametrize("name", ["all", pytest.param("arm", marks=pytest.mark.platforms("linux/arm64"))])
            def test_it(target_platform, name): pass
        """
    )
    result = project.run(BOTH, "-v")
    assert passed(result) == ["test_it[linux/amd64-all]", "test_it[linux/arm64-all]", "test_it[linux/arm64-arm]"]


def test_the_marker_is_known_under_strict_markers(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/arm64")
            def test_it(target_platform): pass
        """
    )
    project.run(BOTH, "--strict-markers").assert_outcomes(passed=1, deselected=1)
