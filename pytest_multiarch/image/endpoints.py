"""Where a registry's API is, mirrors first, and asking there with the right authorization.

Mirrors work as dockerd's ``registry-mirrors`` do: they stand in for Docker Hub only, for pulling only, in their order,
and whatever goes wrong with one leads to the next and at last to Docker Hub itself (moby ``continueOnError``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from pytest_multiarch.errors import RegistryError
from pytest_multiarch.image.authentication import Access
from pytest_multiarch.image.reference import DOCKER_HUB
from pytest_multiarch.image.responses import error_from
from pytest_multiarch.image.transport import (
    BROKEN_CONNECTION,
    Authorization,
    Request,
    SizedBody,
    is_same_origin,
    reason,
)
from pytest_multiarch.image.wording import plain_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import requests

    from pytest_multiarch.image.authentication import Authenticator
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.transport import (
        Transport,
    )

HUB_URL: Final = "https://registry-1.docker.io"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Name one place that serves a registry's repositories; ``registry`` is the name that its credentials go by."""

    base_url: str
    registry: str
    is_mirror: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Describe one request below a repository: ``path`` is ``manifests/…`` or ``blobs/…``."""

    tried: str
    repository: Reference
    method: str
    path: str
    headers: Mapping[str, str]
    expected: Collection[int] = (200,)


class Endpoints:
    """Ask registries, whichever place serves them; ``fixed`` maps a registry's name to the URL that is used for it."""

    def __init__(
        self,
        transport: Transport,
        authenticator: Authenticator,
        *,
        mirrors: Sequence[str] = (),
        fixed: Mapping[str, str] | None = None,
    ) -> None:
        self.transport = transport
        self.authenticator = authenticator
        self._mirrors = tuple(Endpoint(url.rstrip("/"), urlsplit(url).netloc, is_mirror=True) for url in mirrors)
        self._fixed = {name: url.rstrip("/") for name, url in (fixed or {}).items()}
        self._silent: set[str] = set()

    def home(self, reference: Reference) -> Endpoint:
        """Return the registry itself, never a mirror."""
        name = reference.registry
        default = HUB_URL if name == DOCKER_HUB else self.transport.base_url(name)
        return Endpoint(self._fixed.get(name, default), name)

    def pull(self, call: Call, handle: Callable[[requests.Response], T]) -> T:
        """Ask mirrors, then the registry, and return what ``handle`` makes of the first response that is expected.

        Raises RegistryError, NotInRegistry or AccessDenied: what the registry itself said, the mirrors' words below it.
        """
        failures: list[str] = []
        if call.repository.registry == DOCKER_HUB:
            for mirror in self._mirrors:
                if mirror.base_url in self._silent:
                    failures.append(f"mirror {plain_url(mirror.base_url)}: did not answer before")
                    continue
                try:
                    return self._read(mirror, call, handle)
                except RegistryError as error:
                    failures.append(f"mirror {plain_url(mirror.base_url)}: {error.found}")
                    if error.status == 0:
                        self._silent.add(mirror.base_url)
        try:
            return self._read(self.home(call.repository), call, handle)
        except RegistryError as error:
            if not failures:
                raise
            detail = "\n".join([*failures, error.detail] if error.detail else failures)
            raise type(error)(
                error.tried, error.found, error.hint, detail, status=error.status, code=error.code
            ) from None

    def ask(
        self,
        endpoint: Endpoint,
        request: Request,
        repository: Reference,
        *,
        actions: str = "pull",
        attempts: int | None = None,
    ) -> requests.Response:
        """Send a request with the authorization that is known for it, and once more with a better one after a 401.

        A challenge counts only where it comes from the place that was asked, not from where that redirected to.
        """
        access = Access(endpoint.base_url, endpoint.registry, repository.repository, actions)
        is_home = is_same_origin(request.url, endpoint.base_url)
        known = self.authenticator.current(access) if is_home else Authorization()
        response = self.transport.send(replace(request, authorization=known), attempts=attempts)
        if response.status_code != 401 or not is_home or not is_same_origin(response.url, request.url):
            return response
        if isinstance(request.body, SizedBody):
            return response
        try:
            better = self.authenticator.answer(access, known, response.headers.get("WWW-Authenticate", ""))
        except RegistryError:
            response.close()
            raise
        if better is None:
            return response
        response.close()
        return self.transport.send(replace(request, authorization=better), attempts=attempts)

    def refusal(self, endpoint: Endpoint, response: requests.Response, tried: str) -> RegistryError:
        """Return the error for an unexpected response, and close it."""
        with response:
            hint = self.authenticator.problem(endpoint.registry) if response.status_code in (401, 403) else ""
            return error_from(response, tried, redact=self.authenticator.redact, hint=hint)

    def _read(self, endpoint: Endpoint, call: Call, handle: Callable[[requests.Response], T]) -> T:
        url = f"{endpoint.base_url}/v2/{call.repository.repository}/{call.path}"
        request = Request(call.tried, call.method, url, call.headers)
        # Whoever asks a mirror has somewhere else to go: no waiting for one that is down.
        attempts = 1 if endpoint.is_mirror else self.transport.limits.attempts
        cause = ""
        for _ in range(attempts):
            response = self.ask(endpoint, request, call.repository, attempts=attempts)
            if response.status_code not in call.expected:
                raise self.refusal(endpoint, response, call.tried)
            try:
                return handle(response)
            except BROKEN_CONNECTION as error:
                response.close()
                cause = reason(error, self.transport.limits)
        raise RegistryError(call.tried, f"connection to {plain_url(url)} lost: {cause}")
