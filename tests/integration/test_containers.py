"""Containers of images with and without a shell, on each platform: commands, files, limits, and large input and output."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.mounts import Mount
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.engine.tiny_elf import pausing_program
from pytest_multiarch.engine.waiting import Healthy
from pytest_multiarch.errors import CommandTimeout, EngineError, FileProblem
from pytest_multiarch.platforms import Platform
from tests.integration.support import AMD64, docker
from tests.unit.fake_registry import FakeRegistry
from tests.unit.files.common import add_image, file, tar
from tests.unit.images import add_index
from tests.unit.programs import printing_program

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.engine.container import Container
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource

# What `struct.calcsize` and `sys.byteorder` say there: the machine itself, whatever kernel or emulator is below it.
PLATFORMS = {
    "linux/amd64": "64 little",
    "linux/arm64": "64 little",
    "linux/arm/v7": "32 little",
    "linux/386": "32 little",
    "linux/s390x": "64 big",
}
MACHINE = "import struct, sys; print(8 * struct.calcsize('P'), sys.byteorder, sys.stdin.read())"


@pytest.fixture(scope="session")
def python(environment: Environment) -> ImageSource:
    return environment.published("python:3.11-slim")


@pytest.fixture(scope="session")
def warm(python: ImageSource) -> Container:
    return python.running.warm_container(python.platform(AMD64))


@pytest.fixture(scope="session")
def bare(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    """Return an image without a shell, whose own program is missing."""
    folder: Path = tmp_path_factory.mktemp("bare")
    pausing = pausing_program(AMD64)
    assert pausing is not None
    for name, data in (("hello", printing_program(b"hello\n")), ("wait", pausing)):
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o755)
    (folder / "Dockerfile").write_text(
        'FROM scratch\nCOPY hello wait /\nHEALTHCHECK --interval=1s CMD ["/hello"]\nENTRYPOINT ["/missing"]\n',
        encoding="utf-8",
    )
    return environment.build(BuildSpec(context=folder), [AMD64])


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_runs_a_fresh_container_and_a_warm_one(python: ImageSource, name: str) -> None:
    image = python.platform(Platform.parse(name))
    said = f"{PLATFORMS[name]} grüße\n"
    assert image.run(["python", "-c", MACHINE], stdin="grüße").stdout == said
    container = python.running.warm_container(image)
    assert container.exec(["python", "-c", MACHINE], stdin="grüße".encode()).stdout == said
    container.put("/srv/new/words.txt", "grüße")
    assert container.exec(["cat", "/srv/new/words.txt"]).stdout == "grüße"
    assert container.read_text("/etc/debian_version") == image.files.read_text("/etc/debian_version")


def test_what_a_warm_container_adopts_does_not_stay_as_a_zombie(warm: Container) -> None:
    orphan = warm.exec(["sh", "-c", "sleep 0.2 >&- 2>&- & echo $!"]).stdout.strip()
    # A zombie keeps its folder in /proc.
    gone = warm.exec(["sh", "-c", f"while [ -e /proc/{orphan} ]; do :; done"], timeout=20)
    assert gone.exit_code == 0


def test_nothing_is_left_of_a_command_that_outlives_its_limit(python: ImageSource) -> None:
    with python.running.fresh_container(python.platform(AMD64)) as container:
        container.put("/kept", "kept")
        with pytest.raises(CommandTimeout, match="no end within") as stopped:
            container.exec(["sh", "-c", "sleep 4321 & echo so far; sleep 4321"], timeout=4)
        assert stopped.value.detail == "so far\n"
        assert "was restarted" in stopped.value.hint
        processes = container.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).stdout
        assert "multiarch-keep-alive" in processes
        assert "4321" not in processes
        assert container.read_text("/kept") == "kept"


def test_a_command_that_closes_its_outputs_is_still_waited_for(warm: Container, python: ImageSource) -> None:
    closing = ["sh", "-c", "exec >&- 2>&-; sleep 0.5; exit 3"]
    assert warm.exec(closing).exit_code == 3
    assert python.platform(AMD64).run(closing).exit_code == 3


def test_an_image_without_a_shell_has_a_warm_container(bare: ImageSource) -> None:
    container = bare.running.warm_container(bare.platform(AMD64))
    assert container.exec(["/hello"]).stdout == "hello\n"
    container.put("/data/deep/er", b"\0\xff", mode=0o600)
    assert container.read("/data/deep/er") == b"\0\xff"
    with pytest.raises(CommandTimeout, match="no end within"):
        container.exec(["/wait"], timeout=1)
    assert container.exec(["/hello"]).stdout == "hello\n"


def test_a_warm_container_that_is_killed_does_not_come_up_again_unnoticed(bare: ImageSource) -> None:
    container = bare.running.warm_container(bare.platform(AMD64))
    docker("kill", container.name)
    for _ in range(2):
        with pytest.raises(EngineError, match="is not running"):
            container.exec(["/hello"])
    docker("start", container.name)
    assert container.exec(["/hello"]).stdout == "hello\n"


def test_an_image_whose_own_program_is_missing_says_so(bare: ImageSource) -> None:
    image = bare.platform(AMD64)
    with pytest.raises(EngineError, match="/missing"):
        image.run()
    with pytest.raises(EngineError, match="/missing"), image.start():
        pass


def test_a_health_check_can_be_waited_for(bare: ImageSource, python: ImageSource) -> None:
    with bare.platform(AMD64).start(entrypoint=["/wait"], wait_for=Healthy()) as service:
        assert service.state["Health"]["Status"] == "healthy"
    with (
        pytest.raises(EngineError, match="the image has no health check"),
        python.platform(AMD64).start(["sleep", "60"], wait_for=Healthy()),
    ):
        pass


def test_large_input_and_output_flow_at_once(warm: Container, python: ImageSource) -> None:
    data = bytes(range(256)) * 40_000  # 10 MB
    assert warm.exec(["cat"], stdin=data).stdout_bytes == data
    assert python.platform(AMD64).run(["cat"], stdin=data).stdout_bytes == data


def test_input_that_nobody_reads_holds_nothing_up(warm: Container, python: ImageSource) -> None:
    data = bytes(10_000_000)
    assert warm.exec(["true"], stdin=data).exit_code == 0
    assert python.platform(AMD64).run(["true"], stdin=data).exit_code == 0


def test_without_input_a_command_reads_the_end(warm: Container, python: ImageSource) -> None:
    assert warm.exec(["cat"], stdin="").stdout == ""
    assert python.platform(AMD64).run(["cat"]).stdout == ""


MEASURED = """
import json, resource, sys
from pytest_multiarch.engine.environment import Environment
from pytest_multiarch.engine.options import EngineOptions
from pytest_multiarch.platforms import Platform
from tests.integration.support import Waiting

options = EngineOptions(
    builder="docker", mirrors=(), registry_image="", registry_port=None, buildkit_image="",
    build_timeout=60.0, command_timeout=120.0,
)
environment = Environment(options, Waiting(), lambda result: None)
try:
    image = environment.published("python:3.11-slim").platform(Platform.parse("linux/amd64"))
    image.run(["true"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = image.run(["head", "-c", "104857600", "/dev/zero"])
    shown = len(result.describe()) + len(repr(result))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([result.out.size, result.out.read_at(104857590, 100) == bytes(10), shown, after - before]))
finally:
    environment.close()
"""


def test_a_hundred_megabytes_of_output_do_not_fill_memory() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    size, ends_right, shown, kilobytes = json.loads(done.stdout)
    assert (size, ends_right) == (104857600, True)
    assert shown < 100_000
    assert kilobytes < 20_000


def test_files_are_reached_through_links_and_nothing_else_is(warm: Container) -> None:
    links = "ln -s real link; ln -s /srv/link/file to-file; ln -s a a"
    warm.exec(["sh", "-c", f"mkdir real; echo one > real/file; {links}"], workdir="/srv")
    assert warm.read_text("/srv/link/../link/file") == "one\n"
    warm.put("/srv/to-file", "two\n")
    assert warm.read_text("/srv/real/file") == "two\n"
    assert warm.exec(["readlink", "/srv/to-file"]).stdout == "/srv/link/file\n"
    for path, problem in (
        ("/srv/nothing", "there is no such file"),
        ("/srv/a", "too many links"),
        ("/srv", "it is a directory"),
        ("/dev/null", "it is no regular file|no such file"),
        ("srv/real/file", "not absolute"),
    ):
        with pytest.raises(FileProblem, match=problem):
            warm.read(path)
    with pytest.raises(FileProblem, match="it is a directory"):
        warm.put("/srv", "x")
    with pytest.raises(FileProblem, match="more than the 3 bytes"):
        warm.read("/srv/real/file", limit=3)


def test_run_takes_mounts_and_a_network(python: ImageSource, tmp_path: Path) -> None:
    (tmp_path / "word").write_text("said", encoding="utf-8")
    image = python.platform(AMD64)
    look = "cat /in/word; touch /in/new 2>/dev/null || echo ' read-only'; stat -f -c %T /mem; ls /sys/class/net"
    mounts = [Mount.bind(tmp_path, "/in", read_only=True), Mount.tmpfs("/mem", size=65536)]
    shown = image.run(["sh", "-c", look], mounts=mounts, network="none")
    assert shown.stdout == "said read-only\ntmpfs\nlo\n"
    image.run(["cp", "/in/word", "/in/copy"], mounts={tmp_path: "/in"})
    assert (tmp_path / "copy").read_text(encoding="utf-8") == "said"
    with pytest.raises(EngineError, match="no-such-folder"):
        image.run(["true"], mounts={tmp_path / "no-such-folder": "/in"})


TERMINAL = ["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo out && echo err >&2; exit 3"]


@pytest.mark.parametrize("name", ["linux/amd64", "linux/arm64"])
def test_run_and_exec_have_a_terminal_where_one_is_asked_for(python: ImageSource, name: str) -> None:
    image = python.platform(Platform.parse(name))
    container = python.running.warm_container(image)
    for result in (image.run(TERMINAL, tty=True), container.exec(TERMINAL, tty=True)):
        assert (result.stdout, result.stderr, result.exit_code) == ("out\r\nerr\r\n", "", 3)
    for result in (image.run(TERMINAL), container.exec(TERMINAL)):
        assert (result.stdout, result.exit_code) == ("", 3)
    large = ["head", "-c", "5000000", "/dev/zero"]
    assert image.run(large, tty=True).stdout_bytes == container.exec(large, tty=True).stdout_bytes == bytes(5_000_000)


def test_what_waits_for_a_terminals_input_is_stopped_at_its_limit(warm: Container, python: ImageSource) -> None:
    with pytest.raises(CommandTimeout) as stopped:
        python.platform(AMD64).run(["sh", "-c", "echo waiting; cat"], tty=True, timeout=2)
    assert stopped.value.detail == "waiting\r\n"
    with pytest.raises(CommandTimeout):
        warm.exec(["cat"], tty=True, timeout=1)


def test_a_run_and_a_service_may_be_privileged_or_have_one_capability_more(python: ImageSource) -> None:
    image = python.platform(AMD64)
    capable = ["grep", "CapEff", "/proc/self/status"]
    usual, more, privileged = (
        int(image.run(capable, **options).stdout.split()[1], 16)
        for options in ({}, {"cap_add": ["NET_ADMIN"]}, {"privileged": True})
    )
    assert more == usual | 1 << 12  # CAP_NET_ADMIN in linux/capability.h
    assert privileged & more == more
    assert privileged & 1 << 21  # CAP_SYS_ADMIN
    with pytest.raises(EngineError, match="CAP_NO_SUCH_THING"):
        image.run(["true"], cap_add=["NO_SUCH_THING"])
    for options, found in (({"cap_add": ["NET_ADMIN"]}, more), ({"privileged": True}, privileged)):
        with image.start(["sleep", "60"], **options) as service:
            assert int(service.exec(capable).stdout.split()[1], 16) == found


def test_a_platform_is_right_when_its_index_was_pulled_for_another_one(environment: Environment) -> None:
    with FakeRegistry().running() as registry:
        # Of this test alone: the classic store refuses an index that it has for another platform already.
        own = file("own", secrets.token_bytes(64))
        entries = [
            add_image(registry, "app", name, layers=[tar(file("hello", program, mode=0o755), own)])
            for name, program in (
                ("linux/amd64", printing_program(b"amd64\n")),
                ("linux/s390x", b"none of this machine's"),
            )
        ]
        index = f"{registry.host}/app@{add_index(registry, 'app', '1', entries=entries)}"
        docker("pull", "--quiet", "--platform", "linux/s390x", index)
        try:
            image = environment.published(index).platform(AMD64)
            assert image.run(["/hello"]).stdout == "amd64\n"
        finally:
            docker("image", "rm", "--force", index)
