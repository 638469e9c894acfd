"""What can be done about a fault in the middle of a run: try again where that may mend it, and else say whose fault it is."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_multiarch.engine.faults import plain, translated
from pytest_multiarch.engine.ledger import RUN_LABEL
from pytest_multiarch.errors import EngineError, MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.image.credentials import Credentials
    from pytest_multiarch.platforms import Platform

E = TypeVar("E", bound=MultiArchError)

_PAUSES: Final = (0.5, 2.0)  # seconds before the second attempt, and before the third, which is the last
_LOG_LINES: Final = 200
_PORT: Final = "5000/tcp"
# In a daemon's words: a registry that is overloaded or restarting, or a connection that broke.
_PASSES: Final = re.compile(
    r"toomanyrequests|too many requests|internal server error|bad gateway|service unavailable|gateway time-?out"
    r"|status(?: code)?:? (?:429|5\d\d)|unexpected EOF|\bEOF$|connection reset|connection refused|broken pipe"
    r"|i/o timeout|TLS handshake timeout|Client\.Timeout|temporary failure",
    re.IGNORECASE,
)
_WENT_AWAY: Final = re.compile(r"code = Unavailable|error reading from server|transport is closing|closing transport")
_NO_WAY: Final = re.compile(r"connection refused|no route to host|i/o timeout|network is unreachable")
# How distribution writes what went wrong in its storage, which it does not tell its client.
_DETAIL: Final = re.compile(r"level=error .*?err\.detail=\"((?:[^\"\\]|\\.)+)\"")


def pull(
    engine: Engine,
    reference: str,
    *,
    platform: Platform,
    credentials: Credentials | None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Pull an image; again where the registry fails for the moment, or is the throwaway one and has ended: it is started anew.

    Raises `EngineError`.
    """
    host = reference.partition("/")[0]
    for pause in (*_PAUSES, None):
        fault = _pulled(engine, reference, platform, credentials)
        if fault is None:
            return
        may_pass = _PASSES.search(fault.found) is not None
        if pause is None or not (_revive(engine, host) or may_pass):
            raise explained(fault, engine, host)
        sleep(pause)


def _pulled(engine: Engine, reference: str, platform: Platform, credentials: Credentials | None) -> EngineError | None:
    try:
        engine.pull(reference, platform=platform, credentials=credentials)
    except EngineError as error:
        return error
    return None


def explained(error: E, engine: Engine, host: str) -> E:
    """Return an error in which the throwaway registry at ``host`` had a part with what became of it, or its own last word."""
    if host not in f"{error.found}\n{error.tried}":
        return error
    try:
        container = _throwaway(engine, host)
        word = _fault_of(engine, container) if container is not None else ""
    except EngineError:
        return error  # the daemon does not answer: then that is the fault, and the next who asks it says so
    if not word:
        return error
    return type(error)(error.tried, f"{error.found}; {word}", error.hint, error.detail)


def went_away(reason: str) -> bool:
    """Say whether a build failed because BuildKit itself ended: what it had built is still there once it is started again."""
    return _WENT_AWAY.search(reason) is not None


def advice(reason: str, builder: str, host: str) -> str:
    """Return what to do about a build that failed for one of the reasons that are no fault of the Dockerfile's, or nothing."""
    if went_away(reason):
        return f"BuildKit ended while it built. Has the machine run out of memory? The builder is {builder}."
    if host in reason and _NO_WAY.search(reason):
        return (
            f"The builder {builder} does not reach the throwaway registry at {host}: make it with "
            "--driver-opt network=host, or leave --multiarch-builder out."
        )
    return ""


def _throwaway(engine: Engine, host: str) -> dict[str, Any] | None:
    """Return what the daemon says of the container of a throwaway registry, found by its port; None where it has none."""
    port = host.rpartition(":")[2]
    with translated(f"looking for the registry at {host}"):
        for found in engine.api.containers(all=True, filters={"label": RUN_LABEL}):
            if any(name.endswith("-registry") for name in found.get("Names") or ()):
                container: dict[str, Any] = engine.api.inspect_container(found["Id"])
                bindings = (container.get("HostConfig") or {}).get("PortBindings") or {}
                if any(binding.get("HostPort") == port for binding in bindings.get(_PORT) or ()):
                    return container
    return None


def _revive(engine: Engine, host: str) -> bool:
    """Start a throwaway registry that has ended, and say whether there was one: what was pushed lies in its volume."""
    try:
        container = _throwaway(engine, host)
        if container is None or container["State"]["Running"]:
            return False
        with translated(f"starting the registry at {host} again"):
            engine.api.start(container["Id"])
    except EngineError:
        return False
    return True


def _fault_of(engine: Engine, container: dict[str, Any]) -> str:
    state = container["State"]
    if not state["Running"]:
        return f"the throwaway registry's container ended with exit code {state['ExitCode']}"
    with translated("reading the registry's log"):
        log = engine.api.logs(container["Id"], tail=_LOG_LINES).decode(errors="replace")
    details = _DETAIL.findall(log)
    return f"the throwaway registry says: {plain(details[-1])}" if details else ""
