"""HTTP for registries: time limits, retries, redirects, and where plain HTTP is allowed. Knows no registry's meaning.

``requests`` does the talking. What it does on its own is switched off where a registry client must decide: redirects
(credentials must not follow them), ``.netrc`` (it would replace our credentials), proxies for this machine's own
addresses, and decompression (a digest is of the bytes as they are stored).
"""

from __future__ import annotations

import ipaddress
import threading
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from pytest_multiarch.errors import RegistryError
from pytest_multiarch.image.connections import Connected
from pytest_multiarch.image.wording import plain, plain_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT"})
BROKEN_CONNECTION: Final = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What reading a response may raise where the connection is the cause."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what a registry may cost: times in seconds, ``read`` being the silence between two pieces of a response."""

    connect: float = 10.0
    read: float = 60.0
    attempts: int = 4
    first_pause: float = 0.5
    longest_pause: float = 60.0
    redirects: int = 5


class Authorization(AuthBase):
    """Put an ``Authorization`` header on a request; an empty one keeps ``.netrc`` away. Never shows its value."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header on, as ``requests`` asks of its authentication objects."""
        if self._value:
            r.headers["Authorization"] = self._value
        return r

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is sent. Not ``bool()``: of an object that is false requests asks ``.netrc``."""
        return not self._value

    def __repr__(self) -> str:
        return f"<Authorization {self._value.partition(' ')[0] or 'none'}>"


class _Session(requests.Session):
    """Leave redirects alone: requests parses them, and reads their bodies, even where it does not follow."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class SizedBody:
    """Stream a body whose length is known, so that no registry has to understand chunked uploads."""

    def __init__(self, chunks: Iterable[bytes], size: int) -> None:
        self._chunks = chunks
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


@dataclass(frozen=True, slots=True)
class Request:
    """Describe one HTTP request. ``tried`` names it in errors; a ``SizedBody`` can be sent only once."""

    tried: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | SizedBody | None = field(default=None, repr=False)
    authorization: Authorization = field(default_factory=Authorization)

    @property
    def is_replayable(self) -> bool:
        """Tell whether the request can be sent again."""
        return not isinstance(self.body, SizedBody)


class Transport:
    """Send requests; usable from several threads, each with its own connections.

    ``plain_http`` names the hosts (``host[:port]``) besides this machine's own that are spoken to without TLS.
    ``sleep`` and ``now`` (seconds since the epoch) are for tests. ``stop`` ends what any thread is waiting for.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        plain_http: Collection[str] = (),
        sleep: Callable[[float], object] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or Limits()
        self._plain_http = frozenset(plain_http)
        self._stopping = threading.Event()
        self._connected = Connected()
        self._sleep = sleep or self._stopping.wait
        self._now = now
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Break every connection, and begin no request any more: whoever waits for one raises RegistryError now."""
        self._stopping.set()
        self._connected.break_off()

    def close(self) -> None:
        """Close every connection of every thread."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()

    def base_url(self, host: str) -> str:
        """Return a registry's URL: HTTP for this machine and the hosts that were named, HTTPS for all others."""
        return f"{'http' if self.may_be_plain(host) else 'https'}://{host}"

    def may_be_plain(self, netloc: str) -> bool:
        """Tell whether plain HTTP may be spoken to ``host[:port]``."""
        return netloc in self._plain_http or is_loopback(netloc)

    def send(self, request: Request, *, attempts: int | None = None) -> requests.Response:
        """Send a request and return the response, its body unread; whatever its status, the caller closes it.

        A response of 429, 500, 502, 503 or 504 and, for idempotent requests, a broken connection are tried again, after
        the pause that the registry asks for (``Retry-After``) or one that doubles each time. A registry that asks for
        more than ``longest_pause`` is not waited for.

        Raises RegistryError: no answer, or redirects that must not be followed; its status is 0.
        """
        last = (attempts or self.limits.attempts) if request.is_replayable else 1
        for attempt in range(1, last + 1):
            if self._stopping.is_set():
                raise RegistryError(request.tried, "the run is stopping")
            pause = min(self.limits.first_pause * 2 ** (attempt - 1), self.limits.longest_pause)
            try:
                response = self._follow(request)
            except BROKEN_CONNECTION as error:
                if attempt == last or request.method not in _IDEMPOTENT or isinstance(error, ValueError):
                    raise self._no_answer(request, error, attempt) from None
            else:
                if response.status_code not in _RETRIED or attempt == last:
                    return response
                asked = self._asked_pause(response)
                if asked is not None and asked > self.limits.longest_pause:
                    return response
                response.close()
                pause = pause if asked is None else asked
            self._sleep(pause)
        raise AssertionError("the loop returns or raises")  # pragma: no cover

    def _follow(self, request: Request) -> requests.Response:
        url, authorization = request.url, request.authorization
        for _ in range(self.limits.redirects + 1):
            response = self._send_once(request, url, authorization)
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location or not request.is_replayable:
                return response
            if request.method not in {"GET", "HEAD"} and response.status_code not in {307, 308}:
                return response
            response.close()
            following = redirect_target(request.tried, url, location, self.may_be_plain)
            if _origin(following) != _origin(request.url):
                authorization = Authorization()
            url = following
        raise RegistryError(request.tried, f"more than {self.limits.redirects} redirects, the last to {plain_url(url)}")

    def _send_once(self, request: Request, url: str, authorization: Authorization) -> requests.Response:
        session = self._session()
        prepared = session.prepare_request(
            requests.Request(request.method, url, headers=dict(request.headers), data=request.body, auth=authorization)
        )
        settings = session.merge_environment_settings(prepared.url, {}, True, None, None)
        if is_loopback(urlsplit(url).netloc.rpartition("@")[2]):
            settings["proxies"] = {}  # Go's ProxyFromEnvironment, and so Docker, leaves loopback out as well
        timeout = (self.limits.connect, self.limits.read)
        return session.send(prepared, allow_redirects=False, timeout=timeout, **settings)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session()
            session.headers.update({"User-Agent": "pytest-multiarch", "Accept-Encoding": "identity"})
            for scheme in ("http://", "https://"):
                session.mount(scheme, self._connected.adapter())
            with self._lock:
                self._sessions.append(session)
        return session

    def _asked_pause(self, response: requests.Response) -> float | None:
        """Return the seconds of a ``Retry-After`` header, a number or a date (RFC 9110, section 10.2.3)."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:12])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._now())
        except (ValueError, TypeError, OverflowError):
            return None

    def _no_answer(self, request: Request, error: Exception, attempt: int) -> RegistryError:
        tries = f" (after {attempt} attempts)" if attempt > 1 else ""
        return RegistryError(
            request.tried,
            f"no answer from {plain_url(request.url)}: {reason(error, self.limits)}{tries}",
            "Is the registry running, and can this machine reach it?",
        )


def reason(error: BaseException, limits: Limits) -> str:
    """Return why a connection failed, without the URL that the exception's own text may hold."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {limits.connect:g} s"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return f"silent for {limits.read:g} s"
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        seen.append(inner)
        if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException) and str(inner):
            return plain(str(inner))
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


def redirect_target(tried: str, url: str, location: str, may_be_plain: Callable[[str], bool]) -> str:
    """Return the absolute URL that a redirect from ``url`` leads to.

    Raises RegistryError: it is no HTTP URL, or leaves HTTPS for a host that may not be spoken to in the clear.
    """
    try:
        following = urljoin(url, location)
        parts = urlsplit(following)
        port = parts.port  # refuses what is no number
    except ValueError:
        raise RegistryError(tried, f"{plain_url(url)} redirects to {plain(location)!r}, no URL") from None
    netloc = parts.netloc.rpartition("@")[2]
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise RegistryError(tried, f"{plain_url(url)} redirects to {plain_url(following)}, not HTTP")
    if parts.scheme == "http" and urlsplit(url).scheme == "https" and not may_be_plain(netloc):
        raise RegistryError(
            tried,
            f"{plain_url(url)} redirects from HTTPS to {plain_url(following)}",
            "Allow plain HTTP for that host if you trust the network in between",
        )
    return following


def is_loopback(netloc: str) -> bool:
    """Tell whether ``host[:port]`` is this machine: ``localhost``, 127.0.0.0/8 or ::1, without asking a name server."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
