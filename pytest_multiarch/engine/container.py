"""A running container of one platform: commands run in it, files go in and out. Each command has a time limit."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pytest_multiarch.engine.archive import put_file, read_file
from pytest_multiarch.engine.crashes import Judge
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.request import argument_list, check_terminal, input_bytes
from pytest_multiarch.engine.revival import never
from pytest_multiarch.engine.streams import Exchange, check_takes_input, connected
from pytest_multiarch.engine.support import Support
from pytest_multiarch.errors import CommandTimeout, FileProblem
from pytest_multiarch.image.limits import READ_LIMIT
from pytest_multiarch.results import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_multiarch.engine.agent.line import AgentLine
    from pytest_multiarch.engine.crashes import OnCrash
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.platforms import Platform

_RESTARTED = (
    "The container was restarted, because the Engine API ends no exec: its files are as they were, and nothing that ran in "
    "it is left."
)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.25


class Container:
    """A running container of one platform; commands run in it with `exec`.

    Where it does not run any more, ``revive`` may start it, and says whether it has. ``agent`` leads to its first process where
    that runs commands, which takes it a tenth of the daemon's time; what it does not take, the daemon runs.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        platform: Platform,
        limit: float,
        on_result: Callable[[CommandResult], None],
        judge: Judge | None = None,
        revive: Callable[[], bool] = never,
        agent: AgentLine | None = None,
    ) -> None:
        self._agent = agent
        self._engine = engine
        self._revive = revive
        self._limit = limit
        self._on_result = on_result
        self._judge = judge or Judge(Support(platform, "native"))
        self.name = name
        self.platform = platform

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        tty: bool = False,
        timeout: float | None = None,
        emulator_crash: OnCrash = "raise",
    ) -> CommandResult:
        """Run a command in the container, as ``docker exec`` does, and return its result whatever its exit code.

        Where it can, the container's first process runs it: then that is its parent, and users are those of the start.
        ``args`` is an argument list, no shell reads it. ``stdin`` is what the command reads, and then the end. With ``tty``
        it has a terminal: all output is in ``stdout``, its lines end in CR LF, and there is no ``stdin``. ``timeout`` is in
        seconds, and scaled where the platform is emulated. What an emulator crashes at is run once more, and then raises
        `EmulatorCrash`, unless ``emulator_crash`` is ``return``. Raises `CommandTimeout` or `OutputTooLarge` with the output
        so far, once the container has been restarted and so the command has ended, ValueError where ``stdin`` is given
        beside ``tty``, and `EngineError` where the daemon refuses.
        """
        limit = self._judge.limit(self._limit if timeout is None else timeout)
        check_terminal(stdin, tty=tty)
        argv, content = argument_list(args), input_bytes(stdin)
        result = self._judge.attempt(
            lambda: self._attempt(argv, dict(env or {}), user, workdir, content, limit, tty=tty), emulator_crash
        )
        self._on_result(result)
        return result

    def read(self, path: str, limit: int | None = READ_LIMIT) -> bytes:
        """Return a file's content; links are followed, no program of the container takes part.

        Raises FileProblem: there is no regular file, or one of more than ``limit`` bytes; None reads any.
        Raises EngineError: the daemon refuses.
        """
        return read_file(self._engine, self.name, path, limit)

    def read_text(self, path: str, encoding: str = "utf-8", limit: int | None = READ_LIMIT) -> str:
        """Return a file's content as text, its line ends as they are.

        Raises FileProblem: it is not in that encoding; else as ``read`` does.
        """
        try:
            return self.read(path, limit).decode(encoding)
        except UnicodeDecodeError as error:
            found = f"it is no {encoding} text: {error.reason} at byte {error.start}"
            raise FileProblem(f"reading {path} of {self.name}", found) from None

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
        """Write a file; text is UTF-8. Links are followed, missing folders made, no program of the container takes part.

        Raises FileProblem: ``path`` is a directory. Raises EngineError: the daemon refuses.
        """
        content = data.encode() if isinstance(data, str) else data
        put_file(self._engine, self.name, path, content, mode=mode, uid=uid, gid=gid)

    def _attempt(
        self,
        argv: tuple[str, ...],
        env: Mapping[str, str],
        user: str | None,
        workdir: str | None,
        stdin: bytes | None,
        limit: float,
        *,
        tty: bool,
    ) -> CommandResult:
        tried = f"running {' '.join(argv)} in {self.name} ({self.platform})"
        api = self._engine.api
        started = time.monotonic()
        if self._agent is not None and user is None and workdir is None and stdin is None and not tty:
            result = self._through(self._agent, tried, argv, env, limit)
            if result is not None:
                return result
        with translated(tried, "Is the container still up?"):
            identity = self._create_exec(
                list(argv),
                environment=dict(env),
                user=user or "",
                workdir=workdir,
                stdin=stdin is not None,
                tty=tty,
            )
            exchange = Exchange(limit, stdin, tty=tty)
            with connected(api.exec_start(identity, tty=tty, socket=True)) as socket:
                if stdin is not None:
                    check_takes_input(socket, tried)
                exchange.carry(socket, self._end_commands)
            exchange.check(tried, _RESTARTED)
            exit_code = self._exit_code(identity, tried, started + limit)
        seconds = time.monotonic() - started
        return CommandResult(argv, exit_code, exchange.out, exchange.err, seconds, self.platform)

    def _through(
        self, agent: AgentLine, tried: str, argv: tuple[str, ...], env: Mapping[str, str], limit: float
    ) -> CommandResult | None:
        """Have the agent run a command; None where it has run nothing."""
        started = time.monotonic()
        exchange = Exchange(limit)
        try:
            with translated(tried, "Is the container still up?"):
                exit_code = agent.run(tried, argv, env, exchange, self._end_commands)
        finally:
            if exchange.was_stopped:
                agent.restarted()
        if exit_code is None:
            return None
        exchange.check(tried, _RESTARTED)
        seconds = time.monotonic() - started
        return CommandResult(argv, exit_code, exchange.out, exchange.err, seconds, self.platform)

    def _create_exec(self, argv: list[str], **options: Any) -> str:
        """Have the daemon know a command, which it does not start yet, and return its id."""
        from docker.errors import APIError

        api = self._engine.api
        try:
            return str(api.exec_create(self.name, argv, **options)["Id"])
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT or not self._revive():  # it does not run, or is paused
                raise
        if self._agent is not None:
            self._agent.restarted()
        return str(api.exec_create(self.name, argv, **options)["Id"])

    def _exit_code(self, identity: str, tried: str, deadline: float) -> int:
        """Return how a command ended whose outputs have: it may have closed them before."""
        pause = _FIRST_PAUSE
        while True:
            said = self._engine.api.exec_inspect(identity)
            if not said.get("Running") and said.get("ExitCode") is not None:
                return int(said["ExitCode"])
            if time.monotonic() > deadline:
                self._end_commands()
                raise CommandTimeout(tried, "it closed its outputs, and did not end within its limit", _RESTARTED)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _end_commands(self) -> None:
        """End all that runs in the container, and have it up again."""
        with translated(f"restarting {self.name}"):
            self._engine.api.restart(self.name, timeout=0)
