"""container-structure-test's files as tests: named, found or matched, on images in OCI layouts and on the fake engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.plugin.conftest import BOTH
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, directory, file, tar
from tests.unit.files.layouts import entry_of, write_folder
from tests.unit.images import add_index

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

LAYOUT: Final = "--multiarch-image=oci-layout://layout"
READING: Final = """\
schemaVersion: 2.0.0
fileExistenceTests:
  - name: the program is there
    path: /app/program
    isExecutableBy: any
    permissions: "-rwxr-xr-x"
fileContentTests:
  - name: it is for its platform
    path: /app/platform
    expectedContents: ["^linux/amd64\\n$"]
"""
COMMANDS: Final = """\
schemaVersion: 2.0.0
commandTests:
  - name: speaks
    command: echo
    args: [hello, world]
    expectedOutput: ["^hello world\\n$"]
  - name: complains
    command: complain
    args: ["\\e[31mred"]
    expectedOutput: [hello]
"""


@pytest.fixture
def project(project: Project) -> Project:
    """Return a project without a daemon, and an image of two platforms on disk."""
    registry = FakeRegistry()
    entries = []
    for platform in ("linux/amd64", "linux/arm64"):
        own = tar(
            directory("app"),
            file("app/program", platform.encode(), mode=0o755),
            file("app/platform", f"{platform}\n".encode(), mode=0o644),
        )
        entries.append(add_image(registry, "app", platform, layers=[own]))
    write_folder(
        registry, project.path / "layout", entry_of(registry, add_index(registry, "app", "1", entries=entries))
    )
    return project


def write(project: Project, name: str, text: str) -> None:
    path = project.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


class TestAFile:
    def test_is_one_test_for_each_case_and_platform(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING)
        result = project.run(BOTH, LAYOUT, "-v")
        result.assert_outcomes(passed=3, failed=1)
        result.stdout.fnmatch_lines_random(
            [
                "image.structure.yaml::fileExistenceTests::the program is there[[]linux/amd64[]] PASSED*",
                "image.structure.yaml::fileExistenceTests::the program is there[[]linux/arm64[]] PASSED*",
                "image.structure.yaml::fileContentTests::it is for its platform[[]linux/amd64[]] PASSED*",
                "image.structure.yaml::fileContentTests::it is for its platform[[]linux/arm64[]] FAILED*",
            ]
        )

    def test_shows_a_failed_case_as_it_stands_there(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING)
        result = project.run(BOTH, LAYOUT)
        result.stdout.fnmatch_lines(
            [
                "content of /app/platform: expected matches '^linux/amd64?n$', came linux/arm64",
                "image.structure.yaml:8",
                " 8 | name: it is for its platform",
                " 9 | path: /app/platform",
                '10 | expectedContents: ["^linux/amd64\\n$"]',
                "platform: linux/arm64",
                "  expected: matches '^linux/amd64?n$'",
                "  came:     linux/arm64",
                "FAILED image.structure.yaml::fileContentTests::it is for its platform[[]linux/arm64[]]*",
            ]
        )
        assert "acceptance_items.py" not in result.stdout.str(), "our own code is nobody's traceback"

    def test_is_found_by_its_suffix_only(self, project: Project) -> None:
        write(project, "image.yaml", READING)
        project.write(test_it="def test_x(target_platform):\n    pass\n")
        project.run(BOTH, LAYOUT).assert_outcomes(passed=2)

    def test_is_taken_when_it_is_named(self, project: Project) -> None:
        write(project, "image.yaml", READING)
        project.run(BOTH, LAYOUT, "image.yaml").assert_outcomes(passed=3, failed=1)

    def test_is_left_to_others_when_it_is_named_and_something_else(self, project: Project) -> None:
        write(project, "other.yaml", "a: 1\n")
        assert project.run(BOTH, LAYOUT, "other.yaml").ret == pytest.ExitCode.USAGE_ERROR

    def test_is_taken_where_a_pattern_says_so(self, project: Project) -> None:
        write(project, "deep/image.yaml", READING)
        write(project, "deep/other.yml", "a: 1\n")
        assert "3 passed" in project.run(BOTH, LAYOUT, "--multiarch-structure-tests=**/*.yaml").stdout.str()
        project.pytester.makeini("[pytest]\nmultiarch_structure_tests = deep/im*.yaml\n")
        assert "3 passed" in project.run(BOTH, LAYOUT).stdout.str()

    def test_may_be_json(self, project: Project) -> None:
        document = {
            "schemaVersion": "2.0.0",
            "fileExistenceTests": [{"name": "there", "path": "/app"}, {"name": "not", "path": "/nope"}],
        }
        write(project, "image.structure.json", json.dumps(document, indent="\t"))
        result = project.run(BOTH, LAYOUT)
        result.assert_outcomes(passed=2, failed=2)
        # The binary's own default for JSON would let it pass that nothing is there.
        project.run(BOTH, LAYOUT, "--multiarch-structure-strict").assert_outcomes(failed=2, passed=2)
        result.stdout.fnmatch_lines(["/nope: expected is there, came there is no file /nope"])

    def test_reads_without_a_daemon_and_runs_with_one(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING + COMMANDS.partition("\n")[2])
        result = project.run(BOTH, LAYOUT)
        assert result.ret == pytest.ExitCode.USAGE_ERROR, "looked for before the first test"
        assert "daemon" in result.stderr.str()
        # Selected by its name, as any test.
        project.run(BOTH, LAYOUT, "-k", "program and arm64").assert_outcomes(passed=1, deselected=7)


class TestABadFile:
    BAD: Final = """\
schemaVersion: 2.0.0
fileExistenceTests:
  - name: the program is there
    path: /app/program
    permisions: "-rwxr-xr-x"
    uid: root
fileContentTests:
  - name: it is good
    path: /app/platform
    expectedContents: ["(?=x)"]
"""

    def test_fails_with_all_places_while_others_run(self, project: Project) -> None:
        write(project, "bad.structure.yaml", self.BAD)
        write(project, "image.structure.yaml", READING)
        result = project.run(BOTH, LAYOUT)
        result.assert_outcomes(passed=3, failed=2)
        result.stdout.fnmatch_lines(
            [
                "bad.structure.yaml:5:5: a file existence test has no key 'permisions': did you mean permissions?",
                "bad.structure.yaml:6:10: the text 'root', where there is to be a whole number",
                "bad.structure.yaml:10:24: '(?=x)' is no regular expression of RE2*",
                "FAILED bad.structure.yaml::file_is_valid - reading bad.structure.yaml: 3 prob*",
            ]
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", ":1:1: it is empty"),
            ("a: [", ":*: no YAML: *"),
            ("schemaVersion: 2.0.0\n", ":1:1: it holds no tests"),
            ("schemaVersion: 3.0.0\n", ":1:16: schemaVersion is 3.0.0, where there is to be 1.0.0 or 2.0.0"),
            (
                "schemaVersion: !!python/object/apply:os.system ['true']\n",
                ":1:16: the tag *os.system is not known here",
            ),
            (
                "schemaVersion: 2.0.0\ncontainerRunOptions: {bindMounts: [/here]}\n",
                ":2:36: '/here' is no bind mount: write /here:/there or /here:/there:ro",
            ),
            ("- 1\n", ":1:1: a list, where there is to be a mapping with schemaVersion"),
        ],
    )
    def test_says_why(self, project: Project, text: str, said: str) -> None:
        write(project, "bad.structure.yaml", text)
        result = project.run(BOTH, LAYOUT)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"bad.structure.yaml{said}"])


class TestCommands:
    def test_run_in_one_warm_container_per_platform(self, project: Project) -> None:
        project.fake_engine()
        write(project, "image.structure.yaml", COMMANDS)
        result = project.run(BOTH)
        result.assert_outcomes(passed=2, failed=2)
        assert [call["platform"] for call in project.calls("warm")] == ["linux/amd64", "linux/arm64"]
        assert project.calls("fresh") == []
        result.stdout.fnmatch_lines(
            [
                "run by:   docker exec in the platform's warm container",
                "exit code",
                "  expected: 0",
                "  came:     3",
                "exit code: 3 after 0.25 s",
                "stderr's end:",
            ]
        )
        assert "\x1b[31m" not in result.stdout.str(), "an image does not paint the user's terminal"

    def test_run_apart_where_they_can_be_told_apart(self, project: Project) -> None:
        project.fake_engine()
        setup = COMMANDS.replace("command: echo", "setup: [[echo, first]]\n    command: echo")
        write(project, "image.structure.yaml", setup)
        project.run("--multiarch-platforms=linux/amd64", "-k", "speaks").assert_outcomes(passed=1, deselected=1)
        assert len(project.calls("fresh")) == len(project.calls("removed")) == 1
        assert project.calls("warm") == []

    def test_fail_with_their_setup_unless_strict(self, project: Project) -> None:
        project.fake_engine()
        setup = COMMANDS.replace("command: echo", "setup: [[complain, first]]\n    command: echo")
        write(project, "image.structure.yaml", setup)
        args = ("--multiarch-platforms=linux/amd64", "-k", "speaks")
        result = project.run(*args)
        result.assert_outcomes(failed=1, deselected=1)
        result.stdout.fnmatch_lines(["setup *complain*first*: expected succeeds, came exit code 3"])
        project.run(*args, "--multiarch-structure-strict").assert_outcomes(passed=1, deselected=1)

    def test_are_known_to_need_the_engine_before_the_first_test(self, project: Project) -> None:
        project.fake_engine("daemon=False")
        write(project, "image.structure.yaml", COMMANDS)
        assert project.run(BOTH).ret == pytest.ExitCode.USAGE_ERROR


class TestItems:
    def test_run_again_where_they_failed(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING)
        project.run(BOTH, LAYOUT)
        result = project.run(BOTH, LAYOUT, "--lf")
        result.assert_outcomes(failed=1)

    def test_are_chosen_by_their_ids(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING)
        one = "image.structure.yaml::fileExistenceTests::the program is there"
        project.run(BOTH, LAYOUT, one).assert_outcomes(passed=2)
        project.run(BOTH, LAYOUT, f"{one}[linux/arm64]").assert_outcomes(passed=1)

    def test_are_reported_to_junit_with_file_test_and_platform(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING)
        project.run(BOTH, LAYOUT, "--junitxml=report.xml")
        report = (project.path / "report.xml").read_text(encoding="utf-8")
        assert 'classname="image.structure.yaml.fileContentTests" name="it is for its platform[linux/arm64]"' in report
        assert "came:     linux/arm64" in report

    def test_are_spread_over_the_workers_of_xdist(self, project: Project) -> None:
        write(project, "image.structure.yaml", READING)
        result = project.run_apart(BOTH, LAYOUT, "-n2")
        result.assert_outcomes(passed=3, failed=1)

    def test_may_have_any_names(self, project: Project) -> None:
        names = ["twice", "twice", "a::b", "setup_method", "__init__", "line\nbreak", "[x]"]
        tests = [{"name": name, "path": "/app"} for name in names]
        write(project, "image.structure.json", json.dumps({"schemaVersion": "2.0.0", "fileExistenceTests": tests}))
        project.run("--multiarch-platforms=linux/amd64", LAYOUT).assert_outcomes(passed=len(names))

    def test_share_the_image_with_the_projects_own_tests(self, project: Project) -> None:
        project.fake_engine()
        project.write(
            test_it="def test_x(platform_container):\n    assert platform_container.exec(['echo']).exit_code == 0\n"
        )
        write(project, "image.structure.yaml", COMMANDS)
        project.run(BOTH, "-k", "speaks or test_x").assert_outcomes(passed=4, deselected=2)
        assert len(project.calls("warm")) == 2


def test_nothing_of_it_is_loaded_where_there_are_no_such_files(project: Project) -> None:
    write(project, "other.yaml", "a: 1\n")
    project.write(
        test_it="""
        import sys

        def test_loaded(platform_image):
            assert platform_image.files.is_dir("/app")
            assert not [name for name in sys.modules if name.startswith("pytest_multiarch.acceptance")]
            assert "yaml" not in sys.modules
        """
    )
    project.run_apart(BOTH, LAYOUT).assert_outcomes(passed=2)
