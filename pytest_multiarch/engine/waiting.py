"""When a service is ready: its port answers, a URL has a status, its log has a line, or its health check passes.

testcontainers' strategies are taken as well: anything with ``wait_until_ready``. The usual ones are here all the same: the
oldest testcontainers that is supported has none, and its HTTP and port strategies do not notice that a container has ended.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from typing import TypeAlias

    WaitFor: TypeAlias = "Condition | ForeignStrategy | Iterable[Condition | ForeignStrategy]"

_SECONDS: Final = 5.0  # for one answer
_WATCHED: Final = 1.0  # for which a connection has to stay open to be one to the service, and not to a proxy before it
_LOG_LINES: Final = 10_000


class Target(Protocol):
    """What conditions look at."""

    def address(self, port: int | str) -> tuple[str, int]:
        """Return where a port of the service is reached."""
        ...

    def url(self, port: int, path: str = "") -> str:
        """Return the URL of a port."""
        ...

    def logs(self, lines: int | None = None) -> str:
        """Return what the service has written, the last lines of it."""
        ...

    @property
    def state(self) -> dict[str, Any]:
        """Return the daemon's description of the container's state."""
        ...


class Condition(Protocol):
    """Say whether a service is ready; asked again and again. ``str()`` says what is waited for."""

    __slots__ = ()

    def is_met(self, target: Target) -> bool:
        """Look once, without waiting longer than for one answer."""
        ...


class ForeignStrategy(Protocol):
    """Wait as testcontainers' ``WaitStrategy`` does."""

    def wait_until_ready(self, container: Any) -> None:
        """Return when it is ready; raise TimeoutError or RuntimeError where that takes too long."""
        ...


@dataclass(frozen=True, slots=True)
class PortOpen(Condition):
    """Wait until a TCP port takes connections, and the service itself behind it."""

    port: int | str

    def is_met(self, target: Target) -> bool:
        """Connect, and see that the connection stays.

        docker-proxy accepts before the service listens, and hangs up when it finds nobody there.
        """
        try:
            with socket.create_connection(target.address(self.port), timeout=_SECONDS) as connection:
                connection.settimeout(_WATCHED)
                return bool(connection.recv(1))
        except TimeoutError:
            return True  # it waits for us to speak first, as a web server does
        except OSError:
            return False

    def __str__(self) -> str:
        return f"port {self.port} to take connections"


@dataclass(frozen=True, slots=True)
class HttpAnswers(Condition):
    """Wait until a URL answers with a status: one, or one of several."""

    port: int
    path: str = "/"
    status: int | Iterable[int] = 200

    def is_met(self, target: Target) -> bool:
        """Ask once. The environment's proxies are not for this machine's own addresses."""
        import requests

        with requests.Session() as session:
            session.trust_env = False
            try:
                with session.get(
                    target.url(self.port, self.path), timeout=_SECONDS, allow_redirects=False, stream=True
                ) as answer:
                    return answer.status_code in ([self.status] if isinstance(self.status, int) else self.status)
            except requests.RequestException:
                return False

    def __str__(self) -> str:
        wanted = self.status if isinstance(self.status, int) else " or ".join(map(str, self.status))
        return f"{self.path} on port {self.port} to answer with {wanted}"


@dataclass(frozen=True, slots=True)
class LogLine(Condition):
    """Wait until the log, its last 10,000 lines, has what a regular expression finds; both outputs are in it."""

    pattern: str | re.Pattern[str]

    def is_met(self, target: Target) -> bool:
        """Search the log."""
        pattern = re.compile(self.pattern, re.MULTILINE) if isinstance(self.pattern, str) else self.pattern
        return pattern.search(target.logs(_LOG_LINES)) is not None

    def __str__(self) -> str:
        text = self.pattern if isinstance(self.pattern, str) else self.pattern.pattern
        return f"the log to have {text!r}"


@dataclass(frozen=True, slots=True)
class Healthy(Condition):
    """Wait until the image's health check passes."""

    def is_met(self, target: Target) -> bool:
        """Look at what the daemon has last heard of it."""
        return str((target.state.get("Health") or {}).get("Status", "")) == "healthy"

    def __str__(self) -> str:
        return "the health check to pass"


def as_conditions(wait_for: WaitFor | None, ports: Iterable[str]) -> tuple[Condition | ForeignStrategy, ...]:
    """Return what is waited for, in order: what was asked for, else each published TCP port."""
    if wait_for is None:
        return tuple(PortOpen(int(port.partition("/")[0])) for port in ports if port.endswith("/tcp"))
    return tuple(wait_for) if isinstance(wait_for, Iterable) else (wait_for,)
