"""How each platform runs: native, emulated (by what), or not at all (why). Found once a run, by running a tiny program.

Where the daemon shares this process's kernel, the kernel is asked for its registrations and the program is started right
here; elsewhere (Docker Desktop, a node, a remote daemon) it is started in a container. What BuildKit can build says nothing
about it: it brings its own QEMU (tonistiigi/binfmt#112, docker/cli#7158).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.engine.binfmt import KERNEL
from pytest_multiarch.engine.crashes import Judge
from pytest_multiarch.engine.emulators import register
from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.engine.support import Support
from pytest_multiarch.engine.trial import try_here, try_in_container
from pytest_multiarch.errors import EngineError, RunningDisabled, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.engine.options import EngineOptions
    from pytest_multiarch.platforms import Platform

T = TypeVar("T")


class Supports:
    """Find how platforms run, each once. Thread-safe.

    ``book`` gives the run's book, which is opened only where a container has to be started. ``binfmt`` is where the kernel
    shows its registrations.
    """

    def __init__(
        self,
        options: EngineOptions,
        engine_for: Callable[[Platform], Engine],
        book: Callable[[], Ledger],
        *,
        binfmt: Path = KERNEL,
    ) -> None:
        self._options = options
        self._engine_for = engine_for
        self._book = book
        self._binfmt = binfmt
        self._lock = threading.RLock()
        self._found: dict[Platform, Support] = {}

    def of(self, platform: Platform) -> Support:
        """Return how a platform runs. Raises `EngineUnavailable` and `EngineError`."""
        with self._lock:
            if platform not in self._found:
                self._found[platform] = self._look(platform)
            return self._found[platform]

    @property
    def known(self) -> tuple[Support, ...]:
        """Return what has been found so far, the order is that of the questions."""
        with self._lock:
            return tuple(self._found.values())

    def judge(self, platform: Platform) -> Judge:
        """Return what judges a platform's commands.

        Raises `RunningDisabled` where this run only reads, `PlatformUnavailable` where the platform does not run, and what
        finding that out raises.
        """
        self._check_anything_runs(str(platform))
        support = self.of(platform)
        support.check()
        return Judge(support, self._options.emulation_factor)

    def if_anything_runs(self, make: Callable[[], T]) -> Callable[[], T]:
        """Return a function that makes something to run images with, and raises `RunningDisabled` where this run only reads."""

        def checked() -> T:
            self._check_anything_runs("an image")
            return make()

        return checked

    def build_limit(self, platform: Platform) -> float:
        """Return how long a build may take: longer where BuildKit emulates, which it also does by itself."""
        is_native = self.of(platform).status == "native"
        return self._options.build_timeout * (1 if is_native else self._options.emulation_factor)

    def prepare(self, platforms: Sequence[Platform]) -> None:
        """Find how platforms run; register emulators for those that do not, where the options ask for it. They stay.

        Raises `EmulatorsMissing`, `EngineUnavailable`, and `EngineError` as `UsageProblem`: there is no test yet to fail.
        """
        try:
            with self._lock:
                missing = [one for one in map(self.of, platforms) if not one.runs]
                if not (missing and self._options.install_emulators):
                    return
                for endpoint in dict.fromkeys(one.endpoint for one in missing):
                    there = [one.platform for one in missing if one.endpoint == endpoint]
                    engine = self._engine_for(there[0])
                    register(engine, self._book, there, self._options.emulators_image, binfmt=self._binfmt)
                for one in missing:
                    del self._found[one.platform]
                for platform in platforms:
                    self.of(platform)
        except EngineError as error:
            raise UsageProblem(error.tried, error.found, error.hint, error.detail) from None

    def _check_anything_runs(self, what: str) -> None:
        if not self._options.runs:
            raise RunningDisabled(f"running {what}", "this run only reads images", "Leave out --multiarch-no-run.")

    def _look(self, platform: Platform) -> Support:
        engine = self._engine_for(platform)
        kernel, endpoint = engine.facts.kernel, engine.endpoint
        program = probe_program(platform)
        if program is None:
            if engine.facts.platform == platform:
                return Support(platform, "native", kernel=kernel, endpoint=endpoint)
            reason = f"the daemon runs {engine.facts.platform}, and no program is known here to try {platform} with"
            return Support(platform, "unavailable", kernel=kernel, endpoint=endpoint, reason=reason)
        if engine.shares_kernel:
            found = try_here(platform, program, kernel=kernel, endpoint=endpoint, binfmt=self._binfmt)
            if found is not None:
                return found
        return try_in_container(engine, self._book(), platform, program)
