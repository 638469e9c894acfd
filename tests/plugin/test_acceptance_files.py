"""Our own acceptance files as tests, on images in OCI layouts and on the fake engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.plugin.conftest import BOTH
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, directory, file, symlink, tar
from tests.unit.files.layouts import entry_of, write_folder
from tests.unit.images import add_index

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project

LAYOUT: Final = "--multiarch-image=oci-layout://layout"
FILES: Final = """\
tests:
  - name: the program is there
    file: /app/program
    kind: file
    mode: "0755"
    uid: 0
    executable_by: other
  - name: it knows its platform
    file: /app/platform
    content: "{platform}"
  - name: it links
    file: /app/link
    target: program
  - name: what is for one only
    platforms: linux/arm64
    file: /app/platform
    content: {contains: arm, excludes: [amd], matches: '^linux/\\w+64\\n$'}
  - name: otherwise on one
    file: /app/platform
    content: linux/amd64
    per_platform:
      arm64: {content: linux/arm64}
"""
COMMANDS: Final = """\
tests:
  - name: answers in JSON
    exec: [echo, '{"machine": "x86_64", "list": [1, {"a": true}]}']
    stdout: {json: {"$.machine": "{platform.machine}", "$.list[1].a": true}}
    per_platform: {linux/arm64: {stdout: {json: {"$.list[-1]['a']": 1}}}}
  - name: complains
    run: [complain, of, much]
    exit_code: 3
    stderr: of much
    stdout: ""
  - name: in a container of its own
    exec: {args: [uname, -m], fresh: true}
    stdout: "{platform.machine}"
"""


def write_image(folder: Path, shared: bytes = b"the same") -> None:
    registry = FakeRegistry()
    entries = []
    for number, platform in enumerate(("linux/amd64", "linux/arm64")):
        own = tar(
            directory("app"),
            file("app/program", platform.encode(), mode=0o755),
            file("app/platform", f"{platform}\n".encode(), mode=0o644),
            file("app/shared", shared if number else b"the same", mode=0o644),
            symlink("app/link", "program"),
        )
        entries.append(add_image(registry, "app", platform, layers=[own]))
    digest = add_index(registry, "app", "1", entries=entries, annotations={"made": "by hand"})
    write_folder(registry, folder, entry_of(registry, digest))


@pytest.fixture
def project(project: Project) -> Project:
    """Return a project without a daemon, and an image of two platforms on disk."""
    write_image(project.path / "layout")
    return project


def write(project: Project, text: str, name: str = "app.multiarch.yaml") -> None:
    project.path.joinpath(name).write_text(text, encoding="utf-8")


def test_files_are_read_and_platforms_are_named(project: Project) -> None:
    write(project, FILES)
    result = project.run(BOTH, LAYOUT, "-v")
    result.assert_outcomes(passed=9, deselected=1)
    result.stdout.fnmatch_lines(["app.multiarch.yaml::it knows its platform[[]linux/arm64[]] PASSED*"])


def test_a_file_may_be_kept_to_platforms(project: Project) -> None:
    write(project, f"platforms: [linux/amd64]\n{FILES}")
    project.run(BOTH, LAYOUT).assert_outcomes(passed=4, deselected=6)


def test_commands_are_judged_by_output_and_exit_code(project: Project) -> None:
    project.fake_engine()
    write(project, COMMANDS)
    result = project.run(BOTH)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        [
            "$.list?-1??'a'? of stdout: expected is 1, came true",
            "app.multiarch.yaml:2",
            "platform: linux/arm64",
            "run by:   docker exec in the platform's warm container",
        ]
    )
    assert len(project.calls("fresh")) == len(project.calls("removed")) == 2


def test_texts_of_several_lines_are_shown_as_a_diff(project: Project) -> None:
    project.fake_engine()
    write(project, 'tests:\n- name: lines\n  exec: [echo, "a\\nb\\nc"]\n  stdout: |\n    a\n    x\n    c\n')
    result = project.run("--multiarch-platforms=linux/amd64")
    result.stdout.fnmatch_lines(
        ["stdout: expected the text that the file has, came another", "   a", "  -x", "  +b", "   c"]
    )


class TestAllPlatformsAtOnce:
    WHOLE: Final = """\
tests:
  - name: what is offered
    index: {platforms: [linux/arm64, linux/amd64], annotations: {made: {matches: "^by"}}, provenance: false}
  - name: what is the same
    parity: {config: [env, cmd, user], paths: ["/app/*"], content: ["/app/sha*"]}
"""

    def test_are_one_test(self, project: Project) -> None:
        write(project, self.WHOLE)
        result = project.run(BOTH, LAYOUT, "-v")
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["app.multiarch.yaml::what is the same PASSED*"])

    def test_are_held_against_each_other(self, project: Project) -> None:
        write_image(project.path / "other", shared=b"another")
        write(project, self.WHOLE)
        result = project.run(BOTH, "--multiarch-image=oci-layout://other")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            ["/app/shared: expected is the same on linux/amd64 and linux/arm64, came 8 bytes on linux/amd64, 7 *"]
        )

    def test_are_audited(self, project: Project) -> None:
        write(project, "tests:\n- name: sound\n  audit: {select: [MA102, MA5]}\n")
        result = project.run("--multiarch-platforms=linux/amd64", LAYOUT)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["audit", "  expected: finds nothing", "*MA102*"])


class TestAnImageOfItsOwn:
    def test_is_tested_in_the_place_of_the_runs(self, project: Project) -> None:
        write_image(project.path / "other", shared=b"another")
        text = "tests:\n- name: shared\n  platforms: linux/arm64\n  file: /app/shared\n  content: another\n"
        write(project, f"image: oci-layout://other\n{text}", "other.multiarch.yaml")
        write(project, text, "runs.multiarch.yaml")
        result = project.run(BOTH, LAYOUT)
        result.assert_outcomes(passed=1, failed=1, deselected=2)
        result.stdout.fnmatch_lines(["FAILED runs.multiarch.yaml::shared*"])

    def test_needs_nothing_to_build_with(self, project: Project) -> None:
        write(project, f"image: oci-layout://layout\n{FILES}")
        project.run(BOTH).assert_outcomes(passed=9, deselected=1)

    def test_may_be_built(self, project: Project) -> None:
        project.fake_engine(dockerfile=False)
        (project.path / "own").mkdir()
        (project.path / "own" / "Other").write_text("FROM scratch\n", encoding="utf-8")
        build = "image: {build: {context: own, dockerfile: own/Other, target: last, args: {A: 1.10}}}\n"
        write(project, build + COMMANDS)
        project.run("--multiarch-platforms=linux/amd64").assert_outcomes(passed=3)
        (call,) = project.calls("build")
        assert (call["context"], call["dockerfile"], call["target"], call["args"]) == (
            "own",
            "Other",
            "last",
            {"A": "1.10"},
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests:\n- name: a\n  exec: uname\n", ":3:9: the text 'uname', where there is to be a list of words*"),
        ("tests:\n- name: a\n  exec: [x]\n  stdot: x\n", ":4:3: an exec test has no key 'stdot': did you mean stdout?"),
        ("tests:\n- name: a\n", ":2:3: a test has none of run, exec, file, *"),
        ("tests:\n- name: a\n  run: {stdin: x, tty: true}\n", ":3:9: with tty there is no stdin*"),
        ("tests:\n- name: a\n  file: /a\n  run: []\n", ":2:3: a test has more than one of run, exec, *"),
        ("tests:\n- name: a\n  file: /a\n  mode: 999\n", ":4:9: '999' is no mode*"),
        ("tests:\n- name: a\n  file: '{platform.oss}'\n", ":3:9: {platform.oss} is not known*"),
        (
            "tests:\n- name: a\n  file: /a\n  per_platform: {linux/amd65: {}}\n",
            ":4:18: 'linux/amd65' is no platform*linux/amd64?",
        ),
        (
            "tests:\n- name: a\n  file: /a\n  per_platform: {arm64: {exist: no}}\n",
            ":4:26: a file test has no key 'exist'*exists?",
        ),
        (
            "tests:\n- name: a\n  index: {}\n  per_platform: {arm64: {}}\n",
            ":4:17: index looks at all platforms at once*",
        ),
        ("image: {build: {}, reference: x}\ntests: []\n", ":1:8: the image has more than one of reference, build"),
        ("tests:\n- name: a\n  run: [x]\n  stdout: {matches: '('}\n", ":4:21: '(' is no regular expression of RE2*"),
        ("tests:\n- name: a\n  run: [x]\n  stdout: {json: {a: 1}}\n", ":4:19: 'a' is no JSON path*"),
        ("test: []\n", ":1:1: the file has no key 'test': did you mean tests?"),
    ],
)
def test_a_bad_file_fails_with_the_place(project: Project, text: str, said: str) -> None:
    write(project, text)
    result = project.run(BOTH, LAYOUT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"app.multiarch.yaml{said.replace('[', '[[]')}"])
