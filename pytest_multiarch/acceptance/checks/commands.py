"""Checks on commands: in the warm container, in one of their own, or as `docker run` runs the image."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pytest_multiarch.acceptance.checks.outcome import Mismatch, Outcome
from pytest_multiarch.acceptance.checks.text import TextExpectation
from pytest_multiarch.errors import CommandTimeout, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.acceptance.checks.outcome import Executor, Subject
    from pytest_multiarch.results import CommandResult

Way: TypeAlias = Literal["warm", "fresh", "run"]
"""Where a command runs: in the container that all share, in one of its own, or as the image's own process."""

_NOT_STARTED: Final = "OCI runtime exec failed"
_HOW: Final[dict[Way, str]] = {
    "warm": "docker exec in the platform's warm container",
    "fresh": "docker exec in a fresh container",
    "run": "docker run, a fresh container",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCheck:
    """Run a command and look at what it leaves behind.

    Args:
        args: the command; None is the image's own (of ``run`` only).
        way: where it runs. An image without a shell has no warm container: there, its own process is the command.
        setup: commands that run before it, in the same container; with any, it is a fresh one.
        setup_env: variables beside the image's while the setup runs.
        setup_may_fail: whether a setup command that fails is passed over.
        entrypoint: what stands before ``args`` (of ``run`` only); None is the image's own.
        env: variables beside the image's.
        user: who runs it, else the image's user.
        workdir: where, else the image's.
        stdin: what it reads.
        tty: whether it has a terminal; ``setup`` has none.
        options: what its container has: ``mounts``, ``network``, ``privileged`` and ``cap_add`` of `PlatformImage.run`. With
            any, it is not the warm one.
        timeout: seconds; the run's own limit where it is None.
        exit_code: None takes any.
        stdout: what the output is to be; ``stderr`` the error output.

    """

    args: tuple[str, ...] | None
    way: Way = "warm"
    setup: tuple[tuple[str, ...], ...] = ()
    setup_may_fail: bool = False
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    setup_env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    stdin: str | None = None
    tty: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    exit_code: int | None = 0
    stdout: TextExpectation = field(default_factory=TextExpectation)
    stderr: TextExpectation = field(default_factory=TextExpectation)

    def check(self, subject: Subject) -> Outcome:
        """Run the command and return what is not as expected."""
        way: Way = "fresh" if self.setup or (self.options and self.way == "warm") else self.way
        if way == "warm":
            try:
                container = subject.warm()
            except EngineError:
                if subject.image.files.exists("/bin/sh"):
                    raise
                way = "run"  # nothing keeps a container up: as the binary does, the command is the container
            else:
                return self._judged(way, *self._executed(container))
        if way == "fresh":
            with ExitStack() as stack:
                try:
                    container = stack.enter_context(subject.fresh(**self.options))
                except EngineError as error:
                    if not self.options:
                        raise
                    return self._judged(way, [], Mismatch("container", "can be started", error.found))
                return self._judged(way, *self._executed(container))
        return self._judged(way, *self._run(subject))

    def _executed(self, container: Executor) -> tuple[list[CommandResult], Mismatch | None]:
        results: list[CommandResult] = []
        for args in self.setup:
            done = self._exec(container, args, self.setup_env)
            if isinstance(done, Mismatch):
                failed = done.came
            else:
                results.append(done)
                failed = f"exit code {done.exit_code}" if done.exit_code else ""
            if failed and not self.setup_may_fail:
                return results, Mismatch(f"setup {list(args)}", "succeeds", failed)
        found = self._exec(container, self.args or (), self.env, tty=self.tty)
        if isinstance(found, Mismatch):
            return results, found
        return [*results, found], None

    def _exec(
        self, container: Executor, args: tuple[str, ...], env: Mapping[str, str], *, tty: bool = False
    ) -> CommandResult | Mismatch:
        """Return the result, or why there is none: an exit code of its own would be another thing."""
        try:
            result = container.exec(
                args,
                env=env,
                user=self.user,
                workdir=self.workdir,
                stdin=self.stdin,
                tty=tty,
                timeout=self.timeout,
            )
        except CommandTimeout as error:
            return _late(error)
        if result.exit_code in (126, 127) and result.stdout.startswith(_NOT_STARTED):
            return Mismatch("command", "can be run", result.stdout.strip())
        return result

    def _run(self, subject: Subject) -> tuple[list[CommandResult], Mismatch | None]:
        args, entrypoint = self.args, self.entrypoint
        if self.way != "run":  # meant for a container that is up, where the image's entrypoint has no part
            args, entrypoint = (self.args or ())[1:], (self.args or ())[:1]
        try:
            result = subject.image.run(
                args,
                env=self.env,
                user=self.user,
                workdir=self.workdir,
                entrypoint=entrypoint,
                stdin=self.stdin,
                tty=self.tty,
                timeout=self.timeout,
                **self.options,
            )
        except CommandTimeout as error:
            return [], _late(error)
        except EngineError as error:
            return [], Mismatch("command", "can be run", error.found)
        return [result], None

    def _judged(self, way: Way, results: list[CommandResult], stopped: Mismatch | None) -> Outcome:
        if stopped is not None:
            return Outcome((stopped,), tuple(results), _HOW[way])
        return Outcome(tuple(self._mismatches(results[-1])), tuple(results), _HOW[way])

    def _mismatches(self, result: CommandResult) -> Iterator[Mismatch]:
        if self.exit_code is not None and result.exit_code != self.exit_code:
            yield Mismatch("exit code", str(self.exit_code), str(result.exit_code))
        yield from self.stdout.mismatches("stdout", result.stdout)
        yield from self.stderr.mismatches("stderr", result.stderr)


def _late(error: CommandTimeout) -> Mismatch:
    return Mismatch("command", "ends in time", f"{error.found}\n{error.detail}")
