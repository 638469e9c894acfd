"""Run the program that tries a platform, on this machine's kernel or in a container, and look at what executes it."""

from __future__ import annotations

import errno
import io
import os
import re
import socket
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_multiarch.engine.binfmt import KERNEL, read_registrations
from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.remedies import elsewhere, failed_trial, remedy
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.platforms import Platform

_LIMIT = 60  # seconds for a program of a few instructions, on a machine that is busy with builds
_VERSION = re.compile(r"version (\S+)")
_PROGRAM = "multiarch-probe"


def try_here(
    platform: Platform, program: bytes, *, kernel: str = "", endpoint: str = "", binfmt: Path = KERNEL
) -> Support | None:
    """Run the program on this machine's kernel and say how it ran; None where that tells nothing about containers."""
    registrations = read_registrations(binfmt)
    taken_by = registrations.taking(program)
    unavailable = Support(platform, "unavailable", kernel=kernel, endpoint=endpoint)
    with tempfile.TemporaryDirectory(prefix="pytest-multiarch-probe-") as folder:
        path = Path(folder, "probe")
        path.write_bytes(program)
        path.chmod(0o755)
        try:
            process = _started(path)
        except OSError as error:
            # Not "exec format error": the folder's file system may forbid programs, or the interpreter may be gone.
            if error.errno != errno.ENOEXEC and not (taken_by is not None and error.errno == errno.ENOENT):
                return None
            gone = taken_by is not None and taken_by.enabled and error.errno == errno.ENOENT
            return remedy(unavailable, program, registrations, taken_by, gone=gone)
        interpreter, version = _who_runs(process, path)
        exit_code = _ended(process)
    if interpreter is None:
        found = Support(platform, "native", kernel=kernel, endpoint=endpoint)
    else:
        if taken_by is None:
            return None  # something else than what can be read here: a container decides
        name = emulator_name(interpreter)
        found = Support(platform, "emulated", name, version, kernel, endpoint)
        if not taken_by.works_in_containers:
            return remedy(unavailable, program, registrations, taken_by)
    if exit_code == 0:
        return found
    return failed_trial(found, exit_code)


def try_in_container(engine: Engine, ledger: Ledger, platform: Platform, program: bytes) -> Support:
    """Run the program in a container of an image that holds nothing else, and say how it ran.

    The image is brought along, so no registry is asked; what it says of its platform does not matter to the kernel.
    """
    kernel, endpoint = engine.facts.kernel, engine.endpoint
    name = ledger.new_name("probe")
    # The book removes containers before images.
    owned = [ledger.add("image", f"{name}:latest", endpoint), ledger.add("container", name, endpoint)]
    tried = f"trying {platform} in a container"
    api = engine.api
    try:
        with translated(tried):
            api.import_image_from_data(_archive(program), repository=name, tag="latest")
            api.create_container(
                f"{name}:latest",
                [f"/{_PROGRAM}"],
                name=name,
                labels=ledger.labels,
                stdin_open=True,
                host_config=api.create_host_config(network_mode="none"),
            )
            api.start(name)
        interpreter = _interpreter_of(engine, name)
        exit_code = _exit_code_of(engine, name, tried)
    except EngineError as error:
        unavailable = Support(platform, "unavailable", kernel=kernel, endpoint=endpoint)
        return elsewhere(unavailable, error.found)
    finally:
        remove(engine, ledger, owned)
    # Where nobody can see what executes it, the daemon's own platform decides.
    is_native = engine.facts.platform.accepts(platform) if interpreter is None else not interpreter
    found = (
        Support(platform, "native", kernel=kernel, endpoint=endpoint)
        if is_native
        else Support(platform, "emulated", emulator_name(interpreter or ""), "", kernel, endpoint)
    )
    return found if exit_code == 0 else failed_trial(found, exit_code, is_here=False)


def emulator_name(interpreter: str) -> str:
    """Return an interpreter's usual name: ``qemu-aarch64`` of ``…/qemu-aarch64-static`` and ``…/aarch64-binfmt-P``."""
    name = PurePosixPath(interpreter.removesuffix(" (deleted)")).name.removesuffix("-static")
    if name.endswith("-binfmt-P"):
        name = f"qemu-{name.removesuffix('-binfmt-P')}"
    return "Rosetta" if name.startswith("rosetta") else name


def _started(path: Path) -> subprocess.Popen[bytes]:
    deadline = time.monotonic() + 10
    while True:
        try:
            return subprocess.Popen(
                [str(path)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}
            )
        except OSError as error:  # noqa: PERF203 - waiting is what the loop is for
            # Another thread has forked while the file was being written, and its child has not become a program yet.
            if error.errno != errno.ETXTBSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _who_runs(process: subprocess.Popen[bytes], path: Path) -> tuple[str | None, str]:
    """Return the interpreter that executes the program and its version, None for the processor itself.

    The program waits for its input, so its ``exe`` link is there, and leads to the interpreter's file also where that lies
    in an image that is not mounted any more (flag F).
    """
    link = f"/proc/{process.pid}/exe"
    try:
        if os.path.samefile(link, path):  # noqa: PTH121 - the link is the kernel's, and leads to no path
            return None, ""
        interpreter = os.readlink(link)  # noqa: PTH115
    except FileNotFoundError:
        return None, ""  # it has ended already, by what only the processor itself does so fast
    try:
        told = subprocess.run([link, "--version"], capture_output=True, text=True, timeout=_LIMIT, env={}, check=False)
    except (OSError, subprocess.SubprocessError):
        return interpreter, ""
    version = _VERSION.search(told.stdout)
    return interpreter, version[1] if version else ""


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        return process.wait(_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _archive(program: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(_PROGRAM)
        member.size, member.mode = len(program), 0o755
        archive.addfile(member, io.BytesIO(program))
    return buffer.getvalue()


def _interpreter_of(engine: Engine, name: str) -> str | None:
    """Return what executes the waiting program, empty for the processor itself, None where nobody can see it."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        try:
            with translated(f"looking at {name}"):
                top = engine.api.top(name)
            command = str(top["Processes"][0][top["Titles"].index("CMD")]).split()[0]
        except (EngineError, ValueError, IndexError, KeyError):
            return None  # it has ended, or the daemon's machine has no ps
        if command == "runc" or command.endswith("init"):
            time.sleep(0.02)  # the container's first process, before it has become the program
            continue
        return "" if PurePosixPath(command).name == _PROGRAM else command
    return None


def _exit_code_of(engine: Engine, name: str, tried: str) -> int | None:
    """End the program's input and return its exit code; None where it does not end."""
    from requests.exceptions import ConnectionError, ReadTimeout

    with translated(tried):
        attached = engine.api.attach_socket(name, {"stdin": 1, "stream": 1})
        try:
            getattr(attached, "_sock", attached).shutdown(socket.SHUT_WR)
            try:
                return int(engine.api.wait(name, timeout=_LIMIT)["StatusCode"])
            except (ReadTimeout, ConnectionError):
                # As the first process of a container, a program that QEMU wants to end by a signal stays for ever.
                return None
        finally:
            # The response before its file (docker/docker-py#3229).
            response = getattr(attached, "_response", None)
            if response is not None:
                response.close()
            attached.close()
