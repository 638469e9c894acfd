"""Why a platform does not run on this machine's kernel, and the command that mends it."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_multiarch.engine.binfmt import KERNEL, read_descriptions
from pytest_multiarch.engine.cpu_levels import missing_flags

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_multiarch.engine.binfmt import Format, Registrations
    from pytest_multiarch.engine.support import Support
    from pytest_multiarch.platforms import Platform

_OPTION = "Or let the run do it, with --multiarch-install-emulators."


def remedy(
    support: Support,
    program: bytes,
    registrations: Registrations,
    found: Format | None,
    *,
    gone: bool = False,
    descriptions: tuple[Path, ...] = (),
) -> Support:
    """Complete what is unavailable with the reason and the command.

    ``found`` is the format that should take the program, ``gone`` says that its interpreter is not there.
    """
    platform = support.platform
    described = next((one for one in read_descriptions(*descriptions) if one.takes(program)), None)
    if not registrations.readable:
        reason = "binfmt_misc is not mounted, so no emulator can be registered with the kernel"
        return _with(support, reason, f"mount -t binfmt_misc binfmt_misc {KERNEL} && {_register(platform, described)}")
    if not registrations.enabled:
        return _with(support, "binfmt_misc is switched off in the kernel", f"echo 1 > {KERNEL}/status")
    if found is None:
        return _with(support, "no emulator is registered for it with the kernel", _register(platform, described))
    away = f"echo -1 > {KERNEL}/{found.name} && "
    if not found.enabled:
        return _with(support, f"its emulator {found.name} is switched off", f"echo 1 > {KERNEL}/{found.name}")
    if gone:
        reason = f"{found.interpreter}, which {found.name} names, is not there"
        return _with(support, reason, away + _register(platform, None))
    if not found.works_in_containers:
        reason = f"{found.name} is registered without the flag F, so containers do not have the emulator"
        return _with(support, reason, away + _register(platform, described))
    return _with(support, f"{found.name} takes it, and yet the kernel does not run it", _install(platform))


def elsewhere(support: Support, found: str) -> Support:
    """Complete what did not start in a container, on a machine that cannot be looked at; ``found`` are the daemon's words."""
    if "exec format error" not in found:
        return replace(support, reason=f"it could not be tried: {found}", hint="Look at the daemon's log.")
    return _with(support, "the daemon's machine has no emulator for it (exec format error)", _install(support.platform))


def failed_trial(found: Support, exit_code: int | None, *, is_here: bool = True) -> Support:
    """Return what a program that did not end with 0 says.

    ``exit_code`` is negative for a signal, None for no end at all; ``is_here`` says that the processor is this machine's.
    """
    by = f" under {found.emulation}" if found.is_emulated else ""
    reason = f"the program that tries it {_ending(exit_code)}{by}"
    hint = "Run it on a machine of that platform: --multiarch-node=PLATFORM=ENDPOINT."
    if found.platform.architecture == "amd64" and found.platform.variant:
        lacking = missing_flags(found.platform.variant) if is_here and not found.is_emulated else ()
        without = f", whose flags lack {', '.join(lacking)}" if lacking else ""
        processor = f"{found.emulation}'s processor" if found.is_emulated else "this processor"
        reason = f"{processor} is not x86-64-{found.platform.variant}{without}"
        hint = "No emulator mends that here: run it on a machine that has it, with --multiarch-node=PLATFORM=ENDPOINT."
    return replace(found, status="unavailable", reason=reason, hint=hint)


def _with(support: Support, reason: str, command: str) -> Support:
    return replace(support, reason=reason, hint=f"Mend it with:\n  {command}\n{_OPTION}")


def _register(platform: Platform, described: Format | None) -> str:
    if described is not None and described.works_in_containers:
        return f"printf %s '{described.line}' > {KERNEL}/register"
    return _install(platform)


def _install(platform: Platform) -> str:
    return f"docker run --privileged --rm tonistiigi/binfmt --install {platform.architecture}"


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return "did not end"
    if exit_code < 0:
        return f"ended with {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
