"""Checks on a service: the image is started, waited for, and asked over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.acceptance.checks.outcome import Mismatch, Outcome
from pytest_multiarch.acceptance.checks.text import TextExpectation
from pytest_multiarch.errors import CommandTimeout, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from pytest_multiarch.acceptance.checks.config import Named
    from pytest_multiarch.acceptance.checks.outcome import Subject
    from pytest_multiarch.engine.waiting import WaitFor

_MOST_READ: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Ask once and say what the answer is to be; ``port`` is the service's first unless said otherwise."""

    path: str = "/"
    port: int | None = None
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None
    status: int = 200
    body: TextExpectation = field(default_factory=TextExpectation)
    response_headers: tuple[Named, ...] = ()
    timeout: float = 10.0

    def mismatches(self, url: str) -> Iterator[Mismatch]:
        """Yield what is not as expected of the answer that comes from a URL."""
        import requests

        what = f"{self.method} {self.path}"
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the user's has no part between us and our own container
                with session.request(
                    self.method,
                    url,
                    headers=dict(self.headers),
                    data=None if self.data is None else self.data.encode(),
                    timeout=self.timeout,
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    yield from self._judged(what, answer)
        except requests.RequestException as error:
            yield Mismatch(what, "is answered", f"{type(error).__name__}: {error}")

    def _judged(self, what: str, answer: requests.Response) -> Iterator[Mismatch]:
        body = b""
        for piece in answer.iter_content(64 * 1024):
            body += piece
            if len(body) > _MOST_READ:
                yield Mismatch(what, f"has at most {_MOST_READ} bytes", "it has more")
                return
        text = body.decode(answer.encoding or "utf-8", errors="replace")
        if answer.status_code != self.status:
            yield Mismatch(f"status of {what}", str(self.status), f"{answer.status_code} {answer.reason}\n{text}")
        yield from self.body.mismatches(f"body of {what}", text)
        for named in self.response_headers:
            if (found := named.mismatch("header", answer.headers)) is not None:
                yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCheck:
    """Start the image as a service and ask it.

    Args:
        ports: what it listens on.
        wait_for: when it is ready: ``("port", 8000)``, ``("http", "/health")``, ``("log", "listening")`` or
            ``("healthy", True)``; None waits for its ports.
        options: more keyword arguments of `PlatformImage.start`.
        requests: what it is asked.

    """

    ports: tuple[int, ...]
    wait_for: tuple[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()

    def check(self, subject: Subject) -> Outcome:
        """Start, ask, and return what is not as expected."""
        how = "a fresh container, as a service"
        try:
            with subject.image.start(ports=self.ports, wait_for=self._condition(), **self.options) as service:
                found = tuple(
                    mismatch
                    for request in self.requests
                    for mismatch in request.mismatches(service.url(request.port or self.ports[0], request.path))
                )
        except (EngineError, CommandTimeout) as error:
            came = "\n".join(part for part in (error.found, error.detail) if part)
            return Outcome((Mismatch("service", "starts and is ready", came),), how=how)
        return Outcome(found, how=how)

    def _condition(self) -> WaitFor | None:
        if self.wait_for is None:
            return None
        from pytest_multiarch.engine import waiting

        kind, value = self.wait_for
        if kind == "port":
            return waiting.PortOpen(value)
        if kind == "http":
            return waiting.HttpAnswers(self.ports[0], value)
        return waiting.LogLine(re.escape(value)) if kind == "log" else waiting.Healthy()
