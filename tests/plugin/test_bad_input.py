"""What a user can mend ends the run before a test: one message with what was tried, found and can be done, and exit code 4."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

USES_IMAGE = "def test_it(multiarch_image): open('ran', 'w').close()\n"
USES_NOTHING = "def test_it(): pass\n"


def refused(project: Project, result: pytest.RunResult, tried: str, found: str, hint: str) -> None:
    """Check that a run ended with this one message and nothing else, and that no test has run."""
    lines = [line for line in result.stderr.lines if line]
    assert len(lines) == 2
    assert lines[0].startswith("ERROR: ")
    assert tried in lines[0]
    assert found in lines[0].partition(tried)[2]
    assert hint in lines[1]
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()
    assert not project.path.joinpath("ran").exists()


def remade(project: Project, test: str) -> Project:
    project.write(test_it=test)
    return project


WRONG = [
    pytest.param(
        "--multiarch-platforms=linux/amd64,linux/amr64",
        "reading the platform 'linux/amr64'",
        "'amr64' is not a known architecture",
        "did you mean linux/arm64?",
        id="misspelt platform",
    ),
    pytest.param(
        "--multiarch-platforms=linux/arm64,aarch64",
        "reading the platforms 'linux/arm64,aarch64'",
        "'linux/arm64' and 'aarch64' are the same platform",
        "leave one of them out",
        id="same platform twice",
    ),
    pytest.param(
        "--multiarch-platforms=,", "reading the platforms", "there is none", "name at least one", id="no platform"
    ),
    pytest.param(
        "--multiarch-context=nowhere",
        "looking for the build context",
        "there is no such folder",
        "--multiarch-context",
        id="no context",
    ),
    pytest.param(
        "--multiarch-context=test_it.py",
        "looking for the build context",
        "it is no folder",
        "--multiarch-context",
        id="context that is a file",
    ),
    pytest.param(
        "--multiarch-dockerfile=Containerfile",
        "looking for the Dockerfile",
        "there is no such file",
        "--multiarch-dockerfile",
        id="no such Dockerfile",
    ),
    pytest.param(
        "--multiarch-build-arg==1",
        "reading the build argument '=1'",
        "it has no name",
        "--multiarch-build-arg=NAME=VALUE",
        id="build argument without name",
    ),
    pytest.param(
        "--multiarch-build-context=base",
        "reading the build context 'base'",
        "it has no source",
        "NAME=PATH",
        id="build context without source",
    ),
    pytest.param(
        "--multiarch-build-context==x",
        "reading the build context '=x'",
        "it has no name",
        "--multiarch-build-context=NAME=VALUE",
        id="build context without name",
    ),
    pytest.param(
        "--multiarch-image=Example:1",
        "'Example:1' of --multiarch-image",
        "must be lower-case",
        "as docker pull takes it",
        id="malformed image reference",
    ),
    pytest.param(
        "--multiarch-base-images=a b",
        "'a b' of --multiarch-base-images",
        "it does not follow the grammar",
        "",
        id="malformed base image reference",
    ),
    pytest.param(
        "--multiarch-registry-image=registry:",
        "'registry:' of --multiarch-registry-image",
        "it does not follow the grammar",
        "",
        id="malformed registry image",
    ),
    pytest.param(
        "--multiarch-buildkit-image=@",
        "'@' of --multiarch-buildkit-image",
        "it does not follow the grammar",
        "",
        id="malformed BuildKit image",
    ),
    pytest.param(
        "--multiarch-mirror=mirror.example",
        "'mirror.example' of --multiarch-mirror",
        "it is no URL",
        "https://mirror.example",
        id="mirror without scheme",
    ),
    pytest.param(
        "--multiarch-plain-http=http://registry.example",
        "'http://registry.example' of --multiarch-plain-http",
        "it is no host",
        "registry.example:5001",
        id="plain host with scheme",
    ),
    pytest.param(
        "--multiarch-node=linux/arm64",
        "'linux/arm64' of --multiarch-node",
        "it has no endpoint",
        "linux/arm64=ssh://host",
        id="node without endpoint",
    ),
    pytest.param(
        "--multiarch-node=linux/amr64=ssh://host",
        "'linux/amr64' of --multiarch-node",
        "'amr64' is not a known architecture",
        "did you mean linux/arm64?",
        id="node of a misspelt platform",
    ),
    *(
        pytest.param(
            f"--multiarch-registry-port={value}",
            f"reading {value!r} of --multiarch-registry-port",
            "it is no number in range",
            "from 1 to 65535",
            id=f"port {value}",
        )
        for value in ("0", "65536", "-1", "http", "80.5")
    ),
    *(
        pytest.param(
            f"--multiarch-{name}-timeout={value}",
            f"reading {value!r} of --multiarch-{name}-timeout",
            "it is no number in range",
            "from 1 to 86400",
            id=f"{name} timeout {value}",
        )
        for name in ("build", "command")
        for value in ("0", "-5", "soon", "nan", "inf")
    ),
]


@pytest.mark.parametrize(("option", "tried", "found", "hint"), WRONG)
def test_a_wrong_option_ends_the_run_before_anything_is_collected(
    project: Project, option: str, tried: str, found: str, hint: str
) -> None:
    project.fake_engine()
    result = remade(project, USES_IMAGE).run(option)
    refused(project, result, tried, found, hint)
    assert result.outlines == []
    assert project.calls() == []


def test_what_is_wrong_in_the_configuration_file_ends_the_run(project: Project) -> None:
    project.pytester.makeini("[pytest]\nmultiarch_platforms = linux/amd46\n")
    result = remade(project, USES_IMAGE).run()
    refused(project, result, "'linux/amd46'", "'amd46' is not a known architecture", "did you mean linux/amd64?")


def test_no_dockerfile_ends_the_run(project: Project) -> None:
    project.fake_engine(dockerfile=False)
    result = remade(project, USES_IMAGE).run(BOTH)
    refused(
        project,
        result,
        f"looking for the Dockerfile {project.path / 'Dockerfile'}",
        "there is no such file",
        "--multiarch-dockerfile",
    )
    assert project.calls("build") == []


def test_no_daemon_ends_the_run(project: Project) -> None:
    project.path.joinpath("Dockerfile").touch()
    result = remade(project, USES_IMAGE).run_apart(BOTH)
    where = os.environ["DOCKER_HOST"].removeprefix("unix://")
    refused(project, result, "connecting to the Docker daemon", "No such file or directory", "point DOCKER_HOST at")
    assert where in result.stderr.str()


@pytest.fixture
def _unknown_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")


@pytest.mark.usefixtures("_unknown_machine")
def test_a_machine_without_a_platform_name_ends_the_run(project: Project) -> None:
    project.fake_engine()
    result = remade(project, USES_IMAGE + "def test_more(platform_image): pass\n").run()
    refused(project, result, "reading this machine's platform", "'vax'", "for example linux/amd64")


@pytest.mark.usefixtures("_unknown_machine")
@pytest.mark.parametrize("fixture", ["multiarch_platforms", "target_platform", "multiarch_image", "fresh_container"])
def test_each_fixture_that_needs_the_platforms_needs_their_names(project: Project, fixture: str) -> None:
    project.fake_engine()
    result = remade(project, f"def test_it({fixture}): open('ran', 'w').close()").run()
    refused(project, result, "reading this machine's platform", "'vax'", "for example linux/amd64")


@pytest.mark.parametrize(
    ("marker", "tried", "found", "hint"),
    [
        ("platforms('linux/amr64')", "reading the platform 'linux/amr64'", "'amr64'", "did you mean linux/arm64?"),
        (
            "platforms()",
            "reading @pytest.mark.platforms of test_it.py::test_it",
            "it names no platform",
            "'linux/arm64'",
        ),
        ("platforms", "reading @pytest.mark.platforms of test_it.py::test_it", "it names no platform", "'linux/arm64'"),
        ("platforms('linux/arm64', reason='x')", "reading @pytest.mark.platforms", "", "@pytest.mark.platforms("),
    ],
)
def test_a_wrong_marker_ends_the_run(project: Project, marker: str, tried: str, found: str, hint: str) -> None:
    project.fake_engine()
    test = f"import pytest\n@pytest.mark.{marker}\ndef test_it(target_platform): open('ran', 'w').close()\n"
    result = remade(project, test).run(BOTH)
    refused(project, result, tried, found, hint)
    assert "test_it.py::test_it[linux/amd64]" in result.stderr.str()


def test_a_misspelt_platform_of_a_tests_own_ends_the_run_where_a_marker_has_to_be_judged(project: Project) -> None:
    project.fake_engine()
    test = """
        import pytest
        @pytest.mark.platforms("linux/arm64")
        @pytest.mark.parametrize("target_platform", ["linux/amr64"])
        def test_it(platform_image):
            open('ran', 'w').close()
    """
    result = remade(project, test).run(BOTH)
    refused(project, result, "reading the platform 'linux/amr64'", "'amr64'", "did you mean linux/arm64?")


class TestARunWhoseTestsNeedNothing:
    """What is missing, or wrong only for a test that is not selected, does not disturb."""

    def test_goes_on_without_dockerfile_and_daemon(self, project: Project) -> None:
        remade(project, USES_NOTHING).run(BOTH).assert_outcomes(passed=1)

    def test_goes_on_where_only_platform_names_are_used(self, project: Project) -> None:
        test = "def test_it(target_platform, multiarch_platforms): assert target_platform in multiarch_platforms"
        remade(project, test).run(BOTH).assert_outcomes(passed=2)

    def test_goes_on_where_the_tests_with_images_are_deselected(self, project: Project) -> None:
        result = remade(project, USES_IMAGE + "def test_other(): pass\n").run("-k", "test_other")
        result.assert_outcomes(passed=1, deselected=1)

    def test_goes_on_where_a_test_with_a_wrong_marker_is_deselected(self, project: Project) -> None:
        test = """
            import pytest
            @pytest.mark.platforms("linux/amr64")
            def test_it(target_platform): pass
            def test_other(): pass
        """
        remade(project, test).run(BOTH, "-k", "test_other").assert_outcomes(passed=1, deselected=2)

    def test_goes_on_where_a_marker_of_the_same_name_means_something_else(self, project: Project) -> None:
        test = """
            import pytest
            @pytest.mark.platforms("ios", minimum=17)
            def test_it(): pass
        """
        remade(project, test).run(BOTH).assert_outcomes(passed=1)

    def test_goes_on_where_a_parameter_of_the_same_name_means_something_else(self, project: Project) -> None:
        test = """
            import pytest
            @pytest.mark.parametrize("target_platform", ["ios", "android"])
            def test_it(target_platform):
                assert target_platform in {"ios", "android"}
        """
        result = remade(project, test).run()
        result.assert_outcomes(passed=2)
        result.stdout.no_fnmatch_line("*multiarch:*")

    def test_goes_on_where_a_published_image_takes_the_dockerfiles_place(self, project: Project) -> None:
        project.fake_engine(dockerfile=False)
        result = remade(project, "def test_it(platform_container): pass").run(BOTH, "--multiarch-image=app:1")
        result.assert_outcomes(passed=2)

    @pytest.mark.usefixtures("_unknown_machine")
    def test_goes_on_on_a_machine_without_a_platform_name(self, project: Project) -> None:
        remade(project, USES_NOTHING).run().assert_outcomes(passed=1)


def test_a_platform_that_is_chosen_late_fails_the_test_with_one_message(project: Project) -> None:
    project.fake_engine()
    test = """
        import pytest
        @pytest.fixture
        def late(request): return request.getfixturevalue("target_platform")
        def test_it(late): pass
        def test_other(): pass
    """
    result = remade(project, test).run(BOTH)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        ["choosing the platform of this test: pytest could not see *", "Name target_platform, *"]
    )
    assert "Traceback" not in result.stdout.str()
