"""docker buildx, called as a real program that notes how it was called, and answers as buildx was recorded to."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_multiarch.engine.build import build_platform
from pytest_multiarch.engine.builder import (
    Builder,
    ImageUnavailable,
    buildkitd_toml,
    buildx_version,
    client_environ,
    create_builder,
    daemon_builder,
    existing_builder,
    find_builder,
)
from pytest_multiarch.engine.ledger import Ledger, Owned
from pytest_multiarch.engine.options import Node
from pytest_multiarch.engine.overlay import context_for
from pytest_multiarch.engine.progress import Step
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import BuildError, CommandTimeout, EngineUnavailable, UsageProblem
from pytest_multiarch.platforms import Platform
from tests.unit.fake_docker import FakeDocker

if TYPE_CHECKING:
    from pytest_multiarch.engine.docker import Engine

DATA = Path(__file__).parent / "data" / "buildx"
AMD64, ARM_V7 = Platform.parse("linux/amd64"), Platform.parse("linux/arm/v7")
IMAGE = "moby/buildkit:buildx-stable-1"
DIGEST = "sha256:" + "1" * 64
METADATA = json.dumps({"containerimage.digest": DIGEST})


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "BUILDX_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    return FakeDocker(tmp_path / "bin", monkeypatch)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.open_new({})


@pytest.fixture
def spec(tmp_path: Path) -> BuildSpec:
    (tmp_path / "context").mkdir()
    return BuildSpec(context=tmp_path / "context")


class Listener:
    """Note what is heard."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def build_started(self, platform: Platform) -> None:
        self.heard.append(("started", platform))

    def build_step(self, platform: Platform, step: Step) -> None:
        self.heard.append(step)

    def build_ended(self, platform: Platform, seconds: float, *, failed: bool) -> None:
        assert 0 < seconds < 60
        self.heard.append(("ended", platform, failed))

    def note(self, text: str) -> None:
        self.heard.append(text)


def engine(*images: str, endpoint: str = "", insecure: tuple[str, ...] = ()) -> Engine:
    """Return as much of an engine as making a builder asks of it."""
    fake = SimpleNamespace(
        has_image=lambda reference: reference in images,
        tag=lambda reference, name: None,
        endpoint=endpoint,
        facts=SimpleNamespace(insecure_registries=insecure),
    )
    return cast("Engine", fake)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n", (0, 13, 1)),
        ("github.com/docker/buildx v0.12.0-docker 542e5d810e4a1a155684f5f3c5bd7e797632a12f\n", None),
        ("github.com/docker/buildx v0.29.1-desktop.1 257815a\n", (0, 29, 1)),
        ("github.com/docker/buildx v0.30.0-rc1 abc\n", (0, 30, 0)),
        ("github.com/docker/buildx v1.0.0 abc\n", (1, 0, 0)),
        ("github.com/docker/buildx v0.9.1 ed00243a0ce2a0aee75311b06e32d33b44729689\n", None),
    ],
)
def test_buildx_0_13_is_the_oldest_that_is_taken(
    docker: FakeDocker, printed: str, expected: tuple[int, ...] | None
) -> None:
    docker.on("buildx", "version", stdout=printed)
    if expected is not None:
        assert buildx_version({}) == expected
    else:
        with pytest.raises(EngineUnavailable, match=r"is too old") as caught:
            buildx_version({})
        assert "0.13" in caught.value.hint


def test_a_client_without_buildx_is_told_in_its_own_words(docker: FakeDocker) -> None:
    docker.on(stderr="docker: unknown command: docker buildx\n\nRun 'docker --help'\n", exit_code=1)
    with pytest.raises(EngineUnavailable, match="docker: unknown command: docker buildx") as caught:
        buildx_version({})
    assert "docker-buildx" in caught.value.hint


def test_no_client_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="there is no such program on PATH"):
        buildx_version({})


def test_the_environment_is_the_processs_own_with_ours_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_FOR_THE_BUILD", "x")
    monkeypatch.setenv("DOCKER_HOST", "unix:///theirs")
    environ = client_environ({"DOCKER_HOST": "unix:///ours"})
    assert environ["SECRET_FOR_THE_BUILD"] == "x"
    assert environ["DOCKER_HOST"] == "unix:///ours"
    assert environ["DOCKER_CLI_HINTS"] == "false"
    assert os.environ["DOCKER_HOST"] == "unix:///theirs"


def test_a_builder_is_made_and_started(docker: FakeDocker, ledger: Ledger) -> None:
    builder = create_builder(
        engine(insecure=("plain:5000",)),
        ledger,
        {"DOCKER_HOST": "unix:///some.sock"},
        image=IMAGE,
        mirrors=["http://127.0.0.1:5590"],
    )
    name = f"{ledger.prefix}-builder"
    toml = ledger.folder / "buildkitd.toml"
    (create,) = docker.calls
    assert create.words[:2] == ["buildx", "create"]
    assert create.after("--name") == [name]
    assert create.after("--driver") == ["docker-container"]
    assert create.after("--driver-opt") == ["network=host", f"image={IMAGE}"]
    assert create.after("--config") == [str(toml)]
    assert create.after("--node") == [f"{name}0"]
    assert "--use" not in create.words
    assert create.words[-1] == "--bootstrap"
    assert create.env["BUILDX_CONFIG"] == str(ledger.folder / "buildx")
    assert create.env["DOCKER_HOST"] == "unix:///some.sock"
    assert (builder.name, builder.driver, builder.pushes_by_digest) == (name, "docker-container", True)
    assert toml.read_text() == buildkitd_toml(["http://127.0.0.1:5590"], ["plain:5000"])
    assert stat.S_IMODE((ledger.folder / "buildx").stat().st_mode) == 0o700


def test_a_daemon_behind_tls_is_named_by_a_context_of_our_own(
    docker: FakeDocker, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_text("mine")
    environ = {"DOCKER_HOST": "tcp://box:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    builder = create_builder(engine(IMAGE), ledger, environ, image=IMAGE, mirrors=[])
    (create,) = docker.calls
    assert create.words[-2:] == [context_for(environ), "--bootstrap"]
    assert create.env["DOCKER_CONFIG"] == str(ledger.folder / "docker-builder")
    # It had the user's credentials in it. Builds have a folder with the registry's login, and the same context.
    assert not (ledger.folder / "docker-builder").exists()
    assert "DOCKER_CONFIG" not in builder.environ


@pytest.mark.parametrize("present", [False, True])
def test_what_buildx_makes_stands_in_the_book_under_the_names_that_it_gives(
    docker: FakeDocker, ledger: Ledger, present: bool
) -> None:
    docker.on("create", exit_code=1)  # also when it fails: what there is by then is to go
    with pytest.raises(BuildError):
        create_builder(engine(IMAGE) if present else engine(), ledger, {}, image=IMAGE, mirrors=[])
    name = f"buildx_buildkit_{ledger.prefix}-builder0"
    made = {Owned("container", name), Owned("volume", f"{name}_state")}
    own_name = Owned("image", f"127.0.0.1:1/buildkit:{ledger.prefix}-builder0")
    assert set(ledger.entries()) == made | {own_name if present else Owned("image", IMAGE)}


def test_an_image_that_is_there_is_not_pulled_over(docker: FakeDocker, ledger: Ledger) -> None:
    named: list[tuple[str, str]] = []
    daemon = engine(IMAGE)
    daemon.tag = lambda reference, name: named.append((reference, name))  # type: ignore[method-assign]
    create_builder(daemon, ledger, {}, image=IMAGE, mirrors=[])
    ((reference, name),) = named
    assert reference == IMAGE
    assert f"image={name}" in docker.calls[0].after("--driver-opt")
    assert name.startswith("127.0.0.1:1/")  # where nobody answers: buildx takes what is there


def test_a_node_builds_its_platform_on_its_own_daemon(docker: FakeDocker, ledger: Ledger) -> None:
    node = Node(ARM_V7, "ssh://pi")
    create_builder(engine(IMAGE), ledger, {}, image=IMAGE, mirrors=[], nodes=[(node, engine(endpoint="ssh://pi"))])
    name = f"{ledger.prefix}-builder"
    create, append = docker.calls
    assert "--append" in append.words
    assert (append.after("--name"), append.after("--node")) == ([name], [f"{name}1"])
    assert append.after("--platform") == ["linux/arm/v7"]
    assert append.words[-2:] == ["ssh://pi", "--bootstrap"]
    assert "--bootstrap" not in create.words
    there = f"buildx_buildkit_{name}1"
    assert {owned for owned in ledger.entries() if owned.daemon} == {
        Owned("container", there, "ssh://pi"),
        Owned("volume", f"{there}_state", "ssh://pi"),
        Owned("image", IMAGE, "ssh://pi"),
    }


def test_an_image_that_cannot_be_pulled_is_told_from_a_builder_that_does_not_start(
    docker: FakeDocker, ledger: Ledger
) -> None:
    docker.on("create", stderr=(DATA / "builder-no-image-0.13.txt").read_text(), exit_code=1)
    with pytest.raises(ImageUnavailable, match="failed to resolve reference") as caught:
        create_builder(engine(), ledger, {}, image=IMAGE, mirrors=[])
    assert caught.value.tried == f"starting a builder from {IMAGE}"
    assert "\n" not in caught.value.headline
    assert "--multiarch-buildkit-image" in caught.value.hint
    docker.on("create", stderr=(DATA / "builder-no-network-0.13.txt").read_text(), exit_code=1)
    with pytest.raises(BuildError, match="Error response from daemon: network nosuchnet not found") as other:
        create_builder(engine(), ledger, {}, image=IMAGE, mirrors=[])
    assert not isinstance(other.value, ImageUnavailable)


@pytest.mark.parametrize(
    ("stderr", "is_pull"),
    [
        ("ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n", False),
        ('ERROR: existing instance for "x" but no append mode, specify the node name to make changes\n', False),
        ("#1 pulling image x\n#1 ERROR: toomanyrequests: rate limit\nERROR: toomanyrequests: rate limit\n", True),
        ("#1 pulling image x 1.0s done\n#1 creating container y 15s done\nERROR: is restarting\n", False),
        ("#1 pulling failed, using local image x\n#1 creating container y\nERROR: not found\n", False),
        ("", False),
    ],
)
def test_only_a_pull_that_failed_is_one(docker: FakeDocker, ledger: Ledger, stderr: str, is_pull: bool) -> None:
    docker.on("create", stderr=stderr, exit_code=1)
    with pytest.raises(BuildError) as caught:
        create_builder(engine(), ledger, {}, image=IMAGE, mirrors=[])
    assert isinstance(caught.value, ImageUnavailable) is is_pull


def test_a_builder_that_never_starts_has_a_time_limit(docker: FakeDocker, ledger: Ledger) -> None:
    docker.on("create", stderr="#1 booting\n", seconds=600)
    with pytest.raises(CommandTimeout) as caught:
        create_builder(engine(), ledger, {}, image=IMAGE, mirrors=[], limit=2)
    assert caught.value.detail == "#1 booting"


@pytest.mark.parametrize(
    ("given", "outside", "current", "expected"),
    [
        ({"DOCKER_HOST": "unix:///x"}, {}, "other", "default"),
        ({}, {"DOCKER_HOST": "unix:///x"}, "other", "default"),
        ({"DOCKER_CONTEXT": "remote"}, {}, "other", "remote"),
        ({}, {}, "other", "other"),
        ({}, {}, "", "default"),
    ],
)
def test_the_daemons_own_builder_is_named_after_the_context(
    docker: FakeDocker,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    outside: dict[str, str],
    current: str,
    expected: str,
) -> None:
    docker.on("context", "show", stdout=f"{current}\n")
    for name, value in outside.items():
        monkeypatch.setenv(name, value)
    builder = daemon_builder(ledger, given)
    assert (builder.name, builder.driver, builder.pushes_by_digest) == (expected, "docker", False)
    assert builder.environ["BUILDX_CONFIG"] == str(ledger.folder / "buildx")


def test_a_builder_that_is_not_there_is_told(docker: FakeDocker) -> None:
    docker.on("inspect", stderr='ERROR: no builder "mine" found\n', exit_code=1)
    with pytest.raises(UsageProblem, match="looking for the builder 'mine': no builder \"mine\" found") as caught:
        find_builder("mine", {})
    assert "docker buildx ls" in caught.value.hint
    assert docker.calls[0].words == ["buildx", "inspect", "mine"]


@pytest.mark.parametrize(
    ("printed", "driver", "by_digest"),
    [
        ("Name:   mine\nDriver: docker-container\n", "docker-container", True),
        ("Name:          mine\nDriver:        docker\n\nNodes:\nName: x\nDriver Options: a\n", "docker", False),
        ("Name: mine\nDriver: kubernetes\n", "other", True),
        ("Name: mine\nDriver: remote\n", "other", True),
        ("", "other", True),
    ],
)
def test_the_driver_of_an_existing_builder_is_read(
    docker: FakeDocker, ledger: Ledger, printed: str, driver: str, by_digest: bool
) -> None:
    docker.on("inspect", stdout=printed)
    builder = existing_builder("mine", ledger, {})
    assert (builder.name, builder.driver, builder.pushes_by_digest) == ("mine", driver, by_digest)


@pytest.mark.parametrize("variable", ["DOCKER_CONFIG", "BUILDX_CONFIG"])
def test_an_existing_builder_is_used_through_a_copy(
    docker: FakeDocker, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    config = tmp_path / "theirs"
    monkeypatch.setenv(variable, str(config))
    instance = (config if variable == "BUILDX_CONFIG" else config / "buildx") / "instances" / "mine"
    instance.parent.mkdir(parents=True)
    instance.write_text('{"Name":"mine","Driver":"docker-container"}')
    before = (instance.stat().st_mtime_ns, sorted(config.rglob("*")))
    docker.on("inspect", stdout="Driver: docker-container\n")
    builder = existing_builder("mine", ledger, {})
    theirs, ours = docker.calls
    assert theirs.env.get("BUILDX_CONFIG") == (str(config) if variable == "BUILDX_CONFIG" else None)
    assert ours.env["BUILDX_CONFIG"] == builder.environ["BUILDX_CONFIG"] == str(ledger.folder / "buildx")
    copy = ledger.folder / "buildx" / "instances" / "mine"
    assert copy.read_text() == instance.read_text()
    assert (instance.stat().st_mtime_ns, sorted(config.rglob("*"))) == before
    assert ledger.entries() == ()  # it is never ours to remove


BUILDER = Builder("some-builder", "docker-container", {"BUILDX_CONFIG": "/x/buildx", "DOCKER_HOST": "unix:///y"})
RECORDED = (DATA / "good-0.13.txt").read_text()


def build(spec: BuildSpec, ledger: Ledger, platform: Platform = AMD64, **options: Any) -> Any:
    return build_platform(
        options.pop("builder", BUILDER),
        spec,
        platform,
        name=options.pop("name", "localhost:5001/app-0"),
        folder=ledger.folder,
        docker_config=ledger.folder / "docker",
        contexts=options.pop("contexts", {}),
        limit=options.pop("limit", 60),
        **options,
    )


def test_a_platform_is_built_and_pushed_by_digest(docker: FakeDocker, ledger: Ledger, spec: BuildSpec) -> None:
    docker.on("build", stderr=RECORDED, metadata=METADATA)
    built = build(spec, ledger, ARM_V7)
    (call,) = docker.calls
    assert call.words[:2] == ["buildx", "build"]
    assert call.after("--builder") == ["some-builder"]
    assert call.after("--platform") == ["linux/arm/v7"]
    assert call.after("--progress") == ["rawjson"]
    assert call.after("--file") == [str(spec.context / "Dockerfile")]
    (output,) = call.after("--output")
    assert set(output.split(",")) == {
        "type=image",
        "name=localhost:5001/app-0",
        "push-by-digest=true",
        "name-canonical=true",
        "push=true",
    }
    assert call.words[-1] == str(spec.context)
    assert not {"--target", "--build-arg", "--build-context", "--secret", "--tag"} & set(call.words)
    assert (call.env["DOCKER_CONFIG"], call.env["BUILDX_CONFIG"]) == (str(ledger.folder / "docker"), "/x/buildx")
    assert (call.env["DOCKER_HOST"], call.env["BUILDX_METADATA_WARNINGS"]) == ("unix:///y", "1")
    assert (built.platform, built.digest, built.warnings) == (ARM_V7, DIGEST, ())
    assert 0 < built.seconds < 60


def test_the_daemons_own_buildkit_pushes_a_tag_per_platform(
    docker: FakeDocker, ledger: Ledger, spec: BuildSpec
) -> None:
    docker.on("build", metadata=METADATA)
    build(spec, ledger, ARM_V7, builder=Builder("default", "docker", {}))
    (output,) = docker.calls[0].after("--output")
    assert output == "type=image,name=localhost:5001/app-0:linux-arm-v7,push=true"


def test_builds_that_run_side_by_side_have_metadata_of_their_own(
    docker: FakeDocker, ledger: Ledger, spec: BuildSpec
) -> None:
    docker.on("build", metadata=METADATA)
    for name in ("localhost:5001/app-0", "localhost:5001/app-1"):
        for platform in (AMD64, ARM_V7):
            build(spec, ledger, platform, name=name)
    files = {call.after("--metadata-file")[0] for call in docker.calls}
    assert len(files) == 4
    assert {Path(file).parent for file in files} == {ledger.folder}


def test_the_whole_specification_is_handed_on(
    docker: FakeDocker, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "very secret")
    docker.on("build", metadata=METADATA)
    whole = BuildSpec(
        context=tmp_path,
        dockerfile=tmp_path / "other file",
        target="test",
        args={"A": "1 2", "EMPTY": "", "TOKEN": None},
        contexts={"base": "docker-image://theirs"},
        secrets=("id=t,env=TOKEN", "id=f,src=/x"),
    )
    build(whole, ledger, contexts={"base": "docker-image://ours", "debian:12": "docker-image://copy"})
    (call,) = docker.calls
    assert call.after("--file") == [str(tmp_path / "other file")]
    assert call.after("--target") == ["test"]
    assert call.after("--build-arg") == ["A=1 2", "EMPTY=", "TOKEN"]
    assert call.env["TOKEN"] == "very secret"
    assert not any("very secret" in word for word in call.words)
    assert call.after("--secret") == ["id=t,env=TOKEN", "id=f,src=/x"]
    # What the user names wins over the copies of base images.
    assert set(call.after("--build-context")) == {"base=docker-image://theirs", "debian:12=docker-image://copy"}


def test_the_listener_hears_start_steps_and_end(docker: FakeDocker, ledger: Ledger, spec: BuildSpec) -> None:
    docker.on("build", stderr=RECORDED, metadata=METADATA)
    listener = Listener()
    build(spec, ledger, listener=listener)
    assert listener.heard[0] == ("started", AMD64)
    assert listener.heard[-1] == ("ended", AMD64, False)
    assert Step(4, 4, "RUN echo done") in listener.heard


def test_a_failing_build_has_its_reason_and_the_end_of_its_log(
    docker: FakeDocker, ledger: Ledger, spec: BuildSpec
) -> None:
    docker.on("build", stderr=(DATA / "failing-run-0.13.txt").read_text(), exit_code=1)
    listener = Listener()
    with pytest.raises(BuildError) as caught:
        build(spec, ledger, listener=listener)
    assert caught.value.tried == f"building {spec.context / 'Dockerfile'} for linux/amd64"
    assert caught.value.found.endswith("did not complete successfully: exit code: 7")
    assert "\n" not in caught.value.headline
    assert caught.value.detail.startswith("run.Dockerfile:5\n")
    assert caught.value.detail.endswith("\n  line 40\n  no such thing")
    assert caught.value.hint == "The end of that build's log:"
    assert listener.heard[-1] == ("ended", AMD64, True)


def test_a_build_that_loses_buildkit_is_tried_once_more_and_then_says_so(
    docker: FakeDocker, ledger: Ledger, spec: BuildSpec
) -> None:
    lost = "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF\n"
    docker.on("build", stderr=lost, exit_code=1)
    listener = Listener()
    with pytest.raises(BuildError, match="error reading from server") as caught:
        build(spec, ledger, listener=listener)
    assert len([call for call in docker.calls if "build" in call.words]) == 2
    assert caught.value.hint.startswith("BuildKit ended while it built.")
    assert [heard[0] for heard in listener.heard].count("started") == 1


def test_a_build_that_fails_without_a_word_is_an_error_too(docker: FakeDocker, ledger: Ledger, spec: BuildSpec) -> None:
    docker.on("build", exit_code=125)
    with pytest.raises(BuildError, match="buildx gave no reason") as caught:
        build(spec, ledger)
    assert (caught.value.hint, caught.value.detail) == ("", "")


def running_step() -> str:
    step = {"digest": "d", "name": "[2/2] RUN sleep", "started": "t"}
    log = {"vertex": "d", "data": "c28gZmFyCg=="}
    return "".join(json.dumps(one, indent=2) + "\n" for one in ({"vertexes": [step]}, {"logs": [log]}))


def test_a_build_that_takes_too_long_shows_the_step_that_it_was_at(
    docker: FakeDocker, ledger: Ledger, spec: BuildSpec
) -> None:
    docker.on("build", stderr=running_step(), seconds=600)
    listener = Listener()
    with pytest.raises(CommandTimeout) as caught:
        build(spec, ledger, limit=2, listener=listener)
    assert caught.value.headline == f"building {spec.context / 'Dockerfile'} for linux/amd64: no end within 2 s"
    assert caught.value.detail == "[2/2] RUN sleep\n  so far"
    assert "--multiarch-build-timeout" in caught.value.hint
    assert listener.heard[-1] == ("ended", AMD64, True)


def test_a_build_ends_when_the_run_does(docker: FakeDocker, ledger: Ledger, spec: BuildSpec) -> None:
    docker.on("build", stderr=running_step(), seconds=600)
    stopping = threading.Event()

    class Stopper(Listener):
        def build_step(self, platform: Platform, step: Step) -> None:
            stopping.set()

    with pytest.raises(CommandTimeout, match="stopped after"):
        build(spec, ledger, listener=Stopper(), stopping=stopping)


def test_buildkits_warnings_are_read(docker: FakeDocker, ledger: Ledger, spec: BuildSpec) -> None:
    docker.on("build", metadata=(DATA / "metadata-warnings-0.29.json").read_text())
    assert build(spec, ledger).warnings == (
        "StageNameCasing: Stage name 'Build' should be lowercase (line 1)",
        "FromAsCasing: 'AS' and 'from' keywords' casing do not match (line 1)",
        "ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase) (line 1)",
        'WorkdirRelativePath: Relative workdir "srv" can have unexpected results if the base image changes (line 2)',
    )


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"containerimage.digest": "x", "buildx.build.warnings": 5}',
        '{"containerimage.digest": "x", "buildx.build.warnings": [5]}',
    ],
)
def test_metadata_without_a_digest_is_an_error(
    docker: FakeDocker, ledger: Ledger, spec: BuildSpec, metadata: str | None
) -> None:
    docker.on("build", metadata=metadata)
    with pytest.raises(BuildError, match="for linux/amd64: no digest in its metadata"):
        build(spec, ledger)


def parsed(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads(text)
    # What is written is so little of TOML that reading it takes no library: tables, strings, lists of strings, booleans.
    tables: dict[str, Any] = {}
    table: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            table = tables.setdefault("registry", {}).setdefault(json.loads(line[len("[registry.") : -1]), {})
        else:
            key, _, value = line.partition(" = ")
            table[key] = json.loads(value)
    return tables


@pytest.mark.parametrize(
    ("mirrors", "insecure", "expected"),
    [
        ([], [], {}),
        (["https://m.example"], [], {"docker.io": {"mirrors": ["m.example"]}}),
        (
            ["http://127.0.0.1:5590", "https://m.example/"],
            [],
            {"docker.io": {"mirrors": ["127.0.0.1:5590", "m.example"]}, "127.0.0.1:5590": {"http": True}},
        ),
        (
            # BuildKit looks up a mirror's settings under its host alone (util/resolver/resolver.go).
            ["http://m:80/hub/proxy"],
            [],
            {"docker.io": {"mirrors": ["m:80/hub/proxy"]}, "m:80": {"http": True}},
        ),
        ([], ["a:5000", "b"], {"a:5000": {"http": True}, "b": {"http": True}}),
        (["http://a:5000"], ["a:5000"], {"docker.io": {"mirrors": ["a:5000"]}, "a:5000": {"http": True}}),
        ([], ['odd"name\\'], {'odd"name\\': {"http": True}}),
    ],
)
def test_the_daemons_registry_settings_are_handed_on(
    mirrors: list[str], insecure: list[str], expected: dict[str, Any]
) -> None:
    assert parsed(buildkitd_toml(mirrors, insecure)).get("registry", {}) == expected
