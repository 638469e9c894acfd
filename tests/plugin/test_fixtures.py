"""What each fixture gives, and how long it lives."""

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


@pytest.mark.parametrize(
    ("fixture", "check"),
    [
        ("multiarch_platforms", "[str(p) for p in it] == ['linux/amd64', 'linux/arm64'] and isinstance(it, tuple)"),
        (
            "multiarch_build",
            "isinstance(it, BuildSpec) and it.context == pytestconfig.rootpath and it.dockerfile is None",
        ),
        ("multiarch_registry", "it.host == 'localhost:40404' and it.url == 'http://127.0.0.1:40404'"),
        ("multiarch_registry", "it.credentials.username == 'multiarch' and 'secret' not in repr(it)"),
        ("multiarch_builder", "it.name == 'a-builder' and it.driver == 'docker-container'"),
        ("multiarch_image", "isinstance(it, MultiArchImage) and it.digest.startswith('sha256:')"),
        ("multiarch_image", "[str(p) for p in it.platforms] == ['linux/amd64', 'linux/arm64']"),
        ("multiarch_image", "it.for_platform(Platform.parse('arm64')).config.platform.machine == 'aarch64'"),
        ("multiarch_image_factory", "callable(it)"),
    ],
)
def test_a_fixture_of_the_whole_run_gives_what_the_readme_says(project: Project, fixture: str, check: str) -> None:
    project.write(
        test_it=f"""
            from pytest_multiarch import BuildSpec, MultiArchImage, Platform
            def test_it({fixture}, pytestconfig):
                it = {fixture}
                assert {check}
        """
    )
    project.run(BOTH).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("fixture", "check"),
    [
        ("target_platform", "isinstance(it, Platform)"),
        ("target_platform", "(it.os, it.architecture) in [('linux', 'amd64'), ('linux', 'arm64')]"),
        ("platform_image", "isinstance(it, PlatformImage) and it.platform == target_platform == it.config.platform"),
        ("platform_image", "it.digest == it.reference.digest and it.reference.tag == ''"),
        ("platform_image", "len(it.layers) == 1 and it.layers == it.manifest.layers"),
        ("platform_image", "it.run(['uname', '-m']).stdout.strip() == target_platform.machine"),
        ("platform_container", "it.exec(['uname', '-m']).stdout.strip() == target_platform.machine"),
        ("platform_container", "isinstance(it.exec(['x']), CommandResult) and it.exec(['x']).exit_code == 127"),
        ("fresh_container", "it.exec(['echo', 'a']).stdout_bytes == b'a\\n'"),
        ("fresh_container", "it.exec(['complain', 'b']).stderr == 'b\\n' and it.platform == target_platform"),
    ],
)
def test_a_fixture_of_one_platform_gives_what_the_readme_says(project: Project, fixture: str, check: str) -> None:
    project.write(
        test_it=f"""
            from pytest_multiarch import CommandResult, Platform, PlatformImage
            def test_it({", ".join(dict.fromkeys((fixture, "target_platform")))}):
                it = {fixture}
                assert {check}
        """
    )
    project.run(BOTH).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "fixture",
    [
        *("multiarch_platforms", "multiarch_build", "multiarch_registry", "multiarch_builder", "multiarch_image"),
        *("multiarch_image_factory", "target_platform", "platform_image", "platform_container"),
    ],
)
def test_a_session_fixture_can_be_used_by_a_users_session_fixture(project: Project, fixture: str) -> None:
    project.write(
        test_it=f"""
            import pytest
            @pytest.fixture(scope="session")
            def mine({fixture}): return {fixture}
            def test_it(mine): pass
        """
    )
    assert project.run("--multiarch-platforms=linux/arm64").parseoutcomes() == {"passed": 1}


def test_a_fresh_container_is_each_tests_own(project: Project) -> None:
    project.write(
        test_it="""
            names = []
            def test_1(fresh_container, platform_container): names.append(fresh_container.name)
            def test_2(fresh_container, platform_container):
                assert fresh_container.name not in names
                assert platform_container.name not in [*names, fresh_container.name]
        """
    )
    project.run("--multiarch-platforms=linux/arm64").assert_outcomes(passed=2)
    started = [call["container"] for call in project.calls("fresh")]
    assert len(started) == 2
    assert [call["container"] for call in project.calls("removed")] == started


def test_a_fresh_container_is_removed_as_soon_as_its_test_is_over(project: Project) -> None:
    project.write(
        test_it="""
            def test_1(fresh_container): assert False
            def test_2(fresh_container): pass
        """
    )
    project.run("--multiarch-platforms=linux/arm64").assert_outcomes(failed=1, passed=1)
    order = [call["call"] for call in project.calls() if call["call"] in {"fresh", "removed"}]
    assert order == ["fresh", "removed", "fresh", "removed"]


def test_the_factory_builds_what_it_is_given_for_the_runs_platforms(project: Project) -> None:
    project.path.joinpath("other").mkdir()
    project.path.joinpath("other/Dockerfile").touch()
    project.write(
        test_it="""
            from pytest_multiarch import BuildSpec
            def test_it(multiarch_image_factory, pytestconfig):
                image = multiarch_image_factory(BuildSpec(context=pytestconfig.rootpath / "other", target="x"))
                assert [str(platform) for platform in image.platforms] == ["linux/amd64", "linux/arm64"]
        """
    )
    project.run(BOTH).assert_outcomes(passed=1)
    (build,) = project.calls("build")
    assert (build["context"], build["target"]) == ("other", "x")
    assert build["platforms"] == ["linux/amd64", "linux/arm64"]


def test_the_factory_reads_a_reference_that_it_is_given(project: Project) -> None:
    project.write(
        test_it="""
            def test_it(multiarch_image_factory):
                assert multiarch_image_factory("example.org/app:2").reference.name == "example.org/app"
        """
    )
    project.run(BOTH).assert_outcomes(passed=1)
    assert [call["reference"] for call in project.calls("published")] == ["example.org/app:2"]
    assert project.calls("build") == []


def test_registry_and_builder_are_to_be_had_without_building(project: Project) -> None:
    project.write(test_it="def test_it(multiarch_registry, multiarch_builder): pass")
    project.path.joinpath("Dockerfile").unlink()
    project.run(BOTH).assert_outcomes(passed=1)
    assert [call["call"] for call in project.calls()] == ["made", "check", "start", "registry", "builder", "close"]


def test_registry_and_builder_are_checked_for_beside_a_published_image(project: Project) -> None:
    project.write(test_it="def test_it(multiarch_registry): pass")
    project.run("--multiarch-image=app:1").assert_outcomes(passed=1)
    assert [(call["builds"], call["runs"]) for call in project.calls("check")] == [(True, True)]


SELECTED = """
def test_one(platform_image): pass
def test_whole(multiarch_image): assert len(multiarch_image.platforms) == 2
def test_late(platform_image, request): assert len(request.getfixturevalue("multiarch_image").platforms) == 2
"""


@pytest.mark.parametrize(
    ("chosen", "built"),
    [
        ("test_one and amd64", ["linux/amd64"]),
        ("test_one", ["linux/amd64", "linux/arm64"]),
        ("test_whole", ["linux/amd64", "linux/arm64"]),
        ("test_late and amd64", ["linux/amd64", "linux/arm64"]),
    ],
)
def test_platforms_that_no_test_is_for_are_not_built(project: Project, chosen: str, built: list[str]) -> None:
    project.write(test_it=SELECTED)
    result = project.run(BOTH, "-k", chosen)
    assert result.ret == pytest.ExitCode.OK
    assert sorted(call["platform"] for call in project.calls("built")) == built
