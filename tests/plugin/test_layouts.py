"""Images in OCI layouts on disk as the user names them, read by the real engine where no Docker daemon can be reached."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH
from tests.unit.files.layouts import write_archive, write_layout

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

READS = """
    def test_reads(platform_image, target_platform):
        assert platform_image.files.read_text("which") == str(target_platform)
"""


@pytest.fixture
def project(project: Project) -> Project:
    """Return a project with a layout as a folder and as an archive, and no daemon."""
    write_layout(project.path / "out", "v1")
    write_archive(project.path / "out", project.path / "out.tar")
    return project


@pytest.mark.parametrize("location", ["oci-layout://out", "oci-layout://./out:v1", "oci-archive://out.tar:v1"])
def test_a_layout_is_read_without_docker(project: Project, location: str) -> None:
    project.write(test_it=READS)
    result = project.run(BOTH, f"--multiarch-image={location}")
    result.assert_outcomes(passed=2)
    assert not (project.path / "calls.jsonl").exists()  # no fake stood in


def test_a_layout_is_read_without_docker_in_a_process_of_its_own(project: Project) -> None:
    project.write(test_it=READS)
    assert os.environ["DOCKER_HOST"].endswith("no-daemon.sock")
    project.run_apart(BOTH, f"--multiarch-image=oci-layout://{project.path}/out").assert_outcomes(passed=2)


def test_paths_begin_at_the_rootdir(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.pytester.makeini("[pytest]\nmultiarch_image = oci-layout://out\n")
    (project.path / "elsewhere").mkdir()
    project.write(
        test_it=READS
        + """
    def test_more(multiarch_image_factory, multiarch_platforms):
        for text in ("oci-layout://out:v1", "oci-archive://out.tar", "oci-archive://elsewhere/../out.tar"):
            image = multiarch_image_factory(text)
            assert image.platforms == multiarch_platforms
            assert multiarch_image_factory(text) is image
            for platform in multiarch_platforms:
                assert image.for_platform(platform).files.read_text("etc/shared") == "shared"
    """
    )
    monkeypatch.chdir(project.path / "elsewhere")
    result = project.run(BOTH, "..")
    result.assert_outcomes(passed=3)
    assert f"multiarch: oci-layout://{project.path}/out for linux/amd64, linux/arm64" in result.stdout.lines


@pytest.mark.parametrize(
    ("location", "tried", "found", "hint"),
    [
        (
            "oci-layout://nowhere",
            "/nowhere of --multiarch-image",
            "there is no such folder",
            "begins at pytest's rootdir",
        ),
        ("oci-archive://nowhere.tar:1", "/nowhere.tar of", "there is no such file", "begins at pytest's rootdir"),
        (
            "oci-layout://out.tar",
            "/out.tar of --multiarch-image",
            "it is no folder",
            "Use oci-archive:// for an archive",
        ),
        ("oci-archive://out", "/out of --multiarch-image", "it is no file", "Use oci-layout:// for a folder"),
        ("oci-layout://", "'oci-layout://' of --multiarch-image", "it names no path", "oci-layout://PATH[:TAG]"),
        (
            "oci-layout://out@sha256:1",
            "of --multiarch-image",
            "digest 'sha256:1' is neither",
            "oci-layout://PATH[:TAG]",
        ),
    ],
)
def test_a_layout_that_is_not_there_ends_the_run_before_anything_is_collected(
    project: Project, location: str, tried: str, found: str, hint: str
) -> None:
    project.write(test_it="raise AssertionError('collected')")
    result = project.run(f"--multiarch-image={location}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.stderr.lines if line]
    assert len(lines) == 2
    assert tried in lines[0]
    assert found in lines[0].partition(tried)[2]
    assert hint in lines[1]
    result.stdout.no_fnmatch_line("*collected*")


def test_a_tag_that_is_not_there_ends_the_run_before_the_first_test(project: Project) -> None:
    project.write(test_it="def test_it(multiarch_image): open('ran', 'w').close()")
    result = project.run(BOTH, "--multiarch-image=oci-layout://out:v2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: look for oci-layout://{project.path}/out:v2: the layout names v1"
    ]
    assert not (project.path / "ran").exists()


def test_a_layout_that_is_broken_fails_the_tests_that_read_it(project: Project) -> None:
    (project.path / "out" / "index.json").write_text("{")
    project.write(test_it=READS + "    def test_other(): pass\n")
    result = project.run(BOTH, "--multiarch-image=oci-layout://out")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*index.json of oci-layout://*"])


def test_a_layout_that_is_to_run_needs_a_daemon(project: Project) -> None:
    project.write(test_it="def test_it(platform_container): open('ran', 'w').close()")
    result = project.run(BOTH, "--multiarch-image=oci-layout://out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no-daemon.sock*"])
    assert not (project.path / "ran").exists()


def test_running_from_a_layout_without_a_daemon_fails_that_test_only(project: Project) -> None:
    project.write(test_it=READS + "    def test_runs(platform_image): platform_image.run(['true'])\n")
    result = project.run(BOTH, "--multiarch-image=oci-layout://out")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*no-daemon.sock*"])


def test_a_layout_that_the_factory_does_not_find_fails_the_test(project: Project) -> None:
    project.write(test_it="def test_it(multiarch_image_factory): multiarch_image_factory('oci-layout://nowhere')")
    result = project.run("--multiarch-image=oci-layout://out")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*open oci-layout://{project.path}/nowhere: there is no such folder*"])
