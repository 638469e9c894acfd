"""How platforms run: asked once, in a container where the kernel is not ours, with what mends it where they do not."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.binfmt import Format, Registrations
from pytest_multiarch.engine.cpu_levels import missing_flags
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.emulation import Supports
from pytest_multiarch.engine.ledger import Ledger
from pytest_multiarch.engine.options import EngineOptions
from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.engine.remedies import failed_trial, remedy
from pytest_multiarch.engine.support import Support
from pytest_multiarch.engine.trial import emulator_name, try_here
from pytest_multiarch.errors import PlatformUnavailable, RunningDisabled
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import INFO, Answer, FakeEngineApi, Hijack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
QEMU = "/usr/bin/qemu-aarch64"


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def daemon() -> Iterator[FakeEngineApi]:
    """Return a daemon in a virtual machine, whose containers start, wait for their input and end."""
    fake = FakeEngineApi()
    fake.on("GET", "/info", Answer(json={**INFO, "KernelVersion": "6.6-linuxkit", "Name": "docker-desktop"}))
    fake.on("POST", "/images/create", Answer(json={"status": "sha256:1"}))
    fake.on("POST", "/containers/create", Answer(201, json={"Id": "c0ffee"}))
    fake.on("POST", "/containers/[^/]+/start", Answer(204))
    fake.on("POST", "/containers/[^/]+/attach", Hijack(lambda: iter(())))
    fake.on("POST", "/containers/[^/]+/wait", Answer(json={"StatusCode": 0}))
    with fake.running():
        yield fake


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.open_new({})


@pytest.fixture
def supports(daemon: FakeEngineApi, ledger: Ledger) -> Iterator[Callable[..., Supports]]:
    engine = Engine.connect({"DOCKER_HOST": daemon.url})

    def make(**options: Any) -> Supports:
        usual = {
            "builder": "auto",
            "mirrors": (),
            "registry_image": "r",
            "registry_port": None,
            "buildkit_image": "b",
            "build_timeout": 60,
            "command_timeout": 60,
        }
        return Supports(EngineOptions(**{**usual, **options}), lambda _: engine, lambda: ledger)

    yield make
    engine.close()


def top(command: str) -> Answer:
    return Answer(json={"Titles": ["UID", "PID", "CMD"], "Processes": [["root", "1", command]]})


def test_elsewhere_a_container_tells_and_its_process_names_the_emulator(
    supports: Callable[..., Supports], daemon: FakeEngineApi, ledger: Ledger
) -> None:
    daemon.on("GET", "/containers/[^/]+/top", top("runc init"), top(f"{QEMU} /multiarch-probe /multiarch-probe"))
    found = supports().of(ARM64)
    assert (found.status, found.emulator, found.kernel) == ("emulated", "qemu-aarch64", "6.6-linuxkit")
    assert found.how == "emulated by qemu-aarch64"
    assert len(daemon.asked("GET", "/containers/[^/]+/top")) == 2
    assert len(daemon.deleted) == 2
    assert ledger.entries() == ()


def test_a_program_that_is_its_own_process_is_native(supports: Callable[..., Supports], daemon: FakeEngineApi) -> None:
    daemon.on("GET", "/containers/[^/]+/top", top("/multiarch-probe"))
    assert supports().of(ARM64).status == "native"


def test_where_nobody_sees_the_process_the_daemons_platform_decides(
    supports: Callable[..., Supports], daemon: FakeEngineApi
) -> None:
    daemon.on("GET", "/containers/[^/]+/top", Answer(500, json={"message": "no ps"}))
    made = supports()
    assert made.of(AMD64).how == "native"
    assert made.of(ARM64).how == "emulated by an emulator"


def test_an_exec_format_error_is_unavailable_with_the_command_that_mends_it(
    supports: Callable[..., Supports], daemon: FakeEngineApi
) -> None:
    daemon.on(
        "POST", "/containers/[^/]+/start", Answer(400, json={"message": "exec /multiarch-probe: exec format error"})
    )
    made = supports()
    found = made.of(ARM64)
    assert found.how == "unavailable (the daemon's machine has no emulator for it (exec format error))"
    assert "docker run --privileged --rm tonistiigi/binfmt --install arm64" in found.hint
    with pytest.raises(PlatformUnavailable, match="running linux/arm64 here: the daemon's machine has no emulator"):
        made.judge(ARM64)


def test_each_platform_is_tried_once(supports: Callable[..., Supports], daemon: FakeEngineApi) -> None:
    daemon.on("GET", "/containers/[^/]+/top", top("/multiarch-probe"))
    made = supports()
    assert made.of(ARM64) is made.of(ARM64)
    assert len(daemon.asked("POST", "/containers/create")) == 1
    assert [one.platform for one in made.known] == [ARM64]


def test_what_no_program_tries_runs_where_it_is_the_daemons_own(
    supports: Callable[..., Supports], daemon: FakeEngineApi
) -> None:
    found = supports().of(Platform.parse("windows/amd64"))
    assert found.how == (
        "unavailable (the daemon runs linux/amd64, and no program is known here to try windows/amd64 with)"
    )
    assert daemon.asked("POST") == []


def test_a_run_that_only_reads_asks_nobody(supports: Callable[..., Supports], daemon: FakeEngineApi) -> None:
    made = supports(runs=False)
    with pytest.raises(RunningDisabled, match="--multiarch-no-run"):
        made.judge(ARM64)
    with pytest.raises(RunningDisabled):
        made.if_anything_runs(lambda: pytest.fail("made"))()
    assert daemon.asked("POST") == []


def test_a_program_that_does_not_run_to_its_end_is_unavailable(
    supports: Callable[..., Supports], daemon: FakeEngineApi
) -> None:
    daemon.on("GET", "/containers/[^/]+/top", top(f"{QEMU} /multiarch-probe"))
    daemon.on("POST", "/containers/[^/]+/wait", Answer(json={"StatusCode": 1}))
    assert supports().of(ARM64).reason == "the program that tries it ended with exit code 1 under qemu-aarch64"


@pytest.mark.parametrize(
    ("interpreter", "name"),
    [
        ("/usr/bin/qemu-aarch64-static", "qemu-aarch64"),
        ("/usr/libexec/qemu-binfmt/aarch64-binfmt-P", "qemu-aarch64"),
        ("/usr/bin/qemu-arm (deleted)", "qemu-arm"),
        ("/run/rosetta/rosetta", "Rosetta"),
    ],
)
def test_emulators_have_one_name(interpreter: str, name: str) -> None:
    assert emulator_name(interpreter) == name


def test_this_machines_own_platform_is_native_here() -> None:
    program = probe_program(Platform.host())
    assert program is not None
    found = try_here(Platform.host(), program, kernel=os.uname().release)
    assert found is not None
    assert found.how == "native"


@pytest.mark.parametrize(
    ("registrations", "gone", "reason", "command"),
    [
        (
            Registrations(readable=False),
            False,
            "not mounted",
            "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc",
        ),
        (Registrations(enabled=False), False, "switched off in the kernel", "echo 1 > /proc/sys/fs/binfmt_misc/status"),
        (Registrations(), False, "no emulator is registered", "--install arm64"),
        ("FO disabled", False, "qemu-aarch64 is switched off", "echo 1 > /proc/sys/fs/binfmt_misc/qemu-aarch64"),
        ("OP enabled", False, "without the flag F", "echo -1 > /proc/sys/fs/binfmt_misc/qemu-aarch64 && docker run"),
        ("OP enabled", True, f"{QEMU}, which qemu-aarch64 names, is not there", "--install arm64"),
    ],
)
def test_what_mends_it(
    registrations: Registrations | str, gone: bool, reason: str, command: str, tmp_path: Path
) -> None:
    program = probe_program(ARM64)
    assert program is not None
    found = None
    if isinstance(registrations, str):
        flags, _, state = registrations.partition(" ")
        found = Format("qemu-aarch64", QEMU, flags, 0, program[:20], b"", enabled=state == "enabled")
        registrations = Registrations((found,))
    support = Support(ARM64, "unavailable")
    mended = remedy(support, program, registrations, found, gone=gone, descriptions=(tmp_path,))
    assert reason in mended.reason
    assert command in mended.hint


def test_what_a_package_describes_is_registered_by_hand(tmp_path: Path) -> None:
    program = probe_program(ARM64)
    assert program is not None
    magic = "".join(f"\\x{byte:02x}" for byte in program[:20])
    line = f":qemu-aarch64:M::{magic}::{QEMU}:OPF"
    (tmp_path / "qemu.conf").write_text(line)
    mended = remedy(Support(ARM64, "unavailable"), program, Registrations(), None, descriptions=(tmp_path,))
    assert f"printf %s '{line}' > /proc/sys/fs/binfmt_misc/register" in mended.hint


def test_a_level_that_the_processor_lacks_names_its_flags(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "flags\t\t: cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 abm avx bmi1 bmi2 f16c fma movbe xsave\n"
    )
    assert missing_flags("v2", cpuinfo) == ()
    assert missing_flags("v3", cpuinfo) == ("avx2",)
    assert missing_flags("v3", tmp_path / "none") == ()


def test_a_level_that_an_emulator_lacks_is_the_emulators() -> None:
    support = Support(Platform.parse("linux/amd64/v4"), "emulated", "qemu-x86_64", "10.0.2")
    assert failed_trial(support, -4).reason == "qemu-x86_64 10.0.2's processor is not x86-64-v4"


def test_a_node_is_named() -> None:
    assert Support(ARM64, "native", endpoint="ssh://farm").how == "on the node ssh://farm"
    emulated = Support(ARM64, "emulated", "qemu-aarch64", endpoint="ssh://farm")
    assert emulated.how == "on the node ssh://farm, emulated by qemu-aarch64"
