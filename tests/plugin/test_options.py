"""Every option: on the command line, in each kind of configuration file, and which of them wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.settings import OPTIONS

if TYPE_CHECKING:
    from pytest_multiarch.settings import Option
    from tests.plugin.conftest import Project


@dataclass(frozen=True)
class Case:
    """Two ways to set one option, and where what was set has to arrive: in which call to the engine, and as what."""

    call: str
    field: str
    given: tuple[str, ...]
    arrives: object
    other: tuple[str, ...]
    other_arrives: object


CASES = {
    "platforms": Case(
        "build", "platforms", ("linux/arm64", "linux/386"), ["linux/arm64", "linux/386"], ("s390x",), ["linux/s390x"]
    ),
    "image": Case("published", "reference", ("example.org/app:1",), "example.org/app:1", ("app",), "app"),
    "context": Case("build", "context", ("first",), "first", ("./second",), "second"),
    "dockerfile": Case("build", "dockerfile", ("first/Containerfile",), "Containerfile", ("second/Other",), "Other"),
    "target": Case("build", "target", ("runtime",), "runtime", ("build",), "build"),
    "build-arg": Case("build", "args", ("A=1", "B", "C="), {"A": "1", "B": None, "C": ""}, ("D=a=b",), {"D": "a=b"}),
    "build-context": Case(
        "build",
        "contexts",
        ("base=docker-image://debian:12", "files=../files"),
        {"base": "docker-image://debian:12", "files": "../files"},
        ("base=x",),
        {"base": "x"},
    ),
    "base-images": Case("build", "base_images", ("debian:12", "alpine"), ["debian:12", "alpine"], ("a/b",), ["a/b"]),
    "builder": Case("made", "builder", ("docker",), "docker", ("mine",), "mine"),
    "node": Case(
        "made",
        "nodes",
        ("linux/arm64=ssh://farm", "linux/arm/v7=pi"),
        ["linux/arm64=ssh://farm", "linux/arm/v7=pi"],
        ("linux/386=old",),
        ["linux/386=old"],
    ),
    "cache-from": Case(
        "made",
        "cache_from",
        ("type=registry,ref=r.example/c:{platform}", "r.example/c:main"),
        ["type=registry,ref=r.example/c:{platform}", "r.example/c:main"],
        ("type=local,src=/cache",),
        ["type=local,src=/cache"],
    ),
    "cache-to": Case(
        "made",
        "cache_to",
        ("type=inline", "type=local,dest=/cache/{platform}"),
        ["type=inline", "type=local,dest=/cache/{platform}"],
        ("type=registry,ref=r.example/c:{platform}",),
        ["type=registry,ref=r.example/c:{platform}"],
    ),
    "mirror": Case(
        "made",
        "mirrors",
        ("https://a.example", "http://127.0.0.1:1/"),
        ["https://a.example", "http://127.0.0.1:1"],
        ("https://b.example",),
        ["https://b.example"],
    ),
    "plain-http": Case(
        "made",
        "plain_http",
        ("registry.example:5001", "10.0.0.1"),
        ["registry.example:5001", "10.0.0.1"],
        ("r",),
        ["r"],
    ),
    "registry-image": Case("made", "registry_image", ("registry:3",), "registry:3", ("r",), "r"),
    "registry-port": Case("made", "registry_port", ("6001",), 6001, ("65535",), 65535),
    "buildkit-image": Case("made", "buildkit_image", ("moby/buildkit:v0.20",), "moby/buildkit:v0.20", ("b",), "b"),
    "build-timeout": Case("made", "build_timeout", ("60",), 60, ("86400",), 86400),
    "command-timeout": Case("made", "command_timeout", ("7.5",), 7.5, ("1",), 1),
    "emulation-factor": Case("made", "emulation_factor", ("12",), 12, ("1.5",), 1.5),
    "emulators-image": Case("made", "emulators_image", ("mine/binfmt:1",), "mine/binfmt:1", ("b",), "b"),
}
TOML_TABLES = ["tool.pytest.ini_options", *(["tool.pytest"] if pytest.version_tuple >= (9,) else [])]

# Flags, and what does not reach the engine, have tests of their own.
VALUED = [option for option in OPTIONS if not option.is_flag and option.name != "unavailable"]

each_option = pytest.mark.parametrize("option", VALUED, ids=[option.name for option in VALUED])


@pytest.fixture
def project(project: Project) -> Project:
    """Return a project with what the values above name."""
    project.fake_engine()
    for name in ("first/Dockerfile", "first/Containerfile", "second/Dockerfile", "second/Other"):
        project.path.joinpath(name).parent.mkdir(exist_ok=True)
        project.path.joinpath(name).write_text("FROM scratch\n", encoding="utf-8")
    project.write(test_it="def test_it(multiarch_image): pass")
    return project


def on_the_command_line(option: Option, values: tuple[str, ...]) -> list[str]:
    return [f"{option.flag}={value}" for value in values]


def arrived(project: Project, option: Option) -> object:
    case = CASES[option.name]
    calls: list[dict[str, Any]] = project.calls(case.call)
    assert len(calls) == 1
    return calls[0][case.field]


def test_every_option_has_its_case() -> None:
    assert {option.name for option in VALUED} == CASES.keys()
    assert all(option.is_list or len(CASES[option.name].given) == 1 for option in VALUED)


@each_option
def test_an_option_is_set_on_the_command_line(project: Project, option: Option) -> None:
    result = project.run(*on_the_command_line(option, CASES[option.name].given))
    assert result.ret == pytest.ExitCode.OK
    assert arrived(project, option) == CASES[option.name].arrives


@each_option
@pytest.mark.parametrize(("file", "section"), [("pytest.ini", "pytest"), ("tox.ini", "pytest")])
def test_an_option_is_set_in_an_ini_file(project: Project, option: Option, file: str, section: str) -> None:
    given = " ".join(CASES[option.name].given)
    project.path.joinpath(file).write_text(f"[{section}]\n{option.ini} = {given}\n", encoding="utf-8")
    assert project.run().ret == pytest.ExitCode.OK
    assert arrived(project, option) == CASES[option.name].arrives


@each_option
@pytest.mark.parametrize("table", TOML_TABLES)
def test_an_option_is_set_in_pyproject(project: Project, option: Option, table: str) -> None:
    texts = [f'"{value}"' for value in CASES[option.name].given]
    value = f"[{', '.join(texts)}]" if option.is_list else texts[0]
    project.pytester.makepyprojecttoml(f"[{table}]\n{option.ini} = {value}\n")
    assert project.run().ret == pytest.ExitCode.OK
    assert arrived(project, option) == CASES[option.name].arrives


@each_option
def test_the_command_line_wins_over_the_file(project: Project, option: Option) -> None:
    case = CASES[option.name]
    project.pytester.makeini(f"[pytest]\n{option.ini} = {' '.join(case.given)}\n")
    result = project.run(*on_the_command_line(option, case.other))
    assert result.ret == pytest.ExitCode.OK
    assert arrived(project, option) == case.other_arrives


def test_a_value_in_an_ini_file_may_be_quoted(project: Project) -> None:
    project.pytester.makeini("[pytest]\nmultiarch_build_arg = 'GREETING=hello world' PLAIN=1\n")
    project.run()
    assert project.calls("build")[0]["args"] == {"GREETING": "hello world", "PLAIN": "1"}


def test_platforms_are_separated_by_commas_or_given_one_by_one(project: Project) -> None:
    project.run("--multiarch-platforms=linux/arm64, linux/386", "--multiarch-platforms=linux/amd64")
    assert project.calls("build")[0]["platforms"] == ["linux/arm64", "linux/386", "linux/amd64"]


def test_without_options_the_documented_defaults_hold(project: Project) -> None:
    assert project.run().ret == pytest.ExitCode.OK
    assert project.calls("made") == [
        {
            "call": "made",
            "process": "main",
            "builder": "auto",
            "mirrors": [],
            "plain_http": [],
            "registry_image": "registry:2",
            "registry_port": None,
            "buildkit_image": "moby/buildkit:buildx-stable-1",
            "build_timeout": 1800,
            "command_timeout": 300,
            "nodes": [],
            "runs": True,
            "emulation_factor": 5,
            "install_emulators": False,
            "emulators_image": "tonistiigi/binfmt:qemu-v10.2.3",
            "cache_from": [],
            "cache_to": [],
            "reuse": None,
        }
    ]
    (build,) = project.calls("build")
    assert build["context"] == project.path.name
    assert build["dockerfile"] == "Dockerfile"
    assert (build["target"], build["args"], build["contexts"], build["base_images"]) == (None, {}, {}, [])


@pytest.mark.parametrize(
    ("args", "ini", "arrives"),
    [
        ([], "", False),
        (["--multiarch-reuse"], "", True),
        ([], "multiarch_reuse = true", True),
        ([], "multiarch_reuse = no", False),
    ],
)
def test_what_lives_on_is_the_projects_own(project: Project, args: list[str], ini: str, arrives: bool) -> None:
    project.pytester.makeini(f"[pytest]\n{ini}\n")
    assert project.run(*args).ret == pytest.ExitCode.OK
    (made,) = project.calls("made")
    assert made["reuse"] == (project.path.name if arrives else None)


def test_a_cache_that_platforms_would_share_is_refused(project: Project) -> None:
    both = "--multiarch-platforms=linux/amd64,linux/arm64"
    result = project.run(both, "--multiarch-cache-to=type=local,dest=cache")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: reading 'type=local,dest=cache' of --multiarch-cache-to: the run's 2 platforms*"]
    )


def test_paths_are_relative_to_the_rootdir(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.pytester.makeini("[pytest]\n")
    project.path.joinpath("elsewhere").mkdir()
    monkeypatch.chdir(project.path / "elsewhere")
    result = project.run("--multiarch-context=first", "--multiarch-dockerfile=second/Other", "..")
    assert result.ret == pytest.ExitCode.OK
    (build,) = project.calls("build")
    assert (build["context"], build["dockerfile"]) == ("first", "Other")


def test_a_published_image_is_not_built_and_needs_no_dockerfile(project: Project) -> None:
    project.path.joinpath("Dockerfile").unlink()
    project.write(test_it="def test_it(platform_image): assert platform_image.reference.name == 'example.org/app'")
    result = project.run("--multiarch-image=example.org/app:1", "--multiarch-platforms=linux/amd64,linux/arm64")
    result.assert_outcomes(passed=2)
    assert project.calls("build") == []
    (check,) = project.calls("check")
    assert (check["builds"], check["runs"], check["image"]) == (False, False, "example.org/app:1")


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["--multiarch-platforms=arm64,linux/386"], "multiarch: linux/arm64, linux/386"),
        (
            ["--multiarch-platforms=arm64", "--multiarch-image=app:1"],
            "multiarch: app:1 for linux/arm64",
        ),
    ],
)
def test_the_header_says_what_is_tested_and_for_which_platforms(project: Project, args: list[str], shown: str) -> None:
    assert project.run(*args).stdout.lines.count(shown) == 1


@pytest.fixture(scope="module")
def help_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    import subprocess
    import sys

    command = [sys.executable, "-m", "pytest", "--help"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("help"), timeout=60
    )
    return " ".join(done.stdout.split())


@each_option
def test_help_shows_the_option_its_ini_twin_and_its_default(help_text: str, option: Option) -> None:
    assert f"{option.flag}={option.metavar}" in help_text
    assert f"ini: {option.ini}" in help_text
    # Once more in pytest's own list of configuration names.
    assert f"{option.ini} ({'args' if option.is_list else 'string'}):" in help_text
    if option.default:
        assert f"(default: {option.default})" in help_text
