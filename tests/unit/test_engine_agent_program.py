"""The agent itself, as a program on this machine: what it runs, what it says of it, and what it does not take."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.agent.program import ARCHITECTURES, agent_program
from pytest_multiarch.engine.agent.wire import ENDED, ERR, OUT, REFUSED, agent_frames, exit_code_of, request_bytes
from pytest_multiarch.image.elf import misfits, read_elf
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HOST = Platform.from_fields("linux", platform.machine())

pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or HOST.architecture not in ARCHITECTURES,
    reason="the agent has no build for this machine",
)


@contextmanager
def served(path: Path, env: Mapping[str, str] | None = None) -> Iterator[Agent]:
    """Start the agent, which no signal but the last one ends, and end it."""
    process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    try:
        yield Agent(process)
    finally:
        process.kill()
        process.communicate()


class Agent:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._frames = agent_frames(self._pieces())

    def run(self, args: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[bytes, bytes, tuple[int, int]]:
        """Return both outputs of a command, and its last frame's kind and number."""
        request = request_bytes(args, env or {})
        assert request is not None
        return self.ask(request)

    def ask(self, request: bytes) -> tuple[bytes, bytes, tuple[int, int]]:
        assert self.process.stdin is not None
        self.process.stdin.write(request)
        self.process.stdin.flush()
        outputs = {OUT: bytearray(), ERR: bytearray()}
        for kind, content in self._frames:
            if kind in outputs:
                outputs[kind] += content
                continue
            number = exit_code_of(content) if kind == ENDED else int.from_bytes(content, "big")
            return bytes(outputs[OUT]), bytes(outputs[ERR]), (kind, number)
        pytest.fail("the agent says nothing more")

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            yield OUT, data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    program = agent_program(HOST)
    assert program is not None
    place = tmp_path / "agent"
    place.write_bytes(program)
    place.chmod(0o755)
    return place


@pytest.fixture
def agent(path: Path) -> Iterator[Agent]:
    with served(path) as running:
        yield running


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_is_a_static_program_for_its_machine(name: str) -> None:
    machine = Platform.parse(f"linux/{name}")
    program = agent_program(machine)
    assert program is not None
    elf = read_elf(program, "agent")
    assert elf is not None
    assert elf.is_static
    assert elf.is_executable
    assert misfits(elf, machine) == ()
    assert len(program) < 8192


@pytest.mark.parametrize("name", ["linux/386", "linux/riscv64", "linux/arm/v7", "windows/amd64"])
def test_there_is_none_for_other_machines(name: str) -> None:
    assert agent_program(Platform.parse(name)) is None


def test_it_gives_both_outputs_and_how_a_command_ended(agent: Agent) -> None:
    assert agent.run(["true"]) == (b"", b"", (ENDED, 0))
    assert agent.run(["sh", "-c", "echo out; echo err >&2; exit 7"]) == (b"out\n", b"err\n", (ENDED, 7))
    assert agent.run(["/bin/sh", "-c", "kill -SEGV $$"]) == (b"", b"", (ENDED, 128 + signal.SIGSEGV))


def test_large_outputs_come_whole(agent: Agent) -> None:
    program = (
        "import sys\nfor n in range(500): sys.stdout.write(f'{n:09}\\n' * 1000); sys.stderr.write(f'{n:09}\\n' * 1000)"
    )
    out, err, last = agent.run([sys.executable, "-c", program])
    assert out == err == b"".join(b"%09d\n" % number * 1000 for number in range(500))
    assert last == (ENDED, 0)


def test_a_command_has_nothing_to_read_and_a_session_of_its_own(agent: Agent) -> None:
    program = "import os; print(os.readlink('/proc/self/fd/0'), os.getsid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd')))"
    out, _, last = agent.run([sys.executable, "-c", program])
    assert (out, last) == (b"/dev/null True ['0', '1', '2', '3']\n", (ENDED, 0))  # 3 is the folder that is listed


def test_a_command_blocks_and_ignores_no_signal(agent: Agent) -> None:
    # By its path, as the agent is: from 3.13 on, subprocess starts such programs in another way, in which more is ignored.
    masks = [shutil.which("grep") or "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    # Those of whoever started the agent stay: of this process, that may have been started by nohup.
    expected = subprocess.run(masks, capture_output=True, check=True, timeout=20).stdout
    assert agent.run(masks)[0] == expected
    assert expected.startswith(b"SigBlk:\t" + b"0" * 16)


def test_variables_take_the_place_of_those_of_the_same_name(path: Path) -> None:
    with served(path, {"PATH": os.environ["PATH"], "ONE": "1", "TWO": "2"}) as agent:
        given = {"TWO": "zwei=2", "TW": "", "LONGER": "x" * 5000}
        out, _, _ = agent.run(["env"], given)
        assert out.decode().splitlines() == [
            *(f"PATH={os.environ['PATH']}", "ONE=1", "TWO=zwei=2", "TW=", f"LONGER={'x' * 5000}")
        ]
        assert agent.run(["env"])[0].decode().splitlines() == [f"PATH={os.environ['PATH']}", "ONE=1", "TWO=2"]


def test_a_command_is_looked_for_along_its_own_path(path: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode in ((first, 0o644), (second, 0o755)):
        folder.mkdir()
        (folder / "tool").write_text(f"#!/bin/sh\necho {folder.name}\n", encoding="utf-8")
        (folder / "tool").chmod(mode)
    with served(path, {"PATH": "/nowhere"}) as agent:
        # What may not be executed is passed over; /etc/passwd is no folder.
        assert agent.run(["tool"], {"PATH": f"/etc/passwd:{first}:{second}:/bin"}) == (b"second\n", b"", (ENDED, 0))
        assert agent.run(["tool"], {"PATH": f"{first}"})[2] == (REFUSED, errno.EACCES)
        assert agent.run(["tool"])[2] == (REFUSED, errno.ENOENT)
        # What this means is for the daemon to say.
        assert agent.run(["tool"], {"PATH": f".:{second}"})[2] == (REFUSED, errno.EINVAL)
        assert agent.run(["tool"], {"PATH": ""})[2] == (REFUSED, errno.ENOENT)
        assert agent.run([str(second / "tool")]) == (b"second\n", b"", (ENDED, 0))


def test_what_cannot_be_executed_is_refused_with_the_reason(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "nothing").write_bytes(b"\x7fELF, or not")
    (tmp_path / "nothing").chmod(0o755)
    assert agent.run([str(tmp_path / "nothing")])[2] == (REFUSED, errno.ENOEXEC)
    assert agent.run([str(tmp_path / "missing")])[2] == (REFUSED, errno.ENOENT)
    assert agent.run([str(tmp_path)])[2] == (REFUSED, errno.EACCES)
    assert agent.run([""])[2] == (REFUSED, errno.ENOENT)
    assert agent.run(["x" * 5000])[2] == (REFUSED, errno.ENOENT)
    assert agent.run(["echo", "still here"]) == (b"still here\n", b"", (ENDED, 0))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(struct.pack(">LL", 1, 0), id="without arguments"),
        pytest.param(struct.pack(">LL", 0, 0) + b"ls\0", id="no argument"),
        pytest.param(struct.pack(">LL", 2, 0) + b"ls\0", id="one argument too few"),
        pytest.param(struct.pack(">LL", 1, 0) + b"ls\0-l\0", id="one too many"),
        pytest.param(struct.pack(">LL", 1, 0) + b"ls", id="no end"),
        pytest.param(struct.pack(">LL", 2**32 - 1, 2) + b"ls\0", id="a number that overflows"),
        pytest.param(struct.pack(">LL", 16384, 16384) + b"ls\0" * 20000, id="more than there is"),
    ],
)
def test_a_request_that_is_none_is_refused_and_the_next_one_served(agent: Agent, body: bytes) -> None:
    kind, _ = agent.ask(struct.pack(">L", len(body)) + body)[2]
    assert kind == REFUSED
    assert agent.run(["echo", "next"]) == (b"next\n", b"", (ENDED, 0))


def test_many_arguments_and_a_large_one_arrive(agent: Agent) -> None:
    words = [str(number) for number in range(9000)]
    assert agent.run(["echo", *words])[0].split() == [word.encode() for word in words]
    assert agent.run(["printf", "%s", "x" * 100_000])[0] == b"x" * 100_000


def test_what_goes_on_writing_after_a_commands_end_is_heard_for_two_seconds(agent: Agent) -> None:
    started = time.monotonic()
    out, _, last = agent.run(["sh", "-c", "(sleep 0.3; echo later; sleep 60; echo never) & echo $!"])
    took = time.monotonic() - started
    pid, word = out.split()
    os.kill(int(pid), signal.SIGKILL)
    assert (word, last) == (b"later", (ENDED, 0))
    assert 2 <= took < 30


def test_what_never_stops_writing_holds_nothing_up(agent: Agent) -> None:
    out, _, last = agent.run(["sh", "-c", "yes & exit 5"])
    assert out.startswith(b"y\ny\n")
    assert last == (ENDED, 5)
    assert agent.run(["echo", "next"]) == (b"next\n", b"", (ENDED, 0))


def test_a_command_that_closes_its_outputs_is_still_waited_for(agent: Agent) -> None:
    assert agent.run(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 3"]) == (b"", b"", (ENDED, 3))


def test_nobody_else_may_read_or_write_what_goes_through_it(agent: Agent) -> None:
    agent.run(["true"])  # it is up
    assert Path(f"/proc/{agent.process.pid}/fd").stat().st_uid == 0
    out, _, last = agent.run(["stat", "--format=%u", "/proc/self/fd"])
    assert (out, last) == (f"{os.getuid()}\n".encode(), (ENDED, 0))  # what it runs is as always


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack(">L", 100) + b"half", struct.pack(">L", 2**32 - 1) + b"x"])
def test_without_anybody_to_serve_it_stays(path: Path, sent: bytes) -> None:
    with served(path) as agent:
        assert agent.process.stdin is not None
        agent.process.stdin.write(sent)
        agent.process.stdin.close()
        agent.process.stdin = None
        with pytest.raises(subprocess.TimeoutExpired):
            agent.process.wait(0.3)
