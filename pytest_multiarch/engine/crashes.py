"""Tell an emulator's crash from the failure of what it runs, try once more, and scale time limits under emulation.

A program that is ended by a signal looks the same whether it has a fault of its own or the emulator made one for it: QEMU
prints ``uncaught target signal`` for both. So nothing of it counts against an image while it is emulated: what crashes
twice is reported as the emulator's. Natively a signal is the program's own doing, and stays in the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from pytest_multiarch.errors import CommandTimeout, CpuLevelMissing, EmulatorCrash, EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.support import Support
    from pytest_multiarch.outputs import Output
    from pytest_multiarch.results import CommandResult

T = TypeVar("T")
OnCrash = Literal["raise", "return"]

#: 128 and SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV.
_FATAL: Final = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}

#: What QEMU and Rosetta print when they, or what they run, come to an end that nobody asked for (docker/for-mac#5123,
#: tonistiigi/binfmt#240). "Could not open '/lib/ld-…'" is not among them: there the image lacks its loader.
_SIGNS: Final = re.compile(
    r"^(?:"
    r"qemu: uncaught target signal \d+.*"
    r"|.*QEMU internal SIG[A-Z]+.*"
    r"|qemu: (?:fatal|unhandled CPU exception).*"
    r"|qemu-[\w-]+: (?=.*(?:[Aa]ssertion|[Uu]nable to|unhandled)).*"
    r"|ERROR:\S*(?:accel|target|linux-user|tcg)\S*:.*"
    r"|rosetta error: .*"
    r")$",
    re.MULTILINE,
)
_CPU_LEVEL: Final = re.compile(r"^Fatal glibc error: CPU does not support (\S+)\r?$", re.MULTILINE)
_LOOKED_AT: Final = 20_000  # bytes of an output's end


def crash_sign(result: CommandResult) -> str:
    """Return what shows that an emulated command has crashed; empty where nothing does.

    The emulator's own words count where the command failed at all: a shell that goes on after a crash ends with a code of its
    own. Without words, the signals' exit codes count: the words may have gone elsewhere.
    """
    if result.exit_code == 0:
        return ""
    for output in (result.err, result.out):
        found = _SIGNS.findall(_end_of(output))
        if found:
            return str(found[-1]).rstrip("\r")[:200]
    if result.exit_code in _FATAL:
        return f"exit code {result.exit_code}, which is {_FATAL[result.exit_code]}, and no word from the emulator"
    return ""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge what commands of one platform come to; ``factor`` multiplies their time limits where it is emulated."""

    support: Support
    factor: float = 1

    def limit(self, limit: float) -> float:
        """Return a time limit as it counts for this platform."""
        return limit * self.factor if self.support.is_emulated else limit

    def attempt(self, run: Callable[[], CommandResult], on_crash: OnCrash = "raise") -> CommandResult:
        """Run a command and return its result, with how it ran; once more where an emulator crashed.

        ``run`` starts it anew each time. With ``on_crash="return"`` the first result counts, whatever it looks like. Raises
        `EmulatorCrash`, `CpuLevelMissing`, and what ``run`` raises.
        """
        result = self._once(run)
        if on_crash == "return":
            return result
        _check_cpu_level(result, self.support)
        sign = crash_sign(result) if self.support.is_emulated else ""
        if not sign:
            return result
        again = self._once(run)
        if not crash_sign(again):
            return again
        raise _crash(again, self.support, sign)

    def _once(self, run: Callable[[], CommandResult]) -> CommandResult:
        try:
            return replace(run(), how=self.support.how)
        except CommandTimeout as error:
            if not self.support.is_emulated:
                raise
            sign = _SIGNS.search(error.detail)
            if sign is not None:
                # QEMU ends itself by the signal of its program and waits for that; the kernel keeps such signals from the
                # first process of a container, so it waits for ever.
                words = f"{sign[0].rstrip()}, and then no end"
                raise EmulatorCrash(error.tried, words, _advice(self.support), error.detail) from None
            found = f"{error.found}, {self.factor:g} times its limit, because it is {self.support.how}"
            raise CommandTimeout(error.tried, found, error.hint, error.detail) from None


def with_init(once: Callable[[bool], T], judge: Judge) -> T:
    """Run in a fresh container: under emulation with docker's own init as the first process, where the daemon has it.

    As the first process itself, what QEMU ends by a signal never ends: it has the kernel send the signal, and the kernel
    sends a container's first process none.
    """
    if not judge.support.is_emulated:
        return once(False)
    try:
        return once(True)
    except EngineError as error:
        if "docker-init" not in error.found:
            raise
        return once(False)


def _end_of(output: Output) -> str:
    start = max(0, output.size - _LOOKED_AT)
    return output.read_at(start, _LOOKED_AT).decode("utf-8", errors="replace")


def _check_cpu_level(result: CommandResult, support: Support) -> None:
    if result.exit_code != 127:
        return
    # A terminal has what is an error among the other output, in lines that end in CR LF.
    level = _CPU_LEVEL.search(_end_of(result.err)) or _CPU_LEVEL.search(_end_of(result.out))
    if level is None:
        return
    processor = (
        f"the processor that {support.emulation} emulates" if support.is_emulated else "this machine's processor"
    )
    raise CpuLevelMissing(
        f"running {result!r}",
        f"its C library is built for {level[1]}, which {processor} is not",
        f"The image asks for more than {result.platform} promises. Test it on a machine that has it, with "
        "--multiarch-node=PLATFORM=ENDPOINT, or build on a base for every processor of the platform.",
        result.describe(),
    )


def _crash(result: CommandResult, support: Support, first: str) -> EmulatorCrash:
    sign = crash_sign(result)
    words = f"{sign} (twice)" if sign == first else f"{first}, and once more: {sign}"
    return EmulatorCrash(
        f"running {' '.join(result.args) or 'the command of the image'} on {result.platform}",
        words,
        _advice(support),
        result.describe(),
    )


def _advice(support: Support) -> str:
    kernel = f" on kernel {support.kernel}" if support.kernel else ""
    return (
        f"Emulated by {support.emulation}{kernel}: this says nothing about the image yet. Another version of the emulator may "
        "do (--multiarch-emulators-image), a machine of that platform will (--multiarch-node). Where the program is meant to "
        'end so, emulator_crash="return" gives the result.'
    )
