"""Under pytest-xdist: the controller makes all that is shared, workers run, and what goes wrong is told as without it."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.oci import OCI_MANIFEST
from pytest_multiarch.platforms import Platform
from tests.plugin.conftest import ALWAYS, BOTH
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, file, tar
from tests.unit.images import add_index

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

pytest.importorskip("xdist", reason="pytest-xdist is not installed")

MODES = ("load", "loadscope", "loadfile", "loadgroup", "worksteal", "each")
TEST = """
    import pytest
    def test_1(platform_container, target_platform):
        assert platform_container.exec(["uname", "-m"]).stdout.strip() == target_platform.machine
    def test_2(fresh_container): pass
    def test_3(multiarch_image): assert len(multiarch_image.platforms) == 2
    @pytest.mark.platforms("linux/arm64")
    def test_4(platform_image): pass
    def test_5(): pass
"""


def run(project: Project, *args: str) -> pytest.RunResult:
    result = project.run_apart("-n2", *args)
    assert "INTERNALERROR" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    return result


@pytest.mark.parametrize("args", [["-n8"], ["-n0"], *([f"--dist={mode}"] for mode in MODES)], ids=lambda args: args[0])
def test_everything_is_made_once_however_tests_are_distributed(project: Project, args: list[str]) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = run(project, BOTH, *args)
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["passed"] == (14 if args == ["--dist=each"] else 7)
    for once in ("made", "build", "check"):
        assert [call["process"] for call in project.calls(once)] == ["main"]
    assert sorted(call["platform"] for call in project.calls("built")) == ["linux/amd64", "linux/arm64"]
    if args != ["-n0"]:
        assert [call["process"] for call in project.calls("closed workshop")] == ["main"]
        assert {call["process"] for call in project.calls("warm")} <= {f"gw{number}" for number in range(8)}


def test_workers_run_all_tests_and_the_controller_shows_what_is_built(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = run(project, BOTH, "-v")
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*PASSED test_it.py::test_1[[]linux/arm64[]]*"])
    assert result.outlines.count("multiarch: linux/amd64, linux/arm64") == 1
    for line in ("multiarch: linux/amd64: building", "multiarch: linux/arm64: built in 0.0 s"):
        assert result.outlines.count(line) == 1
    # The controller runs nothing, and every worker removes what it has started.
    assert sorted(call["process"] for call in project.calls("close")) == ["gw0", "gw1"]
    # Of one test for each platform, nobody knows which worker gets it.
    prepared = [(call["warm"], call["run"]) for call in project.calls("prepare")]
    assert prepared == [([], ["linux/amd64", "linux/arm64"])] * 2


@pytest.mark.parametrize(
    ("mode", "warm"),
    [("load", ["linux/arm64"]), ("each", ["linux/amd64", "linux/arm64"]), ("loadfile", []), ("loadgroup", [])],
)
def test_a_worker_prepares_what_it_will_get_some_of(project: Project, mode: str, warm: list[str]) -> None:
    project.fake_engine()
    project.write(
        test_it="""
            import pytest
            def test_1(platform_container): pass
            @pytest.mark.platforms("linux/arm64")
            def test_2(platform_container): pass
        """
    )
    assert run(project, BOTH, f"--dist={mode}").ret == pytest.ExitCode.OK
    rest = [name for name in ("linux/amd64", "linux/arm64") if name not in warm]
    assert [(call["warm"], call["run"]) for call in project.calls("prepare")] == [(warm, rest)] * 2


def test_of_a_published_image_each_worker_begins_with_one_platform(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="""
            import pytest
            @pytest.mark.parametrize("number", range(10))
            def test_it(platform_container, target_platform, number, worker_id, record_property):
                record_property("who", f"{worker_id} {target_platform}")
                print("DONE", worker_id, target_platform)
        """
    )
    # Whatever order the platforms are named in, the first worker begins with the machine's own.
    platforms = "--multiarch-platforms=linux/arm64,linux/amd64"
    result = run(project, platforms, "--multiarch-image=localhost:5001/app:1", "-rP")
    result.assert_outcomes(passed=20)
    done = Counter(line for line in result.outlines if line.startswith("DONE "))
    assert sum(done.values()) == 20
    native, other = (
        ["linux/amd64", "linux/arm64"] if Platform.host().architecture == "amd64" else ["linux/arm64", "linux/amd64"]
    )
    # Two of each worker's own are given out at once; what comes then depends on who is faster.
    assert done[f"DONE gw0 {native}"] >= 2
    assert done[f"DONE gw1 {other}"] >= 2
    prepared = {call["process"]: (call["warm"], call["run"]) for call in project.calls("prepare")}
    assert prepared == {"gw0": ([native], []), "gw1": ([other], [])}


def test_without_xdist_the_same_is_made_by_the_one_process(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    project.run_apart("-pno:xdist", "--strict-markers", BOTH).assert_outcomes(passed=7)
    assert {call["process"] for call in project.calls()} == {"main"}
    assert len(project.calls("build")) == len(project.calls("made")) == 1


def test_layers_are_fetched_once_for_all_workers(project: Project) -> None:
    with FakeRegistry().running() as registry:
        layers = [tar(file("a", b"x")), tar(file("b", b"y"))]
        add_index(registry, "app", "1", entries=[add_image(registry, "app", "linux/amd64", layers=layers)])
        project.write(test_it="def test_reads(platform_image): assert platform_image.files.read_text('/a') == 'x'")
        result = run(
            project, "--multiarch-platforms=linux/amd64", f"--multiarch-image={registry.host}/app:1", "--dist=each"
        )
        result.assert_outcomes(passed=2)
        fetched = Counter(seen.path for seen in registry.asked("GET", "/blobs/"))
        described = json.loads(
            next(data for data, media_type in registry.manifests.values() if media_type == OCI_MANIFEST)
        )
        assert [fetched[f"/v2/app/blobs/{layer['digest']}"] for layer in described["layers"]] == [1, 1]


GROUPS = """
def pytest_collection_finish(session):
    with open("groups", "a") as file:
        for item in session.items:
            print(item.name, *(mark.args[0] for mark in item.iter_markers("xdist_group")), file=file)
"""


def test_loadgroup_keeps_a_platforms_tests_together_and_a_tests_own_group_whole(project: Project) -> None:
    project.fake_engine(conftest=GROUPS)
    project.write(
        test_it="""
            import pytest
            def test_1(platform_container): pass
            def test_2(platform_container): pass
            @pytest.mark.xdist_group("port")
            def test_3(platform_container): pass
        """
    )
    result = run(project, BOTH, "--dist=loadgroup", "--strict-markers", "-v")
    result.assert_outcomes(passed=6)
    groups = set(project.path.joinpath("groups").read_text(encoding="utf-8").splitlines())
    assert groups == {
        *("test_1[linux/amd64] linux/amd64", "test_2[linux/amd64] linux/amd64", "test_3[linux/amd64] port"),
        *("test_1[linux/arm64] linux/arm64", "test_2[linux/arm64] linux/arm64", "test_3[linux/arm64] port"),
    }
    # Also where pytest-xdist loses sight of the groups: 3.8 writes them where pytest 9.2 does not look any more.
    workers = defaultdict(set)
    ran = re.findall(r"^\[(gw\d)\] .* PASSED test_it.py::(\S+\])", result.stdout.str(), re.MULTILINE)
    assert len(ran) == 6
    for worker, name in ran:
        workers[next(line.split()[1] for line in groups if line.startswith(f"{name} "))].add(worker)
    assert {group: len(who) for group, who in workers.items()} == {"linux/amd64": 1, "linux/arm64": 1, "port": 1}


OWN_SCHEDULER = """
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling
    open("asked", "w").close()
    class Own(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "all"
    return Own(config, log)
"""


@pytest.mark.parametrize("args", [["--dist=loadgroup"], ["--dist=load", "--multiarch-image=localhost:5001/app:1"]])
def test_a_projects_own_way_of_giving_out_tests_counts(project: Project, args: list[str]) -> None:
    project.fake_engine(conftest=OWN_SCHEDULER)
    project.write(test_it="def test_1(platform_container): pass\ndef test_2(platform_container): pass")
    result = run(project, BOTH, "-v", *args)
    result.assert_outcomes(passed=4)
    assert project.path.joinpath("asked").exists()
    assert len(set(re.findall(r"^\[(gw\d)\] .* PASSED", result.stdout.str(), re.MULTILINE))) == 1


def test_the_platform_that_nobody_named_is_told_once(project: Project) -> None:
    project.fake_engine()
    project.write(test_it="def test_1(platform_image): pass\ndef test_2(platform_image): pass")
    result = run(project)
    own = f"multiarch: {Platform.host()}, this machine's own (choose others with --multiarch-platforms)"
    assert result.outlines.count(own) == 1


def test_a_failed_test_shows_its_commands(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="def test_it(platform_container): assert not platform_container.exec(['complain', 'x']).stderr"
    )
    result = run(project, BOTH)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*multiarch command 1 on linux/amd64*", "exit code: 3 after 0.25 s"])


def test_a_platform_that_cannot_be_built_fails_its_own_tests(project: Project) -> None:
    project.fake_engine("failing_builds=('linux/arm64',)")
    project.write(test_it=TEST)
    result = run(project, BOTH)
    result.assert_outcomes(passed=3, errors=4)
    assert result.outlines.count("the log's end on linux/arm64") == 1
    assert len([line for line in result.outlines if line.startswith("(in full at test_it.py::test_")]) == 3


@pytest.mark.parametrize(
    ("plan", "dockerfile", "args", "message"),
    [
        ("daemon=False", True, [BOTH], "connecting to the Docker daemon: nobody is there"),
        ("", False, [BOTH], "looking for the Dockerfile */Dockerfile: there is no such file"),
    ],
    ids=["no daemon", "no Dockerfile"],
)
def test_what_is_missing_ends_the_run_with_one_message(
    project: Project, plan: str, dockerfile: bool, args: list[str], message: str
) -> None:
    project.fake_engine(plan, dockerfile=dockerfile)
    project.write(test_it=TEST)
    result = run(project, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.parseoutcomes() == {}
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    assert len([line for line in result.errlines if line.startswith("ERROR: ")]) == 1
    assert project.calls("build") == []


def test_a_wrong_marker_ends_the_run_as_it_does_without_xdist(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="""
            import pytest
            @pytest.mark.platforms("linux/amr64")
            def test_1(platform_image): pass
            def test_2(platform_image): pass
        """
    )
    result = run(project, BOTH)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: reading the platform 'linux/amr64' in @pytest.mark.platforms of *: 'amr64' is not *"]
    )


def test_a_machine_without_a_platform_name_ends_the_run(project: Project) -> None:
    project.fake_engine(conftest="import platform\nplatform.machine = lambda: 'vax'\n")
    project.write(test_it="def test_1(target_platform): pass\ndef test_2(): pass\n")
    result = run(project)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: reading this machine's platform: no known architecture is called 'vax'"])


def test_a_wrong_option_is_told_once_before_workers_start(project: Project) -> None:
    project.fake_engine()
    project.write(test_it=TEST)
    result = run(project, "--multiarch-platforms=linux/amr64")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [
        "ERROR: reading the platform 'linux/amr64': 'amr64' is not a known architecture",
        "did you mean linux/arm64?",
    ]
    assert result.outlines == []


def test_what_a_worker_cannot_remove_is_a_warning_of_the_run(project: Project) -> None:
    project.fake_engine("leftovers=('removing container x: it is busy',)")
    project.write(test_it=TEST)
    result = project.pytester.runpytest_subprocess(*ALWAYS[1:], "-n2", BOTH)
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes() == {"passed": 7, "warnings": 2}
    result.stdout.fnmatch_lines(["*PytestWarning: multiarch: removing container x: it is busy"])


def test_all_that_was_made_is_there_for_a_worker_that_takes_anothers_place(project: Project) -> None:
    project.fake_engine()
    project.write(
        test_it="""
        import os
        def test_1(platform_container):
            os._exit(9)
        def test_2(platform_container):
            assert os.environ["PYTEST_XDIST_WORKER"] == "gw1"
        """
    )
    result = project.run_apart("-n1", "--multiarch-platforms=linux/amd64")
    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    assert "worker 'gw0' crashed" in result.stdout.str()
    assert [call["process"] for call in project.calls("closed workshop")] == ["main"]
