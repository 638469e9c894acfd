"""Start containers of an image: one that stays up, and one that runs a command and goes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_multiarch.engine.archive import put_file
from pytest_multiarch.engine.faults import plain, translated
from pytest_multiarch.engine.identity import check_identity
from pytest_multiarch.engine.keep_alive import choose_keep_alive
from pytest_multiarch.engine.request import RunRequest
from pytest_multiarch.engine.streams import Exchange, check_takes_input, connected
from pytest_multiarch.errors import CommandTimeout, EngineError
from pytest_multiarch.results import CommandResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.image.platform_image import PlatformImage

_GRACE = 5  # seconds that the daemon may take to notice an end


class ImageGone(EngineError):
    """Report that the daemon does not have an image any more."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Name what is run and where: ``reference`` is how the daemon calls the image, by its own manifest's digest."""

    engine: Engine
    ledger: Ledger
    image: PlatformImage
    reference: str


def keep_up(subject: Subject, name: str, request: RunRequest | None = None) -> bool:
    """Start a container of an image that stays up, and say whether its first process is the agent, which runs commands.

    ``request`` says what it has beside that. Raises `EngineError`.
    """
    platform = subject.image.platform
    tried = f"starting a container of {subject.reference} for {platform}"
    api = subject.engine.api
    chosen = choose_keep_alive(platform, subject.engine.facts.platform, lambda: subject.image.files)
    subject.ledger.add("container", name, subject.engine.endpoint)
    with _creating(tried):
        kept_up = replace(
            request or RunRequest(),
            args=chosen.command[1:],
            entrypoint=chosen.command[:1],
            is_spoken_to=chosen.is_agent,
        )
        api.create_container(
            subject.reference,
            name=name,
            labels=subject.ledger.labels,
            platform=str(platform),
            **kept_up.create_arguments(api),
            # A health check of the image's is no business of a container that runs nothing of it.
            healthcheck={"test": ["NONE"]},
            # The kernel hands a first process only the signals that it asks for (pid_namespaces(7)).
            stop_signal="SIGKILL",
        )
    if chosen.program:
        put_file(subject.engine, name, chosen.command[0], chosen.program, mode=0o755)
    with translated(tried, f"If {platform} needs an emulator here, register it."):
        api.start(name)
        inspected = api.inspect_container(name)
    check_identity(inspected, subject.image, tried)
    state = inspected["State"]
    if not state["Running"]:
        found = f"it ended at once with exit code {state['ExitCode']}"
        if chosen.is_agent:  # which has no log, and nothing to write there
            raise EngineError(tried, found, "Is something else ending containers here?", str(state.get("Error", "")))
        log = api.logs(name, tail=15).decode(errors="replace")
        raise EngineError(tried, found, "Its log ends with:", log)
    return chosen.is_agent


def run_once(subject: Subject, request: RunRequest, *, name: str, limit: float) -> CommandResult:
    """Run an image in a fresh container, as ``docker run --rm --platform`` does, and return the result.

    ``limit`` is in seconds. Raises `CommandTimeout` or `OutputTooLarge` with the output so far, once the container has been
    stopped, and `EngineError` where the daemon refuses or runs another image.
    """
    platform = subject.image.platform
    argv = request.args or ()
    tried = f"running {' '.join([subject.reference, *argv])} for {platform}"
    engine = subject.engine
    api = engine.api
    owned = subject.ledger.add("container", name, engine.endpoint)
    started = time.monotonic()
    exchange = Exchange(limit, request.stdin, tty=request.tty)

    def stop() -> None:
        with translated(f"stopping {name}"):
            api.kill(name)

    try:
        create(subject, request, name=name, tried=tried)
        with translated(tried):
            wanted = {"stdout": 1, "stderr": 1, "stream": 1, "stdin": int(request.stdin is not None)}
            # Attached before it starts, as `docker run` is: nothing is lost, and no log driver has to be readable.
            with connected(api.attach_socket(name, wanted)) as socket:
                if request.stdin is not None:
                    check_takes_input(socket, tried)
                api.start(name)
                exchange.carry(socket, stop)
            exchange.check(tried)
            exit_code = _exit_code(engine, name, started + limit, tried)
            seconds = time.monotonic() - started
            # Asked only now: while a container ends, the daemon lets nobody look at it.
            check_identity(api.inspect_container(name), subject.image, tried)
    finally:
        with translated(f"removing the container {name}"):
            _remove(engine, name)
        subject.ledger.strike(owned)
    return CommandResult(argv, exit_code, exchange.out, exchange.err, seconds, platform)


def create(subject: Subject, request: RunRequest, *, name: str, tried: str) -> None:
    """Create the container that a request asks for. Raises `ImageGone`, and `EngineError` where the daemon refuses."""
    api = subject.engine.api
    with _creating(tried):
        api.create_container(
            subject.reference,
            name=name,
            labels=subject.ledger.labels,
            platform=str(subject.image.platform),
            **request.create_arguments(api),
        )


@contextmanager
def _creating(tried: str) -> Iterator[None]:
    from docker.errors import ImageNotFound

    with translated(tried):
        try:
            yield
        except ImageNotFound as error:
            raise ImageGone(tried, plain(error), "Does something else remove images here?") from None


def _exit_code(engine: Engine, name: str, deadline: float, tried: str) -> int:
    """Return how a container ended whose outputs have: its program may have closed them before."""
    from requests.exceptions import ConnectionError, ReadTimeout

    left = max(deadline - time.monotonic(), 0.0)
    try:
        return int(engine.api.wait(name, timeout=int(left + _GRACE))["StatusCode"])
    except (ReadTimeout, ConnectionError):
        if time.monotonic() < deadline:
            raise
        raise CommandTimeout(tried, "it closed its outputs, and did not end within its limit") from None


def _remove(engine: Engine, name: str) -> None:
    from docker.errors import NotFound

    try:
        engine.api.remove_container(name, force=True, v=True)
    except NotFound:
        return
