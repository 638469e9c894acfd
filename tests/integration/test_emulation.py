"""How platforms run for real: what is found before a run is what runs, and a crash is whose it is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.emulators import register
from pytest_multiarch.engine.ledger import Ledger
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import CommandTimeout, EmulatorCrash, EmulatorsMissing, EngineError, PlatformMissing
from pytest_multiarch.platforms import Platform
from tests.integration.support import AMD64, ARM64, docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource

PLATFORMS = tuple(map(Platform.parse, ("linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7", "linux/s390x")))
NATIVE = {"amd64": {"amd64", "386"}, "arm64": {"arm64"}}.get(Platform.host().architecture, set())
FACTS = "import platform, struct, sys; print(platform.machine(), 8 * struct.calcsize('P'), sys.byteorder)"
# Without a core file, which takes QEMU seconds to write.
ABORT = ["sh", "-c", "ulimit -c 0; exec python3 -c 'import os; os.abort()'"]
SEGFAULT = ["sh", "-c", "ulimit -c 0; exec python3 -c 'import ctypes; ctypes.string_at(0)'"]
BITS = {"linux/386": 32, "linux/arm/v7": 32}


@pytest.fixture(scope="module")
def python(environment: Environment) -> ImageSource:
    return environment.published("python:3.11-slim")


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
def test_a_platform_runs_as_was_found_before(environment: Environment, python: ImageSource, platform: Platform) -> None:
    found = environment.supports.of(platform)
    assert found.status == ("native" if platform.architecture in NATIVE else "emulated")
    if found.is_emulated:
        assert found.emulator.startswith(("qemu-", "Rosetta"))
    result = python.platform(platform).run(["python3", "-c", FACTS])
    machine = platform.kernel_machine(Platform.host(), emulated=found.is_emulated)
    order = "big" if platform.architecture == "s390x" else "little"
    assert result.stdout == f"{machine} {BITS.get(str(platform), 64)} {order}\n"
    assert result.how == found.how


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_container_tells_the_same_as_the_kernel(
    make_environment: Callable[..., Environment],
    environment: Environment,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Engine, "shares_kernel", False)
    by_container = make_environment()
    found, known = by_container.supports.of(platform), environment.supports.of(platform)
    assert (found.status, found.emulator, found.kernel) == (known.status, known.emulator, os.uname().release)
    assert by_container.close() == []


def test_emulators_are_registered_from_what_packages_describe(tmp_path: Path) -> None:
    # A kernel from 6.7 on gives each user namespace a binfmt_misc of its own: the machine's stays as it is.
    script = """
import json, subprocess, sys
from pathlib import Path
from pytest_multiarch.engine.emulators import register_described
from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.engine.trial import try_here
from pytest_multiarch.platforms import Platform

binfmt, platform = Path(sys.argv[1]), Platform.parse("linux/s390x")
program = probe_program(platform)
if subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", binfmt]).returncode:
    sys.exit(77)
told = []
def look():
    found = try_here(platform, program, binfmt=binfmt)
    told.append([found.status, found.emulator, found.reason, found.hint])
look()
register_described(platform, binfmt=binfmt)
look()
line = (binfmt / "qemu-s390x").read_text()
(binfmt / "qemu-s390x").write_text("0")
look()
register_described(platform, binfmt=binfmt)
look()
(binfmt / "status").write_text("0")
look()
print(json.dumps(told))
"""
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode == 77:
        pytest.skip("this kernel has one binfmt_misc for all namespaces")
    assert done.returncode == 0, done.stderr
    nothing, registered, off, again, all_off = json.loads(done.stdout)
    assert nothing[:3] == ["unavailable", "", "no emulator is registered for it with the kernel"]
    assert "> /proc/sys/fs/binfmt_misc/register" in nothing[3]
    assert registered[:2] == again[:2] == ["emulated", "qemu-s390x"]
    assert off[2] == "its emulator qemu-s390x is switched off"
    assert "echo 1 > /proc/sys/fs/binfmt_misc/qemu-s390x" in off[3]
    assert all_off[2] == "binfmt_misc is switched off in the kernel"


def test_an_images_report_of_emulators_is_believed_and_not_its_exit_code(engine: Engine, tmp_path: Path) -> None:
    report = '{"supported": ["linux/amd64", "linux/arm64"], "emulators": ["qemu-aarch64"]}'
    dockerfile = f"FROM debian:bookworm-slim\nENTRYPOINT echo installing >&2; echo '{report}'\n"
    name = "multiarch-test-binfmt:latest"
    # Not from standard input: buildx leaves the folder into which it copies that.
    (tmp_path / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", name, str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, **engine.environ},
    )
    ledger = Ledger.open_new({})
    try:
        register(engine, lambda: ledger, [ARM64], name)
        with pytest.raises(
            EmulatorsMissing, match=r"for linux/sparc64 with .*: it reports linux/amd64, linux/arm64 as"
        ):
            register(engine, lambda: ledger, [ARM64, Platform.parse("linux/sparc64")], name)
        assert ledger.entries() == ()
    finally:
        ledger.remove_folder()
        docker("rmi", name)


@pytest.mark.parametrize(
    ("fresh", "command", "signal"), [(True, ABORT, "6 (Aborted)"), (False, SEGFAULT, "11 (Segmentation fault)")]
)
def test_a_program_that_dies_under_qemu_is_a_crash_of_the_emulator(
    python: ImageSource, fresh: bool, command: list[str], signal: str
) -> None:
    image = python.platform(ARM64)
    run = image.run if fresh else python.running.warm_container(image).exec
    with pytest.raises(EmulatorCrash) as crash:
        run(command)
    assert f"qemu: uncaught target signal {signal}" in crash.value.found
    assert crash.value.found.endswith("(twice)")
    assert f"on kernel {os.uname().release}" in crash.value.hint
    assert run(command, emulator_crash="return").exit_code == 128 + int(signal.split()[0])


@pytest.mark.parametrize(("command", "exit_codes"), [(ABORT, {134}), (SEGFAULT, {139})])
def test_natively_it_is_the_programs_own_end(python: ImageSource, command: list[str], exit_codes: set[int]) -> None:
    container = python.running.warm_container(python.platform(AMD64))
    assert container.exec(command).exit_code in exit_codes
    # As the first process of a container it cannot be sent SIGABRT: the C library then ends it by a fault.
    assert python.platform(AMD64).run(command).exit_code in {*exit_codes, 139}


def test_limits_are_longer_under_emulation_and_say_so(make_environment: Callable[..., Environment]) -> None:
    source = make_environment(emulation_factor=3.0).published("python:3.11-slim")
    with pytest.raises(CommandTimeout, match=r"no end within \d s, 3 times its limit, because it is emulated by qemu-"):
        source.platform(ARM64).run(["sleep", "600"], timeout=1)


def test_select_takes_what_the_daemon_takes_without_a_platform(
    engine: Engine, environment: Environment, tmp_path: Path
) -> None:
    # An image of its own: the classic store lets no name go whose image another test's container runs.
    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim\nENV TAKEN_WITHOUT_A_PLATFORM=1\n")
    image = environment.build(BuildSpec(context=tmp_path), [ARM64, AMD64]).image()
    selected = image.select(engine.facts.platform)
    reference = str(image.reference)
    engine.pull(reference, credentials=environment.registry().credentials)
    try:
        said = docker("run", "--rm", reference, "sha256sum", "/usr/bin/dash")
    finally:
        docker("image", "rm", reference)
    assert said.split()[0] == hashlib.sha256(selected.files.read_bytes("/usr/bin/dash")).hexdigest()


def test_where_an_index_lacks_the_host_select_and_the_daemon_say_so(
    engine: Engine, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    image = environment.build(BuildSpec(context=tmp_path), [ARM64]).image()
    assert not engine.facts.platform.accepts(ARM64), "this test is for machines that are not arm64"
    with pytest.raises(PlatformMissing, match=r"find what runs on linux/\w+ .*: it offers linux/arm64"):
        image.select(engine.facts.platform)
    with pytest.raises(EngineError, match="no match"):
        engine.pull(str(image.reference), credentials=environment.registry().credentials)
