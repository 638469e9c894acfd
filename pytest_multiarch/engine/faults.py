"""What the docker SDK raises, in our words: the daemon's own where it has said something, else that it is silent or gone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated(tried: str, hint: str = "") -> Iterator[None]:
    """Turn what the SDK and its HTTP libraries raise into `EngineError`.

    The original is not its cause: a report shows the texts of causes as they are, and a daemon quotes URLs with what is secret in
    them.
    """
    from docker.errors import APIError, DockerException, StreamParseError
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    # The last two come out of a stream that breaks off: the SDK reads those past `requests`.
    except (DockerException, RequestException, OSError, HTTPError, StreamParseError) as error:
        status = error.status_code if isinstance(error, APIError) else None
        raise EngineError(tried, _silence(error) or plain(error), hint, status=status or 0) from None


def _silence(error: Exception) -> str:
    """Return in plain words that the daemon is not there or says nothing; empty where it has said something."""
    from requests import exceptions
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    if isinstance(error, (exceptions.ReadTimeout, ReadTimeoutError)) or "Read timed out" in str(error):
        return "the Docker daemon has said nothing for too long; is it overloaded, or what it waits for silent?"
    if not isinstance(error, (exceptions.ConnectionError, ProtocolError, ConnectionError)):
        return ""
    inner: BaseException | None = error
    seen: list[BaseException] = []
    while inner is not None and inner not in seen:
        seen.append(inner)
        if isinstance(inner, OSError) and inner.strerror:
            return f"the Docker daemon does not answer ({inner.strerror}); has it ended, or been restarted?"
        inner = inner.__cause__ or inner.__context__
    return f"the Docker daemon does not answer ({plain(error)}); has it ended, or been restarted?"


def plain(error: object) -> str:
    """Return the daemon's own words on one line: no SDK wrapping, no control characters, at most 500 characters."""
    text = str(getattr(error, "explanation", None) or error)
    return "".join(c if c.isprintable() else " " for c in text).strip()[:500]
