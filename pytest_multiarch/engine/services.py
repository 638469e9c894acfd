"""A running service: the image's own program in a container, reached on this machine's loopback interface."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.engine.container import Container
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.identity import check_identity
from pytest_multiarch.engine.launch import create
from pytest_multiarch.engine.waiting import Healthy, as_conditions
from pytest_multiarch.errors import CommandTimeout, EngineError, MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.engine.crashes import Judge
    from pytest_multiarch.engine.launch import Subject
    from pytest_multiarch.engine.request import RunRequest
    from pytest_multiarch.engine.waiting import Condition, ForeignStrategy, WaitFor
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult

LOG_LINES: Final = 100
"""Lines of a service's log that a failure shows."""
_ENDED_KEPT: Final = 20
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class ServiceLog:
    """Hold the end of a service's log."""

    name: str
    platform: Platform
    text: str


class Service(Container):
    """A running service of one platform: a container with its own program, and addresses."""

    def __init__(
        self,
        subject: Subject,
        request: RunRequest,
        name: str,
        conditions: Sequence[Condition | ForeignStrategy],
        *,
        limit: float,
        ready_limit: float,
        on_result: Callable[[CommandResult], None],
        judge: Judge | None = None,
    ) -> None:
        super().__init__(subject.engine, name, subject.image.platform, limit, on_result, judge)
        self._request = request
        self._conditions = conditions
        self._ready_limit = ready_limit
        self._addresses: dict[str, tuple[str, int]] = {}
        self._tried = f"starting a service of {subject.reference} for {self.platform}"

    def address(self, port: int | str) -> tuple[str, int]:
        """Return host and port under which a port of the service is reached from here.

        Raises EngineError: the port was not published.
        """
        if self._request.network == "host":
            return "127.0.0.1", int(str(port).partition("/")[0])
        key = port if isinstance(port, str) and "/" in port else f"{port}/tcp"
        if key not in self._addresses:
            raise EngineError(
                f"looking for port {port} of {self.name}",
                f"it publishes {', '.join(self._addresses) or 'none'}",
                f"Start it with ports=[{port!r}].",
            )
        return self._addresses[key]

    def url(self, port: int, path: str = "", *, scheme: str = "http") -> str:
        """Return the URL of a port as it is reached from here, without a slash at its end unless ``path`` has one."""
        host, number = self.address(port)
        return f"{scheme}://{host}:{number}{'/' if path and not path.startswith('/') else ''}{path}"

    def logs(self, lines: int | None = None) -> str:
        """Return what the service has written to both outputs so far, or the last lines of it."""
        with translated(f"reading the log of {self.name}"):
            raw = self._engine.api.logs(self.name, tail="all" if lines is None else lines)
        return raw.decode(errors="replace")

    @property
    def state(self) -> dict[str, Any]:
        """Return the daemon's description of the container's state."""
        with translated(f"looking at {self.name}"):
            return dict(self._engine.api.inspect_container(self.name)["State"])

    def settle(self, subject: Subject) -> None:
        """Wait until the service is ready. Raises EngineError and CommandTimeout, both with the end of its log."""
        with translated(self._tried):
            inspected = self._engine.api.inspect_container(self.name)
        check_identity(inspected, subject.image, self._tried)
        self._wait()

    def _wait(self) -> None:
        self._look_up_addresses()
        deadline = time.monotonic() + self._ready_limit
        self._check_running()
        for condition in self._conditions:
            wait = getattr(condition, "wait_until_ready", None)
            if wait is not None:
                self._wait_as_testcontainers(wait, condition)
                continue
            while not condition.is_met(self):  # type: ignore[union-attr]
                self._check_running(condition)
                if time.monotonic() > deadline:
                    raise CommandTimeout(
                        self._tried,
                        f"waited {self._ready_limit:.0f} s for {condition}",
                        "Does it listen on all addresses (0.0.0.0)? Give it more time with timeout=… Its log ends with:",
                        self.logs(LOG_LINES),
                    )
                time.sleep(_PAUSE)

    def _wait_as_testcontainers(self, wait: Callable[[Any], None], condition: object) -> None:
        try:
            wait(_TestcontainersTarget(self))
        except (RuntimeError, TimeoutError, OSError, MultiArchError) as error:
            self._check_running()
            raise CommandTimeout(
                self._tried, str(error), f"({condition!r}) Its log ends with:", self.logs(LOG_LINES)
            ) from None

    def _check_running(self, condition: object = None) -> None:
        """Raise EngineError where it has ended, or where it has no such thing as what is waited for."""
        state = self.state
        if not state.get("Running"):
            raise EngineError(
                self._tried,
                f"it ended with exit code {state.get('ExitCode')} before it was ready",
                "Its log ends with:",
                self.logs(LOG_LINES),
            )
        if isinstance(condition, Healthy) and not state.get("Health"):
            raise EngineError(
                self._tried, "the image has no health check", "Wait for PortOpen, HttpAnswers or LogLine."
            )

    def _look_up_addresses(self) -> None:
        with translated(self._tried):
            ports = self._engine.api.inspect_container(self.name)["NetworkSettings"].get("Ports") or {}
        self._addresses = {
            str(port): (str(bound[0]["HostIp"]), int(bound[0]["HostPort"])) for port, bound in ports.items() if bound
        }

    def _end_commands(self) -> None:
        """Restart the service with the commands in it: its published ports are others afterwards."""
        super()._end_commands()
        self._wait()


def start_service(
    subject: Subject,
    request: RunRequest,
    *,
    name: str,
    wait_for: WaitFor | None,
    limit: float,
    ready_limit: float,
    on_result: Callable[[CommandResult], None],
    judge: Judge | None = None,
) -> Service:
    """Start the image's own program, and return it once it is ready; the caller removes the container in any case.

    Raises EngineError: the daemon refuses, or it ended before it was ready. Raises CommandTimeout: it is not ready in time.
    """
    service = Service(
        subject,
        request,
        name,
        as_conditions(wait_for, request.ports),
        limit=limit,
        ready_limit=ready_limit,
        on_result=on_result,
        judge=judge,
    )
    api = subject.engine.api
    subject.ledger.add("container", name, subject.engine.endpoint)
    tried = f"starting a service of {subject.reference} for {service.platform}"
    create(subject, request, name=name, tried=tried)
    with translated(tried):
        api.start(name)
    service.settle(subject)
    return service


class ServiceBook:
    """Keep the services of a run, so that a failure can show their logs. Thread-safe."""

    def __init__(self) -> None:
        self._running: dict[str, Service] = {}
        self._ended: deque[tuple[float, ServiceLog]] = deque(maxlen=_ENDED_KEPT)
        self._lock = threading.Lock()

    def add(self, service: Service) -> None:
        """Remember a service that runs."""
        with self._lock:
            self._running[service.name] = service

    def end(self, service: Service) -> None:
        """Keep the log's end of a service that is about to go."""
        with self._lock:
            self._running.pop(service.name, None)
            self._ended.append((time.monotonic(), _log_of(service)))

    def logs(self, since: float) -> tuple[ServiceLog, ...]:
        """Return the logs of services that run, and of those that have ended since ``time.monotonic()`` was ``since``."""
        with self._lock:
            ended = [log for when, log in self._ended if when >= since]
            running = list(self._running.values())
        return (*ended, *map(_log_of, running))


def _log_of(service: Service) -> ServiceLog:
    try:
        text = service.logs(LOG_LINES)
    except EngineError as error:
        text = f"({error.headline})"
    return ServiceLog(service.name, service.platform, text)


class _TestcontainersTarget:
    """Be what testcontainers' strategies look at: its ``WaitStrategyTarget``, and the SDK's container below it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.attrs: dict[str, Any] = {}
        self.reload()

    def get_container_host_ip(self) -> str:
        return "127.0.0.1"

    def get_exposed_port(self, port: int) -> int:
        return self._service.address(port)[1]

    def get_wrapped_container(self) -> _TestcontainersTarget:
        return self

    def get_logs(self) -> tuple[bytes, bytes]:
        return self._service.logs().encode(), b""

    def exec(self, command: str | Sequence[str]) -> tuple[int, bytes]:
        args = ["/bin/sh", "-c", command] if isinstance(command, str) else command
        result = self._service.exec(args)
        return result.exit_code, result.stdout_bytes + result.stderr_bytes

    def reload(self) -> None:
        self.attrs = {"State": self._service.state}

    @property
    def status(self) -> str:
        return str(self.attrs["State"].get("Status", ""))
