"""Which tests run how often, in which order, and what is made how many times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine()
    return project


def names(project: Project, *args: str) -> list[str]:
    """Return the tests in the order in which they are to run, without their file."""
    lines = project.run("--collect-only", "-q", *args).stdout.lines
    return [line.partition("::")[2] for line in lines if "::" in line]


def test_a_test_runs_once_per_platform_the_machines_own_first(project: Project) -> None:
    project.write(test_it="def test_it(target_platform): pass")
    project.fake_engine(conftest="import platform\nplatform.machine = lambda: 'x86_64'\n")
    asked = "--multiarch-platforms=s390x,linux/amd64,linux/arm/v7"
    assert names(project, asked) == ["test_it[linux/amd64]", "test_it[linux/s390x]", "test_it[linux/arm/v7]"]
    asked = "--multiarch-platforms=s390x,linux/arm/v7"
    assert names(project, asked) == ["test_it[linux/s390x]", "test_it[linux/arm/v7]"]


def test_what_needs_all_platforms_comes_last_in_its_file(project: Project) -> None:
    project.write(
        test_a="def test_1(multiarch_image): pass\ndef test_2(platform_image): pass\ndef test_3(): pass",
        test_b="""
            import pytest
            @pytest.fixture(scope="session", autouse=True)
            def plain(): pass
            def test_4(multiarch_image): pass
            def test_5(multiarch_image, platform_image): pass
            def test_6(platform_image): pass
        """,
    )
    assert names(project, BOTH) == [
        *("test_2[linux/amd64]", "test_2[linux/arm64]", "test_3", "test_1"),
        *("test_6[linux/amd64]", "test_6[linux/arm64]", "test_5[linux/amd64]", "test_5[linux/arm64]", "test_4"),
    ]


def test_an_order_that_the_project_chooses_stays(project: Project) -> None:
    project.write(test_it="def test_1(multiarch_image): pass\ndef test_2(platform_image): pass")
    project.fake_engine(conftest="def pytest_collection_modifyitems(items): items.sort(key=lambda item: item.name)\n")
    assert names(project, BOTH) == ["test_1", "test_2[linux/amd64]", "test_2[linux/arm64]"]


def test_a_modules_own_fixture_keeps_its_tests_together(project: Project) -> None:
    project.write(
        test_a="""
            import pytest
            @pytest.fixture(scope="module", autouse=True)
            def own(): pass
            def test_1(multiarch_image): pass
        """,
        test_b="def test_2(platform_image): pass",
    )
    assert names(project, BOTH)[0] == "test_1"


def test_tests_run_by_file_and_in_a_file_by_platform(project: Project) -> None:
    project.write(
        test_a="def test_1(platform_image): pass\ndef test_2(target_platform): pass",
        test_b="def test_3(): pass",
        test_c="def test_4(fresh_container): pass\ndef test_5(): pass",
    )
    assert names(project, BOTH) == [
        *("test_1[linux/amd64]", "test_2[linux/amd64]", "test_1[linux/arm64]", "test_2[linux/arm64]"),
        "test_3",
        *("test_4[linux/amd64]", "test_4[linux/arm64]", "test_5"),
    ]


def test_files_run_in_the_order_in_which_they_are_named(project: Project) -> None:
    project.write(**{f"test_{name}": f"def test_{name}(platform_image): pass" for name in "abc"})
    found = names(project, BOTH, "test_c.py", "test_a.py", "test_b.py")
    assert found == [f"test_{name}[{platform}]" for name in "cab" for platform in ("linux/amd64", "linux/arm64")]


SHARED = """
import pytest
@pytest.fixture(scope="{scope}")
def service({argument}):
    with open("setups", "a") as file:
        print("set up", file=file)
@pytest.fixture(scope="session", params=["x", "y"])
def letter(request): return request.param
"""


def by_file_and_platform(project: Project, argument: str, using: str, scope: str = "session") -> tuple[list[str], int]:
    """Return in which order five tests run, the last three of which use something shared, and how often that is set up."""
    project.fake_engine(conftest=SHARED.format(argument=argument, scope=scope))
    project.write(
        test_a="def test_1(platform_image): pass",
        test_b=f"def test_2(platform_image, {using}): pass",
        test_c="def test_3(platform_image): pass",
        test_d=f"def test_4(platform_image, {using}): pass\ndef test_5(platform_image, {using}): pass",
    )
    found = names(project, BOTH)
    assert project.run(BOTH).ret == pytest.ExitCode.OK
    path = project.path / "setups"
    return found, len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


@pytest.mark.parametrize("argument", ["platform_container", "request, target_platform"])
def test_files_that_share_a_session_fixture_for_a_platform_run_together_by_platform(
    project: Project, argument: str
) -> None:
    found, setups = by_file_and_platform(project, argument, "service")
    assert [name.replace("linux/", "") for name in found] == [
        *("test_1[amd64]", "test_1[arm64]"),
        *("test_2[amd64]", "test_4[amd64]", "test_5[amd64]", "test_2[arm64]", "test_4[arm64]", "test_5[arm64]"),
        *("test_3[amd64]", "test_3[arm64]"),
    ]
    assert setups == 2


@pytest.mark.parametrize("argument", ["", "request", "tmp_path_factory", "multiarch_platforms", "multiarch_build"])
def test_files_that_share_what_is_the_same_for_all_platforms_run_one_after_the_other(
    project: Project, argument: str
) -> None:
    found, setups = by_file_and_platform(project, argument, "service")
    assert [name.replace("linux/", "") for name in found] == [
        *("test_1[amd64]", "test_1[arm64]", "test_2[amd64]", "test_2[arm64]", "test_3[amd64]", "test_3[arm64]"),
        *("test_4[amd64]", "test_5[amd64]", "test_4[arm64]", "test_5[arm64]"),
    ]
    assert setups == 1


def test_files_that_share_no_more_than_the_name_of_a_fixture_run_one_after_the_other(project: Project) -> None:
    found, setups = by_file_and_platform(project, "platform_container", "service", "module")
    assert [name.partition("[")[0] for name in found] == [
        *("test_1", "test_1", "test_2", "test_2", "test_3", "test_3", "test_4", "test_5", "test_4", "test_5")
    ]
    assert setups == 4


def test_what_needs_all_platforms_stays_beside_what_shares_a_parameter_of_the_users(project: Project) -> None:
    project.fake_engine(conftest=SHARED.format(argument="", scope="session"))
    project.write(
        test_a="def test_1(multiarch_image, letter): pass\ndef test_2(letter): pass\ndef test_3(letter): pass"
    )
    assert names(project, BOTH) == [f"test_{number}[{letter}]" for letter in "xy" for number in (1, 2, 3)]


def test_files_that_share_a_parameter_of_the_users_run_as_pytest_runs_them(project: Project) -> None:
    found, _ = by_file_and_platform(project, "", "letter")
    shared = [name.replace("linux/", "") for name in found if not name.startswith(("test_1", "test_3"))]
    assert shared.index("test_4[x-amd64]") < shared.index("test_2[y-amd64]")
    assert {name.partition("[")[0] for name in found[:2]} == {"test_1"}
    assert {name.partition("[")[0] for name in found[-2:]} == {"test_3"}


def test_a_test_that_looks_at_the_whole_image_runs_once(project: Project) -> None:
    project.write(test_it="def test_it(multiarch_image, multiarch_platforms, multiarch_build): pass")
    assert names(project, BOTH) == ["test_it"]


def test_the_image_is_built_once_for_all_platforms_however_many_tests(project: Project) -> None:
    project.write(
        test_a="""
            def test_1(platform_image): pass
            def test_2(platform_container): pass
            def test_3(fresh_container): pass
            def test_4(multiarch_image): pass
        """,
        test_b="class TestIt:\n    def test_5(self, platform_image): pass\n",
    )
    project.run(BOTH).assert_outcomes(passed=9)
    assert [call["platforms"] for call in project.calls("build")] == [["linux/amd64", "linux/arm64"]]
    assert len(project.calls("made")) == 1
    assert len(project.calls("warm")) == 2


def test_a_users_session_fixture_is_set_up_once_per_platform(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.fixture(scope="session")
            def service(target_platform, platform_container):
                with open("setups", "a") as file:
                    print(target_platform, file=file)
            def test_1(service): pass
            def test_2(service, multiarch_image): pass
            @pytest.mark.platforms("linux/arm64")
            def test_3(service): pass
            @pytest.mark.platforms("linux/amd64", "linux/s390x")
            def test_4(service): pass
            class TestIt:
                def test_5(self, service): pass
        """,
        test_more="def test_6(target_platform): pass",
    )
    result = project.run("--multiarch-platforms=linux/amd64,linux/arm64,linux/s390x")
    result.assert_outcomes(passed=15, deselected=3)
    setups = project.path.joinpath("setups").read_text(encoding="utf-8").splitlines()
    assert setups == ["linux/amd64", "linux/arm64", "linux/s390x"]


def test_other_parameters_are_combined_with_the_platforms(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
            @pytest.mark.parametrize(("user", "uid"), [("root", 0), ("app", 1000)])
            def test_it(platform_container, locale, user, uid): pass
        """
    )
    assert sorted(names(project, BOTH)) == sorted(
        f"test_it[{platform}-{user}-{locale}]"
        for platform in ("linux/amd64", "linux/arm64")
        for user in ("root-0", "app-1000")
        for locale in ("C", "C.UTF-8")
    )
    project.run(BOTH).assert_outcomes(passed=8)
    assert len(project.calls("warm")) == 2


def test_other_parametrized_session_fixtures_are_combined_with_the_platforms(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.fixture(scope="session", params=["en", "de"])
            def language(request): return request.param
            def test_it(platform_container, language): pass
        """
    )
    project.run(BOTH).assert_outcomes(passed=4)
    assert len(project.calls("warm")) == 2


def test_a_platform_can_be_chosen_by_its_name_with_k(project: Project) -> None:
    project.write(test_it="def test_it(platform_container): pass")
    project.run(BOTH, "-k", "arm64").assert_outcomes(passed=1, deselected=1)
    assert [call["platform"] for call in project.calls("warm")] == ["linux/arm64"]


@pytest.mark.parametrize("written", ['["linux/arm64"]', '["aarch64"]', '[Platform.parse("linux/arm64")]'])
@pytest.mark.parametrize("how", ["", ", indirect=True", ", indirect=['target_platform']", ", scope='session'"])
def test_a_tests_own_platforms_take_the_place_of_the_runs(project: Project, written: str, how: str) -> None:
    project.write(
        test_it=f"""
            import pytest
            from pytest_multiarch import Platform
            @pytest.mark.parametrize("target_platform", {written}{how})
            def test_it(target_platform, platform_image, platform_container):
                assert target_platform == platform_image.platform == platform_container.platform
                assert target_platform.machine == "aarch64"
        """
    )
    project.run(BOTH).assert_outcomes(passed=1)


def test_a_test_with_its_own_platforms_and_no_image_gets_what_it_has_written(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            from pytest_multiarch import Platform
            @pytest.mark.parametrize("target_platform", ["linux/s390x"])
            def test_text(target_platform):
                assert target_platform == "linux/s390x"
            @pytest.mark.parametrize("target_platform", ["linux/s390x"], indirect=True)
            def test_fixture(target_platform):
                assert target_platform == Platform("linux", "s390x")
        """
    )
    project.run(BOTH).assert_outcomes(passed=2)


def test_own_platforms_may_stand_on_a_class_beside_other_parameters(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.parametrize("target_platform, machine", [("linux/arm64", "aarch64"), ("linux/amd64", "x86_64")])
            class TestIt:
                def test_1(self, platform_container, machine):
                    assert platform_container.exec(["uname", "-m"]).stdout == machine + "\\n"
                def test_2(self, platform_image, machine):
                    assert platform_image.platform.machine == machine
            def test_3(target_platform): pass
        """
    )
    assert sorted(names(project, BOTH)) == [
        *("TestIt::test_1[linux/amd64-x86_64]", "TestIt::test_1[linux/arm64-aarch64]"),
        *("TestIt::test_2[linux/amd64-x86_64]", "TestIt::test_2[linux/arm64-aarch64]"),
        *("test_3[linux/amd64]", "test_3[linux/arm64]"),
    ]
    project.run(BOTH).assert_outcomes(passed=6)


@pytest.mark.parametrize("how", ["", ", indirect=['target_platform']"])
def test_own_platforms_beside_other_parameters_set_a_session_fixture_up_once_each(project: Project, how: str) -> None:
    project.write(
        test_it=f"""
            import pytest
            @pytest.fixture(scope="session")
            def service(platform_container):
                with open("setups", "a") as file:
                    print(platform_container.platform, file=file)
            @pytest.mark.parametrize("target_platform, n", [("linux/arm64", 1), ("linux/amd64", 2)]{how})
            class TestIt:
                def test_1(self, service, n): pass
                def test_2(self, service, n): pass
                def test_3(self, service, n): pass
        """
    )
    project.run(BOTH).assert_outcomes(passed=6)
    setups = project.path.joinpath("setups").read_text(encoding="utf-8").splitlines()
    assert setups == ["linux/arm64", "linux/amd64"]


def test_own_platforms_that_the_run_does_not_build_fail_their_test_alone(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            @pytest.mark.parametrize("target_platform", ["linux/s390x", "linux/arm64"])
            def test_it(platform_image): pass
        """
    )
    result = project.run(BOTH)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["looking for linux/s390x in *: this run builds linux/amd64, linux/arm64"])


def test_platform_objects_are_named_as_platforms_are(project: Project) -> None:
    project.write(
        test_it="""
            import pytest
            from pytest_multiarch import Platform
            @pytest.mark.parametrize("target_platform", [Platform.parse("linux/arm/v6"), Platform.parse("i386")], indirect=True)
            def test_it(target_platform): pass
            @pytest.mark.parametrize("other", [Platform.parse("arm64")])
            def test_other(other): pass
        """
    )
    assert names(project) == ["test_it[linux/arm/v6]", "test_it[linux/386]", "test_other[other0]"]
