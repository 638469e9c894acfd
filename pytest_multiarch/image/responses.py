"""A registry's refusal as one of this project's errors, and reading no more of a response than is wanted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import requests

from pytest_multiarch.errors import AccessDenied, NotInRegistry, RegistryError
from pytest_multiarch.image.transport import BROKEN_CONNECTION
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK: Final = 64 * 1024
_ERROR_LIMIT: Final = 16 * 1024
_CODE_LIMIT: Final = 64


def read_limited(response: requests.Response, limit: int, tried: str) -> bytes:
    """Return a response's body as it came.

    Raises RegistryError: longer than ``limit`` bytes; what ``BROKEN_CONNECTION`` names where the connection breaks.
    """
    told = response.headers.get("Content-Length", "")
    data = bytearray()
    if not (told.isascii() and told.isdigit() and int(told[:20]) > limit):
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            data += chunk
            if len(data) > limit:
                break
        else:
            if is_cut(response):
                raise requests.ConnectionError("connection closed too early")
            return bytes(data)
    raise RegistryError(tried, f"an answer of more than {limit} bytes", status=response.status_code)


def is_cut(response: requests.Response) -> bool:
    """Tell whether a body that has been read ended before its ``Content-Length``; urllib3 1.26 does not mind."""
    told = response.headers.get("Content-Length", "")
    return told.isascii() and told.isdigit() and response.raw.tell() < int(told[:20])


def error_from(
    response: requests.Response, tried: str, *, redact: Callable[[str], str] = str, hint: str = ""
) -> RegistryError:
    """Return the error for a response that is no success, with the registry's own code and message if it gives them.

    Source: distribution-spec, "Error Codes". ``redact`` takes secrets out of what the registry says.
    """
    code, message = _said(response)
    code, message = redact(code), redact(message)
    status = response.status_code
    words = ": ".join(part for part in (code, message) if part)
    found = f"HTTP {status}{f' ({words})' if words else ''}"
    if status in (401, 403):
        advice = hint or "docker login, or check the name: registries hide what one may not see"
        return AccessDenied(tried, found, advice, status=status, code=code)
    if status == 404:
        return NotInRegistry(tried, found, hint, status=status, code=code)
    if status == 429:
        wait = plain(response.headers.get("Retry-After", ""), _CODE_LIMIT)
        advice = "The registry limits how often it is asked; docker login raises Docker Hub's limit, a mirror avoids it"
        return RegistryError(
            tried, f"{found}{f', Retry-After {wait}' if wait else ''}", hint or advice, status=status, code=code
        )
    return RegistryError(tried, found, hint, status=status, code=code)


def _said(response: requests.Response) -> tuple[str, str]:
    """Return the first error of the body; every field of it is somebody else's text."""
    try:
        data = next(response.raw.stream(_ERROR_LIMIT, decode_content=False), b"")[:_ERROR_LIMIT]
        body: Any = json.loads(data)
    except (ValueError, RecursionError, *BROKEN_CONNECTION):
        return "", ""
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _word(errors[0].get("code"), _CODE_LIMIT), _word(errors[0].get("message"))
    # Token services have their own ways: Docker Hub's "details", OAuth's "error" and "error_description".
    if isinstance(body, dict):
        return _word(body.get("error"), _CODE_LIMIT), _word(
            body.get("error_description") or body.get("details") or body.get("message")
        )
    return "", ""


def _word(value: object, limit: int = 300) -> str:
    return plain(value, limit) if isinstance(value, str) else ""
