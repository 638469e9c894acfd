"""Image references as Docker reads them: ``alpine``, ``ghcr.io/owner/name:tag``, ``localhost:5001/app@sha256:…``.

The grammar and the short names of Docker Hub follow https://github.com/distribution/reference
(``reference.go``, ``regexp.go`` and ``normalize.go``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from pytest_multiarch.errors import InvalidReference
from pytest_multiarch.oci.digest import is_digest

DOCKER_HUB: Final = "docker.io"
DEFAULT_TAG: Final = "latest"

_LEGACY_HUB: Final = "index.docker.io"
_OFFICIAL: Final = "library/"
_LONGEST_NAME: Final = 255
_LONGEST_TEXT: Final = 4096

_COMPONENT: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN: Final = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
_TAG: Final = r"\w[\w.-]{0,127}"
_DIGEST: Final = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_WHOLE: Final = re.compile(rf"({_DOMAIN})/({_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?", re.ASCII)
_ONLY_TAG: Final = re.compile(_TAG, re.ASCII)
_IDENTIFIER: Final = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """Name an image: where it is, and optionally which tag or digest of it. Build it with ``Reference.parse``."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference, short names of Docker Hub included; no tag is added where none is given.

        Raises InvalidReference: the text does not follow the grammar.
        """
        if len(text) > _LONGEST_TEXT:
            _refuse(text, f"longer than {_LONGEST_TEXT} characters")
        if _IDENTIFIER.fullmatch(text):
            _refuse(text, "64 hexadecimal digits are an image id, not a name", "Write repository@sha256:… instead")
        domain, remainder = _split(text)
        path = remainder.partition("@")[0].partition(":")[0]
        if path != path.lower():
            _refuse(text, f"repository name {path!r} must be lower-case")
        match = _WHOLE.fullmatch(f"{domain}/{remainder}")
        if match is None:
            hint = "Leave out the https://" if "://" in text else "Expected [registry[:port]/]name[:tag][@sha256:…]"
            _refuse(text, "it does not follow the grammar", hint)
        registry, repository, tag, digest = match.groups(default="")
        if len(repository) > _LONGEST_NAME:
            _refuse(text, f"repository name is longer than {_LONGEST_NAME} characters")
        if digest and not is_digest(digest):
            _refuse(text, f"digest {digest!r} is neither sha256: with 64 nor sha512: with 128 lower-case digits")
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Return registry and repository: ``docker.io/library/alpine``."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """Return what a registry is asked for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def familiar(self) -> str:
        """Return the form that Docker shows: ``alpine:3`` for ``docker.io/library/alpine:3``."""
        name = self.name
        if self.registry == DOCKER_HUB:
            short = self.repository.removeprefix(_OFFICIAL)
            name = self.repository if "/" in short else short
        return self._complete(name)

    def with_digest(self, digest: str) -> Reference:
        """Return this image by digest alone: a tag beside it would say nothing that the digest does not.

        Raises InvalidReference: no digest that can be verified here.
        """
        if not is_digest(digest):
            _refuse(digest, "not a sha256 or sha512 digest")
        return replace(self, digest=digest, tag="")

    def with_tag(self, tag: str) -> Reference:
        """Return this image under a tag, without a digest.

        Raises InvalidReference: no tag.
        """
        if _ONLY_TAG.fullmatch(tag) is None:
            _refuse(tag, "not a tag: letters, digits, '_', '.', '-', at most 128, the first no '.' or '-'")
        return replace(self, tag=tag, digest="")

    def __str__(self) -> str:
        """Return the whole reference, with registry, and with tag and digest where it has them."""
        return self._complete(self.name)

    def _complete(self, name: str) -> str:
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _split(text: str) -> tuple[str, str]:
    """Tell the registry from the rest, as ``splitDockerDomain`` does: ``a/b`` is on Docker Hub, ``a.b/c`` is not."""
    first, slash, rest = text.partition("/")
    if not slash:
        return DOCKER_HUB, _OFFICIAL + text
    is_domain = first == "localhost" or "." in first or ":" in first or first != first.lower()
    if not is_domain:
        return DOCKER_HUB, text
    domain = DOCKER_HUB if first == _LEGACY_HUB else first
    if domain == DOCKER_HUB and "/" not in rest:
        rest = _OFFICIAL + rest
    return domain, rest


def _refuse(text: str, found: str, hint: str = "") -> NoReturn:
    raise InvalidReference(f"read image reference {text[:200]!r}", found, hint)
