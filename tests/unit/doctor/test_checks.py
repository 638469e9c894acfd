"""Each check of the doctor, in each of its states."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.doctor.client import check_buildx
from pytest_multiarch.engine.doctor.daemon import check_docker, check_store, read_info
from pytest_multiarch.engine.doctor.disk import check_daemon_space, check_temporary_space
from pytest_multiarch.engine.doctor.images import check_buildkit_image, check_registry_image
from pytest_multiarch.engine.doctor.leftovers import check_leftovers
from pytest_multiarch.engine.doctor.logins import check_credentials
from pytest_multiarch.engine.doctor.mirrors import check_mirrors
from pytest_multiarch.engine.doctor.platforms import check_platforms
from pytest_multiarch.engine.facts import describe_engine
from pytest_multiarch.engine.ledger import Ledger, boot_id
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import EngineError
from pytest_multiarch.platforms import Platform
from tests.unit.fake_docker import FakeDocker
from tests.unit.fake_engine_api import INFO, Answer
from tests.unit.fake_registry import FakeRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.docker import Engine
    from tests.unit.fake_engine_api import FakeEngineApi

    Connect = Callable[[], Engine]

CLASSIC = {"DriverStatus": [["Backing Filesystem", "extfs"]]}
AMD64, ARM64, S390X = (Platform.parse(f"linux/{name}") for name in ("amd64", "arm64", "s390x"))


def say(api: FakeEngineApi, **info: Any) -> None:
    api.on("GET", "/info", Answer(json={**INFO, **info}))


def test_the_daemon_is_told_with_version_and_address(connect: Connect, api: FakeEngineApi) -> None:
    engine = connect()
    check = check_docker(engine, read_info(engine))
    assert check.status == "ok"
    assert check.summary == f"Engine 26.1.5, API 1.45, linux/amd64, at {api.url}"
    assert {key: check.facts[key] for key in ("version", "api", "rootless", "desktop", "remote")} == {
        "version": "26.1.5",
        "api": "1.45",
        "rootless": False,
        "desktop": False,
        "remote": False,
    }


def test_what_is_particular_about_a_daemon_is_told(connect: Connect, api: FakeEngineApi) -> None:
    say(api, OperatingSystem="Docker Desktop", SecurityOptions=["name=seccomp,profile=builtin", "name=rootless"])
    engine = connect()
    info = read_info(engine)
    engine.address = "tcp://me:secret@box:2376"
    check = check_docker(engine, info)
    assert check.summary.endswith("at tcp://box:2376 (rootless, Docker Desktop, on another machine)")
    assert "secret" not in json.dumps([check.summary, dict(check.facts)])


def test_both_image_stores_are_ok_and_the_classic_one_has_a_word(connect: Connect, api: FakeEngineApi) -> None:
    assert (check_store(connect().facts).summary, check_store(connect().facts).hint) == ("containerd", "")
    say(api, **CLASSIC)
    check = check_store(connect().facts)
    assert (check.status, check.summary, check.facts) == ("ok", "classic", {"store": "classic"})
    assert "containerd-snapshotter" in check.hint
    line = "Docker Engine 26.1.5 for linux/amd64, classic image store"
    assert describe_engine(connect().facts) == line
    assert describe_engine(connect().facts, "0.29.1") == f"{line}, buildx 0.29.1"


def test_buildx_is_told_or_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = FakeDocker(tmp_path / "bin", monkeypatch)
    docker.on("version", stdout="github.com/docker/buildx v0.29.1 abc\n")
    assert check_buildx({}).summary == "0.29.1"
    docker.on("version", stdout="github.com/docker/buildx v0.9.1 abc\n")
    check = check_buildx({})
    assert (check.status, check.summary) == ("failure", "running docker buildx version: buildx 0.9.1 is too old")
    assert check.hint == "buildx 0.13 or newer is needed."
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_buildx({}).status == "failure"


def test_an_image_is_there_or_to_be_had_or_not(connect: Connect, api: FakeEngineApi) -> None:
    engine = connect()
    check = check_registry_image(engine, "registry:2")
    assert (check.status, check.facts["present"]) == ("failure", False)
    assert check.summary.startswith("registry:2 is not to be had: no such thing")
    assert "--multiarch-registry-image" in check.hint
    api.on("GET", "/distribution/registry:2/json", Answer(json={"Descriptor": {}}))
    assert (check_registry_image(engine, "registry:2").status, check.facts["present"]) == ("ok", False)
    api.on("GET", "/images/registry:2/json", Answer(json={"Id": "sha256:1"}))
    check = check_registry_image(engine, "registry:2")
    assert (check.status, check.facts["present"]) == ("ok", True)


def test_without_the_buildkit_image_only_the_containerd_store_has_another_way(
    connect: Connect, api: FakeEngineApi
) -> None:
    check = check_buildkit_image(connect(), "moby/buildkit:none")
    assert check.status == "warning"
    assert "own BuildKit builds instead" in check.hint
    say(api, **CLASSIC)
    assert check_buildkit_image(connect(), "moby/buildkit:none").status == "failure"


def mirrors(*urls: str) -> dict[str, Any]:
    return {"RegistryConfig": {"IndexConfigs": {"docker.io": {"Mirrors": list(urls), "Secure": True}}}}


def test_mirrors_are_asked(connect: Connect, api: FakeEngineApi) -> None:
    assert check_mirrors(connect()).status == "ok"
    with FakeRegistry(auth="basic").running() as registry:
        say(api, **mirrors(f"{registry.url}/"))
        assert (check_mirrors(connect()).status, check_mirrors(connect()).summary) == ("ok", registry.url)
        say(api, **mirrors(f"http://me:hidden@{registry.host}", "http://127.0.0.1:1"))
        check = check_mirrors(connect())
    assert check.status == "warning"
    assert check.summary == "no answer from http://127.0.0.1:1 (ConnectionError)"
    assert check.facts == {"mirrors": {registry.url: True, "http://127.0.0.1:1": False}}


def test_a_mirror_on_another_machines_loopback_is_not_asked(connect: Connect, api: FakeEngineApi) -> None:
    say(api, **mirrors("http://127.0.0.1:1"))
    engine = connect()
    engine.address = "ssh://box"
    assert check_mirrors(engine).status == "ok"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that puts a credential helper on PATH, given its name and its Python."""
    folder = tmp_path / "helpers"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name: str, code: str) -> None:
        path = folder / f"docker-credential-{name}"
        path.write_text(f"#!{sys.executable} -S\nimport sys, json\n{code}\n")
        path.chmod(0o755)

    return put


def test_without_a_configuration_there_is_nothing_to_say_of_credentials(docker_folder: Path) -> None:
    assert list(docker_folder.iterdir()) == []
    assert check_credentials().status == "ok"


def test_helpers_are_asked_for_what_they_know_and_for_no_secret(
    docker_folder: Path, helper: Callable[[str, str], None]
) -> None:
    config = {"credsStore": "works", "credHelpers": {"a.example": "works", "b.example": ""}, "auths": {"c.example": {}}}
    (docker_folder / "config.json").write_text(json.dumps(config))
    helper("works", "assert sys.argv[1:] == ['list']; print(json.dumps({'https://a.example': 'somebody'}))")
    check = check_credentials()
    assert check.status == "ok", check.summary
    assert check.facts == {"logins": 1, "helpers": {"works": True}}
    assert "somebody" not in check.summary + json.dumps(dict(check.facts))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('secret'); sys.exit(3)", "docker-credential-it: exit code 3"),
        ("print('secret')", "docker-credential-it: its answer is not JSON"),
        ("print('[]')", "docker-credential-it: its answer is no JSON object"),
        (None, "docker-credential-it: there is no such program on PATH"),
    ],
)
def test_a_broken_helper_is_a_warning_without_its_words(
    docker_folder: Path, helper: Callable[[str, str], None], code: str | None, said: str
) -> None:
    (docker_folder / "config.json").write_text(json.dumps({"credsStore": "it"}))
    if code is not None:
        helper("it", code)
    check = check_credentials()
    assert (check.status, check.summary, check.facts["helpers"]) == ("warning", said, {"it": False})
    assert "secret" not in check.hint


def test_a_configuration_that_cannot_be_read_is_a_failure(docker_folder: Path) -> None:
    (docker_folder / "config.json").write_text("{")
    assert check_credentials().status == "failure"


@pytest.mark.parametrize(("gib", "status"), [(20, "ok"), (3, "warning"), (0.2, "failure")])
def test_space_is_told_before_it_is_gone(monkeypatch: pytest.MonkeyPatch, gib: float, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=int(gib * 1024**3)))
    check = check_temporary_space()
    assert (check.status, bool(check.hint)) == (status, status != "ok")
    assert check.summary.startswith(f"{gib:.1f} GiB free in ")


def test_the_daemons_space_is_told_where_it_can_be_seen(connect: Connect, tmp_path: Path) -> None:
    engine = connect()
    check = check_daemon_space(engine, {"DockerRootDir": str(tmp_path)})
    assert check is not None
    assert check.facts["folder"] == str(tmp_path)
    assert check_daemon_space(engine, {"DockerRootDir": str(tmp_path / "none")}) is None
    assert check_daemon_space(engine, {}) is None
    assert check_daemon_space(engine, {"DockerRootDir": "/", "OperatingSystem": "Docker Desktop"}) is None
    engine.address = "ssh://box"
    assert check_daemon_space(engine, {"DockerRootDir": str(tmp_path)}) is None


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    return process.pid


def test_nothing_left_is_ok(connect: Connect, api: FakeEngineApi) -> None:
    api.on("GET", "/containers/json", Answer(json=[{"Names": ["/theirs"]}]))
    api.on("GET", "/volumes", Answer(json={"Volumes": None}))
    assert check_leftovers(connect()).summary == "none"


def test_what_has_a_runs_name_without_a_run_is_told(connect: Connect, api: FakeEngineApi) -> None:
    name = f"multiarch-0123abcd-{dead_pid()}-{boot_id()[:8]}-warm-1"
    api.on("GET", "/containers/json", Answer(json=[{"Names": [f"/{name}"]}]))
    api.on("GET", "/volumes", Answer(json={"Volumes": []}))
    check = check_leftovers(connect())
    assert (check.status, check.facts["objects"]) == ("warning", [f"container {name}"])
    assert "prune" in check.hint


def test_the_book_of_a_dead_run_is_told_without_a_daemon() -> None:
    ledger = Ledger.open_new({})
    owner = ledger.folder / "owner.json"
    said = json.loads(owner.read_text())
    assert check_leftovers(None).status == "ok"  # this process's
    said["owner"]["started"] = "1"
    owner.write_text(json.dumps(said))
    check = check_leftovers(None)
    assert (check.status, check.facts["runs"]) == ("warning", [ledger.run_id])


def find(platform: Platform) -> Support:
    if platform == AMD64:
        return Support(platform, "native")
    if platform == ARM64:
        return Support(platform, "emulated", "qemu-aarch64", "10.0.2")
    if platform == S390X:
        return Support(platform, "unavailable", reason="the kernel knows none", hint="Register one.")
    raise EngineError("trying it in a container", "the daemon is busy")


def test_how_platforms_run_is_told() -> None:
    native, emulated = check_platforms(find, [AMD64, ARM64], are_wanted=True)
    assert (native.name, native.status, native.summary) == ("platform linux/amd64", "ok", "native")
    assert (emulated.status, emulated.summary) == ("ok", "emulated by qemu-aarch64 10.0.2")
    assert emulated.facts == {
        "platform": "linux/arm64",
        "how": "emulated",
        "emulator": "qemu-aarch64",
        "version": "10.0.2",
    }


@pytest.mark.parametrize(("are_wanted", "status"), [(True, "failure"), (False, "warning")])
def test_one_that_does_not_run_matters_where_it_was_asked_for(are_wanted: bool, status: str) -> None:
    missing, untried = check_platforms(find, [S390X, Platform.parse("linux/riscv64")], are_wanted=are_wanted)
    assert (missing.status, missing.facts["how"], missing.hint) == (status, "unavailable", "Register one.")
    assert "the kernel knows none" in missing.summary
    assert (untried.status, untried.summary) == (status, "trying it in a container: the daemon is busy")
