"""Answering a registry's 401: anonymous and personal bearer tokens, identity tokens, and Basic.

Follows https://distribution.github.io/distribution/spec/auth/token/ and ``…/auth/oauth/``. Tokens are kept until they
expire, one for each registry, repository and pair of actions; several threads share them.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from pytest_multiarch.errors import AccessDenied, RegistryError
from pytest_multiarch.image.responses import error_from, read_limited
from pytest_multiarch.image.transport import BROKEN_CONNECTION, Authorization, Request, reason
from pytest_multiarch.image.wording import plain_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_multiarch.image.credentials import Credentials, CredentialSource
    from pytest_multiarch.image.transport import Transport

_ANSWER_LIMIT: Final = 1024 * 1024
_SHORTEST_LIFE: Final = 60.0
_MARGIN: Final = 10.0
_CLIENT: Final = "pytest-multiarch"
_PARAMETER: Final = re.compile(r"""([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?\s*""")
_SCHEME: Final = re.compile(r"[\s,]*([A-Za-z]+)(?:\s+(?:[A-Za-z0-9._~+/-]+=*\s*(?=,|$))?|(?=,)|$)")


@dataclass(frozen=True, slots=True)
class Access:
    """Say what is asked of a registry: ``actions`` is ``pull``, or ``pull,push``."""

    base_url: str
    registry: str
    repository: str
    actions: str = "pull"

    @property
    def scope(self) -> str:
        """Return the scope in the words of the token specification."""
        return f"repository:{self.repository}:{self.actions}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Hold one challenge of a ``WWW-Authenticate`` header, names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


class Authenticator:
    """Know how each registry wants to be asked. ``clock`` counts seconds; it is for tests."""

    def __init__(
        self, transport: Transport, credentials: CredentialSource | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._source = credentials
        self._clock = clock
        self._lock = threading.RLock()
        self._granted: dict[Access, tuple[Authorization, float]] = {}
        self._found: dict[str, Credentials | None] = {}
        self._problems: dict[str, str] = {}
        self._secrets: set[str] = set()

    def current(self, access: Access) -> Authorization:
        """Return what is known to open this access, an empty one at first or after a token's end."""
        with self._lock:
            authorization, end = self._granted.get(access, (Authorization(), 0.0))
            return authorization if self._clock() < end else Authorization()

    def answer(self, access: Access, refused: Authorization, header: str) -> Authorization | None:
        """Return a better authorization after a 401 with this ``WWW-Authenticate`` header, or None where there is none.

        Raises AccessDenied or RegistryError: the token service refuses, or does not answer.
        """
        with self._lock:
            known = self.current(access)
            if not known.is_empty and known is not refused:
                return known  # another thread was faster
            challenges = {one.scheme: one for one in parse_challenges(header)}
            credentials = self.credentials(access.registry)
            if "bearer" in challenges:
                granted = self._token(access, challenges["bearer"], credentials)
            elif "basic" in challenges and credentials and not credentials.is_identity_token and refused.is_empty:
                granted = (_basic(credentials), float("inf"))
            else:
                return None
            self._granted[access] = granted
            return granted[0]

    def credentials(self, registry: str) -> Credentials | None:
        """Return the credentials of a registry, looked up once.

        A source that is broken counts as none, as for ``docker pull``; ``problem`` tells it once access is denied.
        """
        with self._lock:
            if registry not in self._found:
                try:
                    found = self._source.find(registry) if self._source else None
                except AccessDenied as error:
                    found = None
                    self._problems[registry] = str(error)
                self._found[registry] = found
                if found:
                    self._secrets |= {found.secret, _basic_value(found)}
            return self._found[registry]

    def problem(self, registry: str) -> str:
        """Return why no credentials were found for a registry, empty where nothing was wrong."""
        with self._lock:
            return self._problems.get(registry, "")

    def redact(self, text: str) -> str:
        """Return text without any secret that this client holds: a registry may well send back what it was sent."""
        with self._lock:
            for secret in sorted(self._secrets, key=len, reverse=True):
                if secret:
                    text = text.replace(secret, "***")
        return text

    def _token(
        self, access: Access, challenge: Challenge, credentials: Credentials | None
    ) -> tuple[Authorization, float]:
        realm = challenge.parameters.get("realm", "")
        tried = f"get a token for {access.registry}/{access.repository} from {plain_url(realm)}"
        self._check_realm(access, realm, tried)
        fields = {"service": challenge.parameters.get("service", "")}
        fields["scope"] = challenge.parameters.get("scope") or access.scope
        if credentials and credentials.is_identity_token:
            request = _refresh(tried, realm, fields, credentials)
        else:
            query = urlencode([(name, text) for name, text in fields.items() if text])
            url = f"{realm}{'&' if urlsplit(realm).query else '?'}{query}"
            request = Request(tried, "GET", url, authorization=_basic(credentials) if credentials else Authorization())
        response = self._transport.send(request)
        with response:
            if response.status_code != 200:
                raise error_from(response, tried, redact=self.redact, hint=self.problem(access.registry))
            try:
                body = read_limited(response, _ANSWER_LIMIT, tried)
            except BROKEN_CONNECTION as error:
                raise RegistryError(tried, f"connection lost: {reason(error, self._transport.limits)}") from None
        return self._granted_by(body, tried)

    def _granted_by(self, body: bytes, tried: str) -> tuple[Authorization, float]:
        try:
            answer: Any = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryError(tried, "the token service's answer holds no token", status=200)
        self._secrets.add(token)
        return Authorization(f"Bearer {token}"), self._clock() + _life(answer.get("expires_in")) - _MARGIN

    def _check_realm(self, access: Access, realm: str, tried: str) -> None:
        """Refuse a token service that would see credentials in the clear although the registry itself does not."""
        try:
            scheme, netloc = urlsplit(realm).scheme, urlsplit(realm).netloc
        except ValueError:  # a bracket too few, or characters that no host has
            scheme = netloc = ""
        if scheme not in {"http", "https"} or not netloc:
            raise RegistryError(tried, "the registry's challenge names no token service", status=401)
        is_downgrade = scheme == "http" and urlsplit(access.base_url).scheme == "https"
        if is_downgrade and not self._transport.may_be_plain(netloc):
            raise AccessDenied(
                tried, "a token service without HTTPS", "Credentials are not sent in the clear", status=401
            )


def _life(told: object) -> float:
    """Return how many seconds a token lives: the shortest life where the answer tells none, or no number of this world."""
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        return _SHORTEST_LIFE
    try:
        seconds = float(told)
    except OverflowError:
        return _SHORTEST_LIFE
    return max(seconds, _SHORTEST_LIFE) if math.isfinite(seconds) else _SHORTEST_LIFE


def parse_challenges(header: str) -> list[Challenge]:
    """Read a ``WWW-Authenticate`` header (RFC 9110, section 11.6.1), as far as it follows the grammar."""
    challenges: list[Challenge] = []
    position = 0
    while match := _SCHEME.match(header, position):
        position = match.end()
        parameters: dict[str, str] = {}
        while found := _PARAMETER.match(header, position):
            name, quoted, word = found.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else word
            position = found.end()
        challenges.append(Challenge(match[1].lower(), parameters))
    return challenges


def _refresh(tried: str, realm: str, fields: Mapping[str, str], credentials: Credentials) -> Request:
    form = {**fields, "grant_type": "refresh_token", "refresh_token": credentials.secret, "client_id": _CLIENT}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request(tried, "POST", realm, headers, urlencode(form).encode())


def _basic(credentials: Credentials) -> Authorization:
    return Authorization(f"Basic {_basic_value(credentials)}")


def _basic_value(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.secret}".encode()).decode("ascii")
