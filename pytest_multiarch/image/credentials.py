"""The user's registry credentials, found where Docker finds them.

Read as docker/cli reads them (``cli/config/configfile/file.go``, ``cli/config/credentials/``): ``DOCKER_AUTH_CONFIG``,
then the helper that ``credHelpers`` names for the registry, or else ``credsStore``, or else ``auths``. Nothing is
written.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from pytest_multiarch.errors import AccessDenied
from pytest_multiarch.image.reference import DOCKER_HUB
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB_KEY: Final = "https://index.docker.io/v1/"
"""The name under which Docker keeps the credentials of Docker Hub."""

_HUB_HOSTS: Final = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_TOKEN_USER: Final = "<token>"  # noqa: S105 - docker-credential-helpers' mark for an identity token
_NOT_FOUND: Final = "credentials not found in native keychain"
_HELPER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Hold what a registry wants to see; the secret is in no ``repr``.

    ``secret`` is a password, or, with ``is_identity_token``, a refresh token that is exchanged for access tokens.
    """

    username: str
    secret: str = field(repr=False)
    is_identity_token: bool = False


class CredentialSource(Protocol):
    """Know the credentials of registries."""

    def find(self, registry: str) -> Credentials | None:
        """Return the credentials for ``host[:port]``, None where there are none.

        Raises AccessDenied where the source itself is broken.
        """
        ...


@dataclass(frozen=True, slots=True)
class KnownCredentials:
    """Give credentials that this process knows, and ask another source for those of other registries."""

    known: Mapping[str, Credentials]
    fallback: CredentialSource | None = None

    def find(self, registry: str) -> Credentials | None:
        """Return the credentials for ``host[:port]``, None where there are none."""
        if registry in self.known:
            return self.known[registry]
        return self.fallback.find(registry) if self.fallback else None


@dataclass(frozen=True, slots=True)
class DockerCredentials:
    """Find credentials in Docker's configuration, read anew at each call: ``docker login`` may come in between.

    ``config`` is the path of ``config.json``; ``helper_seconds`` is how long a credential helper may take.
    """

    config: Path
    inline: str = field(default="", repr=False)
    helper_seconds: float = _HELPER_SECONDS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> DockerCredentials:
        """Take ``DOCKER_CONFIG``, or ``~/.docker``, and ``DOCKER_AUTH_CONFIG``."""
        env = os.environ if environ is None else environ
        folder = env.get("DOCKER_CONFIG") or Path.home() / ".docker"
        return cls(Path(folder) / "config.json", env.get("DOCKER_AUTH_CONFIG", ""))

    def find(self, registry: str) -> Credentials | None:
        """Return the credentials for ``host[:port]``, None where there are none.

        Raises AccessDenied where the configuration cannot be read, or its credential helper is missing, fails, or takes
        too long. ``docker pull`` ignores that (``ResolveAuthConfig``) and a build stops on it: the caller chooses.
        """
        key = HUB_KEY if registry in _HUB_HOSTS else registry
        if self.inline:
            found = _from_auths(_object(self.inline, "DOCKER_AUTH_CONFIG"), key, "DOCKER_AUTH_CONFIG")
            if found:
                return found
        try:
            text = self.config.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AccessDenied(f"read {self.config}", type(error).__name__, "Make it readable or remove it") from None
        config = _object(text, str(self.config))
        helpers = config.get("credHelpers")
        store = config.get("credsStore")
        helper = helpers[key] if isinstance(helpers, dict) and key in helpers else store
        if isinstance(helper, str) and helper:
            return self._ask(helper, key)
        return _from_auths(config, key, str(self.config))

    def _ask(self, helper: str, key: str) -> Credentials | None:
        """Ask ``docker-credential-NAME``; the registry's name goes in on standard input, as its README says."""
        program = f"docker-credential-{helper}"
        tried = f"ask {program!r} for the credentials of {key}"
        hint = f"Repair the helper, or take it out of {self.config}"
        path = None if "/" in helper or os.sep in helper else shutil.which(program)
        if path is None:
            raise AccessDenied(tried, "there is no such program on PATH", hint)
        try:
            done = subprocess.run(
                [path, "get"], input=key.encode(), capture_output=True, timeout=self.helper_seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise AccessDenied(tried, f"no answer within {self.helper_seconds:g} s", hint) from None
        except OSError as error:
            raise AccessDenied(tried, f"it does not start: {error.strerror}", hint) from None
        output = done.stdout.decode("utf-8", errors="replace").strip()
        if done.returncode != 0:
            if output == _NOT_FOUND:
                return None
            said = "" if "{" in output else plain(output or done.stderr.decode("utf-8", errors="replace"))
            raise AccessDenied(tried, f"exit code {done.returncode}{': ' if said else ''}{said}", hint)
        answer = _answer(output, tried, hint)
        username, secret = answer.get("Username"), answer.get("Secret")
        if not isinstance(username, str) or not isinstance(secret, str):
            raise AccessDenied(tried, "its answer has no Username and Secret", hint)
        if not username and not secret:
            return None
        return Credentials(username, secret, is_identity_token=username == _TOKEN_USER)


def _from_auths(config: Mapping[str, Any], key: str, where: str) -> Credentials | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    entry = auths.get(key)
    if entry is None:
        # Older files have URLs as keys (docker/cli file_store.go); podman writes docker.io.
        wanted = _HUB_HOSTS if key == HUB_KEY else {key}
        entry = next((value for name, value in auths.items() if _host(name) in wanted), None)
    return _credentials(entry, key, where) if isinstance(entry, dict) else None


def _credentials(entry: Mapping[str, Any], key: str, where: str) -> Credentials | None:
    username, password = _text(entry, "username"), _text(entry, "password")
    if auth := _text(entry, "auth"):
        try:
            username, colon, password = base64.b64decode(auth, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            colon = ""
        if not colon or not username:
            raise AccessDenied(f"read the credentials of {key} in {where}", "'auth' is not base64 of user:password")
        password = password.strip("\x00")
    if token := _text(entry, "identitytoken"):
        return Credentials(username or _TOKEN_USER, token, is_identity_token=True)
    return Credentials(username, password) if username else None


def _host(name: str) -> str:
    """Return ``host[:port]`` of a key that may be a URL, as ``ConvertToHostname`` does."""
    return name.partition("://")[2].partition("/")[0] if "://" in name else name.partition("/")[0]


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # its text would show a piece of the file
        value = None
    if not isinstance(value, dict):
        raise AccessDenied(f"read {where}", "not a JSON object", "Mend it, or run docker login again")
    return value


def _answer(output: str, tried: str, hint: str) -> dict[str, Any]:
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise AccessDenied(tried, "its answer is not a JSON object", hint)
    return value
