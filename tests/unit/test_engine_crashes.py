"""An emulator's crash and the image's failure, told apart; time limits under emulation."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.crashes import Judge, crash_sign, with_init
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import CommandTimeout, CpuLevelMissing, EmulatorCrash, EngineError
from pytest_multiarch.outputs import Output
from pytest_multiarch.platforms import Platform
from pytest_multiarch.results import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARM64 = Platform.parse("linux/arm64")
EMULATED = Support(ARM64, "emulated", "qemu-aarch64", "10.0.2", "6.1.0-test")
NATIVE = Support(ARM64, "native", kernel="6.1.0-test")
SEGFAULT = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"


def result(exit_code: int, stderr: str = "", stdout: str = "") -> CommandResult:
    return CommandResult(("app", "--now"), exit_code, Output(stdout.encode()), Output(stderr.encode()), 0.1, ARM64)


def runs(*results: CommandResult | Exception) -> tuple[Callable[[], CommandResult], Iterator[int]]:
    """Return what gives one result after the other, and the count of its calls."""
    left, calls = list(results), count()

    def run() -> CommandResult:
        next(calls)
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return run, calls


@pytest.mark.parametrize(
    ("exit_code", "stderr"),
    [
        (139, SEGFAULT),
        (134, "qemu: uncaught target signal 6 (Aborted) - core dumped\n"),
        (1, f"cc: error\n{SEGFAULT}"),
        (255, "qemu: uncaught target signal 4 (Illegal instruction) - core dumped"),
        (139, "qemu-aarch64: QEMU internal SIGSEGV {code=MAPERR, addr=0x20}\n"),
        (134, "qemu-x86_64: ../accel/tcg/cpu-exec.c:928: cpu_exec_setjmp: Assertion `cpu == current_cpu' failed.\n"),
        (133, "rosetta error: failed to open elf at /lib64/ld-linux-x86-64.so.2\n"),
        (134, "qemu: unhandled CPU exception 0x10001 - aborting\n"),
        (126, f"/bin/sh: 1: app: cannot run\n{SEGFAULT}"),
        *((code, "") for code in (132, 134, 135, 136, 139)),
    ],
)
def test_signs_of_a_crash(exit_code: int, stderr: str) -> None:
    assert crash_sign(result(exit_code, stderr))


@pytest.mark.parametrize(
    ("exit_code", "stderr"),
    [
        (0, SEGFAULT),
        (1, "Segmentation fault is a word\n"),
        (1, "the log of CI had 'qemu: uncaught target signal 11' in it\n"),
        (137, ""),
        (143, ""),
        (127, "app: not found\n"),
        (255, "qemu-aarch64: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory\n"),
    ],
)
def test_what_is_no_sign_of_a_crash(exit_code: int, stderr: str) -> None:
    assert crash_sign(result(exit_code, stderr)) == ""


def test_a_crash_is_tried_once_more_and_then_its_own_error() -> None:
    run, calls = runs(result(139, SEGFAULT), result(139, SEGFAULT))
    with pytest.raises(EmulatorCrash) as caught:
        Judge(EMULATED).attempt(run)
    assert next(calls) == 2
    assert caught.value.headline == f"running app --now on linux/arm64: {SEGFAULT.strip()} (twice)"
    assert "qemu-aarch64 10.0.2 on kernel 6.1.0-test" in caught.value.hint
    assert "command: app --now" in caught.value.detail
    assert SEGFAULT.strip() in caught.value.detail
    assert not isinstance(caught.value, AssertionError)


def test_a_crash_that_does_not_come_back_is_forgotten() -> None:
    run, calls = runs(result(139, SEGFAULT), result(3))
    assert Judge(EMULATED).attempt(run).exit_code == 3
    assert next(calls) == 2


def test_a_crash_that_is_another_the_second_time_is_told_so() -> None:
    run, _ = runs(result(139, SEGFAULT), result(132))
    with pytest.raises(EmulatorCrash, match=r"signal 11 .*, and once more: exit code 132, which is SIGILL"):
        Judge(EMULATED).attempt(run)


def test_natively_a_signal_is_the_programs_own() -> None:
    run, calls = runs(result(139, SEGFAULT))
    assert Judge(NATIVE).attempt(run).exit_code == 139
    assert next(calls) == 1


def test_who_wants_the_result_gets_the_first_one() -> None:
    run, calls = runs(result(134, SEGFAULT))
    assert Judge(EMULATED).attempt(run, "return").exit_code == 134
    assert next(calls) == 1


@pytest.mark.parametrize("support", [EMULATED, NATIVE])
def test_a_result_says_how_it_ran(support: Support) -> None:
    run, _ = runs(result(0))
    assert Judge(support).attempt(run).how == support.how


@pytest.mark.parametrize(
    ("support", "processor"),
    [(EMULATED, "the processor that qemu-aarch64 10.0.2 emulates"), (NATIVE, "this machine's processor")],
)
def test_a_c_library_for_later_processors_is_neither_a_crash_nor_tried_again(support: Support, processor: str) -> None:
    run, calls = runs(result(127, "Fatal glibc error: CPU does not support x86-64-v3\n"))
    with pytest.raises(CpuLevelMissing, match=f"built for x86-64-v3, which {processor} is not"):
        Judge(support).attempt(run)
    assert next(calls) == 1


def test_in_a_terminal_the_words_are_among_the_other_output() -> None:
    run, _ = runs(result(127, stdout="Fatal glibc error: CPU does not support x86-64-v3\r\n"))
    with pytest.raises(CpuLevelMissing, match="built for x86-64-v3, which"):
        Judge(NATIVE).attempt(run)
    assert crash_sign(result(139, stdout=f"some output\r\n{SEGFAULT.rstrip()}\r\n")) == SEGFAULT.rstrip()


def test_the_words_about_the_processor_alone_are_no_failure() -> None:
    run, _ = runs(result(1, "Fatal glibc error: CPU does not support x86-64-v3\n"))
    assert Judge(NATIVE).attempt(run).exit_code == 1


def test_time_limits_are_longer_under_emulation_only() -> None:
    assert Judge(EMULATED, 5).limit(2) == 10
    assert Judge(NATIVE, 5).limit(2) == 2


def test_a_timeout_under_emulation_says_that_the_limit_was_scaled() -> None:
    run, _ = runs(CommandTimeout("running app", "no end within 10 s", "Give it more time.", "so far"))
    with pytest.raises(CommandTimeout) as caught:
        Judge(EMULATED, 5).attempt(run)
    assert caught.value.headline == (
        "running app: no end within 10 s, 5 times its limit, because it is emulated by qemu-aarch64 10.0.2"
    )
    assert caught.value.detail == "so far"


def test_a_timeout_after_qemus_last_words_is_a_crash() -> None:
    run, _ = runs(CommandTimeout("running app", "no end within 10 s", "", f"some output\n{SEGFAULT}"))
    with pytest.raises(EmulatorCrash, match=r"signal 11 .*, and then no end"):
        Judge(EMULATED).attempt(run)


def test_a_native_timeout_stays_what_it_is() -> None:
    run, _ = runs(CommandTimeout("running app", "no end within 2 s", "", SEGFAULT))
    with pytest.raises(CommandTimeout) as caught:
        Judge(NATIVE).attempt(run)
    assert caught.value.found == "no end within 2 s"


def test_under_emulation_a_fresh_container_has_dockers_init_where_the_daemon_has_it() -> None:
    asked = []

    def once(init: bool) -> CommandResult:
        asked.append(init)
        if init and len(asked) == 1:
            raise EngineError("running", 'exec: "docker-init": executable file not found in $PATH: unknown')
        return result(0)

    with_init(once, Judge(EMULATED))
    assert asked == [True, False]
    with_init(once, Judge(EMULATED))
    with_init(once, Judge(NATIVE))
    assert asked == [True, False, True, False]


def test_other_refusals_are_not_tried_without_init() -> None:
    def once(init: bool) -> CommandResult:
        raise EngineError("running", "no space left on device")

    with pytest.raises(EngineError, match="no space left"):
        with_init(once, Judge(EMULATED))
