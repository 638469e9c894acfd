"""A conftest that overrides `multiarch_build` decides what is built."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

ANOTHER = """
import pytest
from pytest_multiarch import BuildSpec

@pytest.fixture(scope="session")
def multiarch_build(pytestconfig):
    return BuildSpec(context=pytestconfig.rootpath / "images", target="runtime", secrets=("id=token,env=TOKEN",))
"""
EXTENDED = """
import dataclasses, pytest

@pytest.fixture(scope="session")
def multiarch_build(multiarch_build):
    return dataclasses.replace(multiarch_build, target="runtime", args={**multiarch_build.args, "B": "2"})
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.path.joinpath("images").mkdir()
    project.path.joinpath("images/Dockerfile").touch()
    project.write(test_it="def test_it(platform_image): pass")
    return project


def test_what_a_conftest_gives_is_built_and_the_rootdir_needs_no_dockerfile(project: Project) -> None:
    project.fake_engine(conftest=ANOTHER, dockerfile=False)
    project.run(BOTH).assert_outcomes(passed=2)
    (build,) = project.calls("build")
    assert (build["context"], build["target"], build["secrets"]) == ("images", "runtime", ["id=token,env=TOKEN"])


def test_what_the_options_say_can_be_extended(project: Project) -> None:
    project.fake_engine(conftest=EXTENDED)
    project.run(BOTH, "--multiarch-build-arg=A=1").assert_outcomes(passed=2)
    (build,) = project.calls("build")
    assert (build["context"], build["target"], build["args"]) == (project.path.name, "runtime", {"A": "1", "B": "2"})


def test_extending_what_the_options_say_needs_the_dockerfile(project: Project) -> None:
    project.fake_engine(conftest=EXTENDED, dockerfile=False)
    result = project.run(BOTH)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: looking for the Dockerfile {project.path / 'Dockerfile'}: *"])


def test_an_override_in_a_folder_counts_there_alone(project: Project) -> None:
    project.fake_engine()
    folder = project.path / "special"
    folder.mkdir()
    folder.joinpath("conftest.py").write_text(ANOTHER, encoding="utf-8")
    test = """
        def test_it(multiarch_image, platform_image, platform_container, multiarch_build, request):
            name = request.path.parent.name.replace("special", "images").replace("_", "-")
            assert multiarch_image.reference.name.rpartition("-")[0] == f"localhost:40404/{name}"
            assert platform_image.reference.name == multiarch_image.reference.name
            assert multiarch_build.name == name
    """
    project.write(test_before=test, test_zz_after=test)
    folder.joinpath("test_special.py").write_text(textwrap.dedent(test), encoding="utf-8")
    result = project.run(BOTH, "-v", "test_before.py", "special", "test_zz_after.py")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["special/test_special.py::test_it[[]linux/amd64[]] PASSED *"])
    contexts = {call["context"] for call in project.calls("build")}
    assert contexts == {project.path.name, "images"}
    assert len(project.calls("warm")) == 2


def test_an_override_in_a_folder_is_followed_by_tests_that_run_once(project: Project) -> None:
    project.fake_engine()
    folder = project.path / "special"
    folder.mkdir()
    folder.joinpath("conftest.py").write_text(ANOTHER, encoding="utf-8")
    test = "def test_{0}(multiarch_image): assert ('images' in str(multiarch_image.reference)) is {1}\n"
    folder.joinpath("test_special.py").write_text(test.format("in", True), encoding="utf-8")
    project.write(test_it=test.format("out", False))
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["special/test_special.py::test_in PASSED *"])


def test_an_override_may_stand_in_a_module(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="""
            import pytest
            from pytest_multiarch import BuildSpec

            @pytest.fixture(scope="session")
            def multiarch_build(pytestconfig): return BuildSpec(context=pytestconfig.rootpath / "images")

            def test_it(platform_image): assert "/images-" in platform_image.reference.name
        """,
        test_other="def test_other(platform_image): assert '/images-' not in platform_image.reference.name",
    )
    project.run(BOTH).assert_outcomes(passed=4)


def test_an_override_may_have_parameters_of_its_own(project: Project) -> None:
    conftest = """
import pytest
from pytest_multiarch import BuildSpec

@pytest.fixture(scope="session", params=["slim", "full"])
def multiarch_build(pytestconfig, request): return BuildSpec(context=pytestconfig.rootpath, target=request.param)
"""
    project.fake_engine(conftest=conftest)
    result = project.run(BOTH, "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["test_it.py::test_it[[]full-linux/arm64[]] PASSED *"])
    assert {call["target"] for call in project.calls("build")} == {"slim", "full"}


def test_a_dockerfile_that_an_override_names_and_that_is_not_there_fails_the_tests(project: Project) -> None:
    project.fake_engine(conftest=ANOTHER, dockerfile=False)
    project.path.joinpath("images/Dockerfile").unlink()
    result = project.run(BOTH)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [f"looking for the Dockerfile {project.path / 'images/Dockerfile'}: there is no such file"]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_published_image_is_tested_whatever_a_conftest_would_build(project: Project) -> None:
    project.fake_engine(conftest=ANOTHER, dockerfile=False)
    project.run(BOTH, "--multiarch-image=app:1").assert_outcomes(passed=2)
    assert project.calls("build") == []


def test_an_override_that_lives_shorter_than_the_image_is_refused_by_pytest(project: Project) -> None:
    conftest = """
import pytest
from pytest_multiarch import BuildSpec

@pytest.fixture(scope="module")
def multiarch_build(pytestconfig): return BuildSpec(context=pytestconfig.rootpath)
"""
    project.fake_engine(conftest=conftest)
    result = project.run(BOTH)
    result.stdout.fnmatch_lines(["ScopeMismatch: *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
