"""What runs of an image: pulled once and by digest, one warm container per platform, fresh ones that go again."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pytest_multiarch.engine.crashes import Judge
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.ledger import Ledger, Owned
from pytest_multiarch.engine.pulls import Pulls
from pytest_multiarch.engine.running import Running
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import EmulatorCrash, EngineError, PlatformUnavailable
from pytest_multiarch.image.credentials import Credentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import Answer, FakeEngineApi, Hijack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.results import CommandResult

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))


class Daemon(FakeEngineApi):
    """A daemon that has what it has pulled, and whose containers print a word and end."""

    def __init__(self) -> None:
        super().__init__()
        self.images: set[str] = set()
        self.runs = ""
        self.on("POST", "/images/create", self._pull)
        self.on("GET", "/images/.*/json", self._look)
        self.on("POST", "/containers/create", self._create)
        self.on("POST", "/containers/[^/]+/start", Answer(204))
        self.on("POST", "/containers/[^/]+/attach", Hijack(lambda: iter([(1, b"word")])))
        self.on("POST", "/containers/[^/]+/wait", Answer(json={"StatusCode": 0}))
        self.on("GET", "/containers/[^/]+/json", self._inspect)
        self.on("PUT", "/containers/[^/]+/archive", Answer(200))
        self.on("HEAD", "/containers/[^/]+/archive", Answer(404))

    def _pull(self) -> Answer:
        query = self.asked("POST", "/images/create")[-1].query
        self.images.add(f"{query['fromImage'][0]}@{query['tag'][0]}")
        return Answer(chunks=[b'{"status": "done"}\r\n'])

    def _create(self) -> Answer:
        name = self.asked("POST", "/containers/create")[-1].body["Image"]
        if name not in self.images:
            return Answer(404, json={"message": f"No such image: {name}"})
        return Answer(201, json={"Id": "c0ffee"})

    def _inspect(self) -> Answer:
        """Describe a container as the containerd store does: of the manifest that it was made from."""
        name = self.asked("GET", "/containers/[^/]+/json")[-1].path.split("/")[2]
        (made,) = [one for one in self.asked("POST", "/containers/create") if one.query["name"] == [name]]
        state = {"Running": True, "ExitCode": 0}
        return Answer(json={"State": state, "Image": self.runs or made.body["Image"].partition("@")[2]})

    def _look(self) -> Answer:
        name = self.asked("GET", "/images/.*/json")[-1].path[len("/images/") : -len("/json")]
        return (
            Answer(json={"Id": "x"}) if name in self.images else Answer(404, json={"message": f"No such image: {name}"})
        )


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    fake = Daemon()
    with fake.running():
        yield fake


@pytest.fixture
def engine(daemon: Daemon) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": daemon.url})
    yield connected
    connected.close()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.open_new({})


@pytest.fixture
def results() -> list[CommandResult]:
    return []


def fetching(engine: Engine, ledger: Ledger, node: Engine | None = None) -> Callable[[str, Platform], None]:
    """Return what brings images to the daemons: to ``node`` those for arm64."""
    pulls = Pulls(
        lambda platform: node if node is not None and platform == ARM64 else engine,
        lambda reference: ledger,
        lambda host: Credentials("me", "p") if host == "localhost:5001" else None,
    )
    return pulls.fetch


@pytest.fixture
def running(engine: Engine, ledger: Ledger, results: list[CommandResult]) -> Running:
    return Running(lambda platform: engine, ledger, fetch=fetching(engine, ledger), limit=20, on_result=results.append)


def image(platform: Platform) -> PlatformImage:
    digest = "sha256:" + ("a" if platform == AMD64 else "b") * 64
    reference = Reference.parse(f"localhost:5001/app@{digest}")
    manifest = SimpleNamespace(config=SimpleNamespace(digest="sha256:" + "c" * 64))
    return cast(
        "PlatformImage",
        SimpleNamespace(reference=reference, platform=platform, digest=digest, manifest=manifest),
    )


def name_of(one: PlatformImage) -> str:
    return str(one.reference)


def test_an_image_is_pulled_and_run_from_where_it_was_brought(engine: Engine, ledger: Ledger, daemon: Daemon) -> None:
    brought = Reference.parse("localhost:5001/copy@sha256:" + "b" * 64)
    asked = []

    def find(image: PlatformImage) -> Reference:
        asked.append(image)
        return brought

    running = Running(
        lambda platform: engine,
        ledger,
        fetch=fetching(engine, ledger),
        limit=20,
        on_result=lambda result: None,
        find=find,
    )
    wanted = image(ARM64)
    running.run(wanted, ["echo"])
    running.warm_container(wanted)
    assert set(map(id, asked)) == {id(wanted)}
    assert daemon.images == {str(brought)}
    assert len(daemon.asked("POST", "/images/create")) == 1
    assert [one.body["Image"] for one in daemon.asked("POST", "/containers/create")] == [str(brought)] * 2


def test_a_run_gives_its_result_to_the_caller_and_to_whoever_listens(
    running: Running, results: list[CommandResult]
) -> None:
    result = running.run(image(ARM64), ["echo"])
    assert (result.stdout, result.platform) == ("word", ARM64)
    assert results == [result]


def test_an_image_is_pulled_once_and_by_the_digest_of_its_platform(running: Running, daemon: Daemon) -> None:
    for _ in range(2):
        running.run(image(ARM64))
        running.run(image(AMD64))
    pulls = daemon.asked("POST", "/images/create")
    assert [(pull.query["tag"][0][:9], pull.query["platform"][0]) for pull in pulls] == [
        ("sha256:bb", "linux/arm64"),
        ("sha256:aa", "linux/amd64"),
    ]
    created = daemon.asked("POST", "/containers/create")
    assert [one.body["Image"] for one in created] == [name_of(image(platform)) for platform in (ARM64, AMD64)] * 2


def test_a_pulled_image_stands_in_the_book_unless_it_was_there(
    running: Running, daemon: Daemon, ledger: Ledger
) -> None:
    daemon.images.add(name_of(image(AMD64)))
    running.run(image(AMD64))
    running.run(image(ARM64))
    assert ledger.entries() == (Owned("image", name_of(image(ARM64))),)


def test_an_image_that_is_there_is_still_pulled_once(running: Running, daemon: Daemon) -> None:
    # On the classic store another platform may lie under that name.
    daemon.images.add(name_of(image(ARM64)))
    running.run(image(ARM64))
    running.run(image(ARM64))
    assert len(daemon.asked("POST", "/images/create")) == 1


def test_an_image_that_somebody_removed_is_pulled_again(running: Running, daemon: Daemon) -> None:
    running.run(image(ARM64))
    daemon.images.clear()
    running.run(image(ARM64))
    assert len(daemon.asked("POST", "/images/create")) == 2


def test_a_pull_that_fails_runs_nothing(running: Running, daemon: Daemon) -> None:
    daemon.on("POST", "/images/create", Answer(chunks=[b'{"error": "no match for platform"}\r\n']))
    with pytest.raises(EngineError, match="no match for platform"):
        running.run(image(ARM64))
    assert daemon.asked("POST", "/containers/create") == []


def test_after_a_restart_of_the_daemon_the_shared_container_comes_up_again_and_no_tests_own(
    running: Running, daemon: Daemon
) -> None:
    daemon.on("GET", "/networks/bridge", Answer(json={"Id": "before"}))
    warm = running.warm_container(image(ARM64))
    with running.fresh_container(image(ARM64)) as fresh:
        daemon.on("GET", "/networks/bridge", Answer(json={"Id": "after"}))
        daemon.on("GET", "/containers/[^/]+/json", Answer(json={"State": {"Running": False, "ExitCode": 137}}))
        daemon.on("POST", "/containers/[^/]+/exec", Answer(409, json={"message": "it is not running"}))
        before = len(daemon.asked("POST", "/containers/[^/]+/start"))
        for container in (warm, fresh):
            with pytest.raises(EngineError, match="is not running"):
                container.exec(["x"])
        started = daemon.asked("POST", "/containers/[^/]+/start")[before:]
        assert [one.path for one in started] == [f"/containers/{warm.name}/start"]


def test_there_is_one_warm_container_per_platform_however_many_ask(running: Running, daemon: Daemon) -> None:
    barrier = threading.Barrier(6)

    def ask(platform: Platform) -> str:
        barrier.wait(10)
        return running.warm_container(image(platform)).name

    with ThreadPoolExecutor(6) as pool:
        names = list(pool.map(ask, [AMD64, ARM64] * 3, timeout=20))
    assert len(set(names)) == 2
    assert names[0::2] == [names[0]] * 3
    assert len(daemon.asked("POST", "/containers/create")) == 2
    assert daemon.deleted == []


def test_a_warm_container_that_did_not_start_is_tried_again(running: Running, daemon: Daemon) -> None:
    daemon.on("POST", "/containers/[^/]+/start", Answer(500, json={"message": "no"}), Answer(204))
    with pytest.raises(EngineError):
        running.warm_container(image(ARM64))
    assert running.warm_container(image(ARM64)).platform == ARM64


def test_a_fresh_container_is_the_callers_own_and_goes_at_the_end(
    running: Running, daemon: Daemon, ledger: Ledger
) -> None:
    with running.fresh_container(image(ARM64)) as first, running.fresh_container(image(ARM64)) as second:
        assert first.name != second.name
        assert daemon.deleted == []
        assert Owned("container", first.name) in ledger.entries()
    assert daemon.deleted == [f"/containers/{second.name}", f"/containers/{first.name}"]
    assert {owned.kind for owned in ledger.entries()} == {"image"}


def test_a_fresh_container_and_a_run_have_what_is_asked_of_them(running: Running, daemon: Daemon) -> None:
    with running.fresh_container(image(ARM64), mounts={"/here": "/there"}, privileged=True, cap_add=["NET_ADMIN"]):
        pass
    running.run(image(ARM64), ["x"], mounts={"/here": "/there"}, privileged=True, cap_add=["NET_ADMIN"], tty=True)
    for request, has_terminal in zip(daemon.asked("POST", "/containers/create"), (False, True), strict=True):
        host = request.body["HostConfig"]
        assert (host["Privileged"], host["CapAdd"], host["Mounts"][0]["Target"]) == (True, ["NET_ADMIN"], "/there")
        assert request.body["Tty"] is has_terminal


def test_a_fresh_container_goes_also_when_the_test_fails(running: Running, daemon: Daemon) -> None:
    with pytest.raises(ZeroDivisionError), running.fresh_container(image(ARM64)):
        raise ZeroDivisionError
    assert len(daemon.deleted) == 1


def test_each_platform_runs_on_its_own_daemon(
    engine: Engine, daemon: Daemon, ledger: Ledger, results: list[CommandResult]
) -> None:
    node = Daemon()
    with node.running():
        there = Engine.at(node.url)
        running = Running(
            lambda platform: there if platform == ARM64 else engine,
            ledger,
            fetch=fetching(engine, ledger, there),
            limit=20,
            on_result=results.append,
        )
        running.run(image(AMD64))
        with running.fresh_container(image(ARM64)) as container:
            assert Owned("container", container.name, node.url) in ledger.entries()
        there.close()
    assert node.deleted == [f"/containers/{container.name}"]
    assert [one.query["platform"] for one in daemon.asked("POST", "/containers/create")] == [["linux/amd64"]]
    assert [one.query["platform"] for one in node.asked("POST", "/containers/create")] == [["linux/arm64"]]
    assert Owned("image", name_of(image(ARM64)), node.url) in ledger.entries()


@pytest.fixture
def judged(engine: Engine, ledger: Ledger, results: list[CommandResult]) -> Callable[[Support], Running]:
    def make(support: Support) -> Running:
        def judge(platform: Platform) -> Judge:
            support.check()
            return Judge(support, 5)

        return Running(
            lambda _: engine, ledger, fetch=fetching(engine, ledger), limit=20, on_result=results.append, judge=judge
        )

    return make


def test_what_does_not_run_is_told_before_anything_is_pulled(
    judged: Callable[[Support], Running], daemon: Daemon
) -> None:
    running = judged(Support(ARM64, "unavailable", reason="nobody emulates it"))
    with pytest.raises(PlatformUnavailable, match="running linux/arm64 here: nobody emulates it"):
        running.run(image(ARM64))
    with pytest.raises(PlatformUnavailable):
        running.warm_container(image(ARM64))
    with pytest.raises(PlatformUnavailable), running.fresh_container(image(ARM64)):
        pass
    assert daemon.asked("POST") == []


@pytest.mark.parametrize(
    ("support", "init"), [(Support(ARM64, "emulated", "qemu-aarch64"), True), (Support(ARM64, "native"), None)]
)
def test_only_under_emulation_a_fresh_container_has_dockers_init(
    judged: Callable[[Support], Running], daemon: Daemon, support: Support, init: bool | None
) -> None:
    assert judged(support).run(image(ARM64)).how == support.how
    (asked,) = daemon.asked("POST", "/containers/create")
    assert (asked.body.get("HostConfig") or {}).get("Init") is init


def test_a_crash_that_comes_back_is_no_result(
    judged: Callable[[Support], Running], daemon: Daemon, results: list[CommandResult]
) -> None:
    daemon.on("POST", "/containers/[^/]+/wait", Answer(json={"StatusCode": 139}))
    running = judged(Support(ARM64, "emulated", "qemu-aarch64"))
    with pytest.raises(EmulatorCrash, match="exit code 139, which is SIGSEGV"):
        running.run(image(ARM64))
    assert len(daemon.asked("POST", "/containers/create")) == len(daemon.deleted) == 2
    assert results == []
    assert running.run(image(ARM64), emulator_crash="return").exit_code == 139


def test_a_crash_in_a_warm_container_is_tried_again_in_the_same_one(
    judged: Callable[[Support], Running], daemon: Daemon, results: list[CommandResult]
) -> None:
    # A proxy before the daemon, say: then commands are the daemon's.
    daemon.on("POST", "/containers/[^/]+/attach", Answer(403, json={"message": "not that"}))
    daemon.on("POST", "/containers/[^/]+/exec", Answer(201, json={"Id": "e1"}))
    daemon.on("POST", "/exec/e1/start", Hijack(lambda: iter([(1, b"word")])))
    daemon.on("GET", "/exec/e1/json", Answer(json={"ExitCode": 134}), Answer(json={"ExitCode": 0}))
    container = judged(Support(ARM64, "emulated", "qemu-aarch64")).warm_container(image(ARM64))
    assert container.exec(["app"]).exit_code == 0
    assert [one.exit_code for one in results] == [0]
    assert len(daemon.asked("POST", "/exec/e1/start")) == 2


def test_another_image_than_that_of_the_digest_is_never_taken(
    running: Running, daemon: Daemon, ledger: Ledger, results: list[CommandResult]
) -> None:
    daemon.runs = "sha256:" + "f" * 64
    with pytest.raises(EngineError, match=r"the daemon runs sha256:f{64}, not sha256:b{64}"):
        running.run(image(ARM64))
    with pytest.raises(EngineError, match="the daemon runs"), running.fresh_container(image(ARM64)):
        pass
    with pytest.raises(EngineError, match="the daemon runs"), running.start(image(ARM64)):
        pass
    assert len(daemon.deleted) == 3
    assert results == []


def test_a_service_may_be_privileged_or_have_more_capabilities(running: Running, daemon: Daemon) -> None:
    daemon.on("POST", "/containers/[^/]+/start", Answer(400, json={"message": "exec: no such file"}))
    with (
        pytest.raises(EngineError, match="exec: no such file"),
        running.start(image(ARM64), privileged=True, cap_add=["NET_ADMIN"]),
    ):
        pass
    (made,) = daemon.asked("POST", "/containers/create")
    assert (made.body["HostConfig"]["Privileged"], made.body["HostConfig"]["CapAdd"]) == (True, ["NET_ADMIN"])


def test_a_service_goes_also_when_it_does_not_start(running: Running, daemon: Daemon, ledger: Ledger) -> None:
    daemon.on("POST", "/containers/[^/]+/start", Answer(400, json={"message": "exec: no such file"}))
    with pytest.raises(EngineError, match="exec: no such file"), running.start(image(ARM64), ports=[80]):
        pass
    assert len(daemon.deleted) == 1
    assert {owned.kind for owned in ledger.entries()} == {"image"}
