"""The audit as tests without any test code, on images in OCI layouts that the real engine reads where no daemon is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.plugin.conftest import BOTH
from tests.unit.elf.build import Built
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, directory, file, tar
from tests.unit.files.layouts import entry_of, write_folder
from tests.unit.images import add_index

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project

GOOD: Final = "--multiarch-image=oci-layout://good"
BAD: Final = "--multiarch-image=oci-layout://bad"
AUDIT: Final = "--multiarch-audit"
X86_64, AARCH64 = 62, 183
FIRMWARE: Final = "because the modem has a processor of its own"


def write_image(folder: Path, machines: dict[str, int]) -> None:
    """Write an image with one program on each platform, for the machine that is given, as an OCI layout."""
    registry = FakeRegistry()
    shared = tar(directory("etc"), file("etc/shared", b"shared"))
    entries = []
    for platform, machine in machines.items():
        program = bytes(Built(machine)) + platform.encode()  # no two platforms share this layer
        layers = [shared, tar(directory("firmware"), file("firmware/app", program, mode=0o755))]
        entries.append(add_image(registry, "app", platform, layers=layers))
    digest = add_index(registry, "app", "1", entries=entries)
    write_folder(registry, folder, entry_of(registry, digest))


@pytest.fixture
def project(project: Project) -> Project:
    """Return a project without tests and without a daemon: a good image, and one whose arm64 has amd64's program."""
    write_image(project.path / "good", {"linux/amd64": X86_64, "linux/arm64": AARCH64})
    write_image(project.path / "bad", {"linux/amd64": X86_64, "linux/arm64": X86_64})
    return project


def names(result: pytest.RunResult, word: str) -> set[str]:
    """Return the tests that the summary calls by a word."""
    return {found[1] for line in result.outlines if (found := re.match(rf"{word} audit::(\S+)", line))}


class TestAnImage:
    def test_without_faults_passes_without_any_test_code(self, project: Project) -> None:
        result = project.run(BOTH, GOOD, AUDIT, "-rA")
        assert result.ret == 0
        passed = names(result, "PASSED")
        assert {"MA201[linux/amd64]", "MA201[linux/arm64]", "MA101[linux/arm64]", "MA501", "MA901"} <= passed
        result.assert_outcomes(passed=len(passed))

    def test_with_a_fault_fails_where_it_is(self, project: Project) -> None:
        result = project.run(BOTH, BAD, AUDIT)
        assert result.ret == 1
        assert names(result, "FAILED") == {"MA201[linux/arm64]"}
        text = result.stdout.str()
        assert "MA201 linux/arm64 /firmware/app" in text
        assert "expected: linux/arm64 runs AArch64" in text
        assert "found:    it is for x86-64" in text
        assert re.search(r"layer:    sha256:[0-9a-f]{64}", text)
        assert "Mend: " in text
        assert "audit_items.py" not in text, "our own code is nobody's traceback"

    def test_that_lacks_a_platform_says_so_once_in_full(self, project: Project) -> None:
        result = project.run(GOOD, AUDIT, "--multiarch-platforms=linux/amd64,linux/s390x")
        assert names(result, "FAILED") == {"MA101[linux/s390x]"}
        assert "MA201[linux/s390x]" in names(result, "ERROR")
        assert "MA201[linux/amd64]" not in names(result, "ERROR")
        assert result.stdout.str().count("docker pull --platform linux/s390x would fail\n(") <= 1
        assert "(in full at audit::MA201[linux/s390x])" in result.stdout.str()

    def test_that_is_broken_shows_the_reason_without_a_traceback(self, project: Project) -> None:
        for blob in (project.path / "good" / "blobs" / "sha256").iterdir():
            if blob.read_bytes().startswith(b"\x1f\x8b"):
                blob.write_bytes(b"\x1f\x8b\x08 not a layer")
        result = project.run(BOTH, GOOD, AUDIT, "--multiarch-audit-select=MA201")
        result.assert_outcomes(failed=2)
        assert "IntegrityError" not in result.stdout.str()
        assert "audit_items.py" not in result.stdout.str()
        result.stdout.fnmatch_lines(["FAILED audit::MA201[[]linux/amd64[]] - read blob sha256:*"])

    def test_is_not_read_by_collecting(self, project: Project) -> None:
        result = project.run(BOTH, "--multiarch-image=127.0.0.1:1/nowhere", AUDIT, "--collect-only", "-q")
        assert result.ret == 0
        assert "audit::MA201[linux/arm64]" in result.outlines
        assert "audit::MA501" in result.outlines

    def test_that_is_published_has_no_dockerfile_to_look_at(self, project: Project) -> None:
        result = project.run(BOTH, GOOD, AUDIT, "--collect-only", "-q")
        assert not [line for line in result.outlines if "MA6" in line]


class TestItems:
    def test_stand_beside_the_projects_own_tests(self, project: Project) -> None:
        project.write(test_it="def test_x(platform_image):\n    assert platform_image.files.is_dir('/etc')\n")
        result = project.run(BOTH, GOOD, AUDIT, "--multiarch-audit-select=MA201", "-v")
        result.assert_outcomes(passed=4)
        result.stdout.fnmatch_lines(
            ["test_it.py::test_x[[]linux/amd64[]] PASSED*", "audit::MA201[[]linux/amd64[]] PASSED*"]
        )

    def test_are_not_there_unless_asked_for(self, project: Project) -> None:
        project.write(test_it="def test_x(target_platform):\n    pass\n")
        project.run(BOTH, BAD).assert_outcomes(passed=2)

    def test_are_selected_by_their_names(self, project: Project) -> None:
        project.write(test_it="def test_x(target_platform):\n    pass\n")
        result = project.run(BOTH, BAD, AUDIT, "-k", "MA201 and arm64", "-rA")
        assert names(result, "FAILED") == {"MA201[linux/arm64]"}
        assert result.parseoutcomes()["failed"] == 1
        assert "passed" not in result.parseoutcomes()
        assert "test_x" not in "".join(names(project.run(BOTH, GOOD, AUDIT, "-k", "audit", "-rA"), "PASSED"))

    def test_are_deselected_by_their_ids(self, project: Project) -> None:
        result = project.run(BOTH, BAD, AUDIT, "--deselect=audit::MA201[linux/arm64]")
        assert result.ret == 0

    def test_that_failed_are_run_again(self, project: Project) -> None:
        project.run(BOTH, BAD, AUDIT)
        result = project.run(BOTH, BAD, AUDIT, "--lf")
        assert result.parseoutcomes()["failed"] == 1
        assert "passed" not in result.parseoutcomes()

    def test_are_reported_to_junit(self, project: Project) -> None:
        project.run(BOTH, BAD, AUDIT, "--multiarch-audit-select=MA201", "--junitxml=report.xml")
        report = (project.path / "report.xml").read_text(encoding="utf-8")
        assert 'name="MA201[linux/arm64]"' in report
        assert "it is for x86-64" in report

    @pytest.mark.parametrize(
        "extra", [("-p", "no:terminal"), ("-p", "no:cacheprovider"), ("-s",), ("--tb=no",), ("-q", "-q")]
    )
    def test_work_with_other_settings_of_pytest(self, project: Project, extra: tuple[str, ...]) -> None:
        assert project.run(BOTH, BAD, AUDIT, *extra).ret == 1
        assert project.run(BOTH, GOOD, AUDIT, *extra).ret == 0

    def test_are_spread_over_the_workers_of_xdist(self, project: Project) -> None:
        result = project.run_apart(BOTH, BAD, AUDIT, "-n2", "-rA")
        assert names(result, "FAILED") == {"MA201[linux/arm64]"}
        assert {"MA201[linux/amd64]", "MA501"} <= names(result, "PASSED")

    def test_show_a_fault_in_ci_with_one_line_in_the_summary(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CI", "true")  # there, pytest shows the summary's messages whole
        result = project.run(BOTH, BAD, AUDIT)
        assert result.stdout.str().count("it is for x86-64") == 1
        result.stdout.fnmatch_lines(["FAILED audit::MA201[[]linux/arm64[]] - foreign-machine: 1 finding"])


class TestOptions:
    def test_select_rules_by_code_beginning_and_name(self, project: Project) -> None:
        select = ("--multiarch-audit-select=MA501,MA3", "--multiarch-audit-select=stale-platform")
        result = project.run(BOTH, GOOD, AUDIT, *select, "-rA")
        found = {name.partition("[")[0] for name in names(result, "PASSED")}
        assert found == {"MA301", "MA302", "MA501", "MA505"}

    def test_turn_on_what_is_opt_in(self, project: Project) -> None:
        result = project.run("--multiarch-platforms=linux/amd64", GOOD, AUDIT, "--multiarch-audit-select=default,MA102")
        assert names(result, "FAILED") == {"MA102"}
        assert "linux/arm64" in result.stdout.str()

    def test_ignore_rules(self, project: Project) -> None:
        assert project.run(BOTH, BAD, AUDIT, "--multiarch-audit-ignore=foreign-machine").ret == 0

    def test_allow_a_path_for_a_reason(self, project: Project) -> None:
        result = project.run(BOTH, BAD, AUDIT, f"--multiarch-audit-allow=MA201 /firmware/** {FIRMWARE}", "-rA")
        assert result.ret == 0
        text = result.stdout.str()
        assert FIRMWARE in text
        assert "it is for x86-64" in text, "what passed is there for whoever asks"

    def test_an_allowance_for_another_platform_lets_nothing_pass_and_is_stale(self, project: Project) -> None:
        result = project.run(BOTH, BAD, AUDIT, f"--multiarch-audit-allow=MA201[linux/amd64] /firmware/** {FIRMWARE}")
        assert names(result, "FAILED") == {"MA201[linux/arm64]", "MA901"}

    def test_an_allowance_that_nothing_needs_is_reported(self, project: Project) -> None:
        result = project.run(BOTH, GOOD, AUDIT, f"--multiarch-audit-allow=MA201 /firmware/** {FIRMWARE}")
        assert names(result, "FAILED") == {"MA901"}
        assert f"MA201 /firmware/** {FIRMWARE}" in result.stdout.str()

    def test_an_allowance_for_a_rule_that_does_not_run_is_not_judged(self, project: Project) -> None:
        allow = f"--multiarch-audit-allow=MA201 /firmware/** {FIRMWARE}"
        assert project.run(BOTH, GOOD, AUDIT, allow, "--multiarch-audit-ignore=MA201").ret == 0

    @pytest.mark.parametrize(
        "text",
        [
            f"[pytest]\nmultiarch_audit = true\nmultiarch_audit_select = MA2 stale-allowance\nmultiarch_audit_allow =\n"
            f"    MA201 /firmware/** {FIRMWARE}\n    MA202 /firmware/** because of an old one\n",
            "[tool.pytest.ini_options]\nmultiarch_audit = true\nmultiarch_audit_select = ['MA2', 'stale-allowance']\n"
            f"multiarch_audit_allow = ['MA201 /firmware/** {FIRMWARE}', 'MA202 /firmware/** because of an old one']\n",
        ],
        ids=["ini", "toml"],
    )
    def test_are_read_from_the_configuration_file(self, project: Project, text: str) -> None:
        name = "pytest.ini" if text.startswith("[pytest]") else "pyproject.toml"
        (project.path / name).write_text(text, encoding="utf-8")
        result = project.run(BOTH, BAD, "-rA")
        assert names(result, "FAILED") == {"MA901"}
        assert "MA202 /firmware/** because of an old one" in result.stdout.str()
        assert {"MA201[linux/arm64]", "MA202[linux/arm64]", "MA210"} <= names(result, "PASSED")

    def test_thresholds_decide_how_far_platforms_may_be_apart(self, project: Project) -> None:
        assert (
            project.run(BOTH, GOOD, AUDIT, "--multiarch-audit-size-ratio=1.5", "--multiarch-audit-age-gap=1").ret == 0
        )

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--multiarch-audit-select=MA299"], "there is no rule 'MA299'"),
            (["--multiarch-audit-ignore=nonsense"], "there is no rule 'nonsense'"),
            (["--multiarch-audit-select=MA201", "--multiarch-audit-ignore=MA2"], "none is left"),
            (["--multiarch-audit-allow=MA201 /firmware/**"], "it has no reason"),
            (["--multiarch-audit-allow=MA201[linux/amd46] /x because y"], "linux/amd46"),
            (["--multiarch-audit-allow=MA999 /x because y"], "there is no rule 'MA999'"),
            (["--multiarch-audit-age-gap=soon"], "reading 'soon' of --multiarch-audit-age-gap"),
            (["--multiarch-audit-size-ratio=0.5"], "reading '0.5' of --multiarch-audit-size-ratio"),
        ],
    )
    def test_that_are_wrong_end_the_run_with_one_message(
        self, project: Project, options: list[str], message: str
    ) -> None:
        result = project.run(BOTH, GOOD, AUDIT, *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert message in result.stderr.str()
        assert "Traceback" not in result.stderr.str() + result.stdout.str()


class TestInPython:
    def test_an_assertion_names_all_findings(self, project: Project) -> None:
        project.write(
            test_it="""
            from pytest_multiarch import assert_no_findings

            def test_whole(multiarch_image):
                assert_no_findings(multiarch_image)

            def test_select(multiarch_image):
                assert_no_findings(multiarch_image, select=["MA5"])

            def test_ignore(multiarch_image):
                assert_no_findings(multiarch_image, ignore=["foreign-machine"])

            def test_allow(multiarch_image):
                assert_no_findings(multiarch_image, allow=["MA201 /firmware/* because it is firmware"])

            def test_stale(multiarch_image):
                assert_no_findings(multiarch_image, ignore=["MA201"], allow=["MA202 /x because it was"])

            def test_platforms(multiarch_image):
                assert_no_findings(multiarch_image, select=["MA101"], platforms=["linux/amd64", "linux/riscv64"])
            """
        )
        result = project.run(BOTH, BAD, "-rA")
        failed = {found[1] for line in result.outlines if (found := re.match(r"FAILED test_it.py::(\w+)", line))}
        assert failed == {"test_whole", "test_stale", "test_platforms"}
        assert "MA201 linux/arm64 /firmware/app" in result.stdout.str()
        assert "an entry for linux/riscv64" in result.stdout.str()

    def test_the_runs_own_settings_count(self, project: Project) -> None:
        project.write(
            test_it="""
            from pytest_multiarch import assert_no_findings

            def test_whole(multiarch_image):
                assert_no_findings(multiarch_image)

            def test_one(platform_image):
                assert platform_image.audit() == ()
            """
        )
        result = project.run(BOTH, BAD, f"--multiarch-audit-allow=MA201 /firmware/* {FIRMWARE}")
        result.assert_outcomes(passed=3)

    def test_one_platforms_findings_are_values(self, project: Project) -> None:
        project.write(
            test_it="""
            def test_audit(platform_image, target_platform):
                found = [(one.code, one.platform, one.path) for one in platform_image.audit(select=["MA2", "MA4"])]
                wrong = [("MA201", target_platform, "/firmware/app")] if target_platform.architecture == "arm64" else []
                assert found == wrong
                assert platform_image.audit(ignore=["MA201"]) == ()
            """
        )
        project.run(BOTH, BAD).assert_outcomes(passed=2)

    def test_images_of_the_factory_are_audited_as_well(self, project: Project) -> None:
        project.write(
            test_it="""
            import pytest
            from pytest_multiarch import assert_no_findings

            def test_more(multiarch_image_factory):
                assert_no_findings(multiarch_image_factory("oci-layout://good"))
                with pytest.raises(AssertionError, match="MA201 linux/arm64 /firmware/app"):
                    assert_no_findings(multiarch_image_factory("oci-layout://bad"))
            """
        )
        project.run(BOTH, GOOD).assert_outcomes(passed=1)


RULE: Final = """
from pytest_multiarch.audit import PlatformRule

class SharedFile(PlatformRule):
    '''Find an image without our licence.

    Mend: copy it.
    '''

    code = "OUR001"
    name = "no-licence"

    def check(self, view):
        if not view.files.exists("/LICENCE"):
            yield self.finding(platform=view.platform, path="/LICENCE", expected="a licence", found="none")
"""


class TestTheHook:
    def test_adds_a_projects_own_rules(self, project: Project) -> None:
        hook = "\ndef pytest_multiarch_audit_rules(config):\n    return [SharedFile()]\n"
        (project.path / "conftest.py").write_text(RULE + hook, encoding="utf-8")
        result = project.run(BOTH, GOOD, AUDIT)
        assert names(result, "FAILED") == {"OUR001[linux/amd64]", "OUR001[linux/arm64]"}
        assert "Mend: copy it." in result.stdout.str()
        allow = "--multiarch-audit-allow=OUR001 /LICENCE because it is the public domain"
        assert project.run(BOTH, GOOD, AUDIT, allow).ret == 0
        assert project.run(BOTH, GOOD, AUDIT, "--multiarch-audit-ignore=OUR").ret == 0

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            ("[SharedFile]", "is no instance of"),
            ("[SharedFile(), SharedFile()]", "are both called OUR001"),
            ("['OUR001']", "is no instance of"),
        ],
    )
    def test_that_gives_no_rules_ends_the_run(self, project: Project, returned: str, message: str) -> None:
        hook = f"\ndef pytest_multiarch_audit_rules(config):\n    return {returned}\n"
        (project.path / "conftest.py").write_text(RULE + hook, encoding="utf-8")
        result = project.run(BOTH, GOOD, AUDIT)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert message in result.stderr.str()


class TestABuild:
    def test_has_its_dockerfile_looked_at(self, project: Project) -> None:
        project.fake_engine()
        (project.path / "Dockerfile").write_text(
            "ARG TARGETARCH=amd64\nFROM debian AS build\nRUN true\n\nFROM --platform=$BUILDPLATFORM debian\n",
            encoding="utf-8",
        )
        result = project.run(BOTH, AUDIT, "--multiarch-audit-select=MA6")
        assert names(result, "FAILED") == {"MA602", "MA603"}
        assert "MA602 Dockerfile:5 (--platform=$BUILDPLATFORM)" in result.stdout.str()
        assert "MA603 Dockerfile:1 (TARGETARCH)" in result.stdout.str()
        result.assert_outcomes(failed=2, passed=1)

    def test_that_fails_for_one_platform_leaves_the_others_audited(self, project: Project) -> None:
        project.fake_engine("failing_builds=('linux/arm64',)")
        result = project.run(BOTH, AUDIT, "--multiarch-audit-select=MA201", "-rA")
        assert names(result, "ERROR") == {"MA201[linux/arm64]"}
        assert "the log's end on linux/arm64" in result.stdout.str()


def test_nothing_of_the_audit_is_loaded_where_nobody_asks_for_it(project: Project) -> None:
    project.write(
        test_it="""
        import sys

        def test_loaded(platform_image):
            assert platform_image.files.is_dir("/etc")
            assert not [name for name in sys.modules if name.startswith("pytest_multiarch.audit")]
        """
    )
    project.run_apart(BOTH, GOOD).assert_outcomes(passed=2)


def test_the_layouts_of_these_tests_are_what_they_say(project: Project) -> None:
    index = json.loads((project.path / "bad" / "index.json").read_text(encoding="utf-8"))
    assert len(index["manifests"]) == 1
