"""Files of a container, both ways, over the daemon's archive API: no program of the container takes part."""

from __future__ import annotations

import base64
import io
import json
import posixpath
import tarfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pytest_multiarch.engine.faults import plain, translated
from pytest_multiarch.errors import EngineError, FileProblem, LinkLoop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import Response

    from pytest_multiarch.engine.docker import Engine

_LINKS: Final = 40  # as many as the kernel follows
_PIECE: Final = 1024 * 1024
# Go's os.FileMode, as the daemon sends it in X-Docker-Container-Path-Stat.
_DIRECTORY: Final = 1 << 31
_SYMLINK: Final = 1 << 27
_NO_REGULAR_FILE: Final = _DIRECTORY | _SYMLINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


def read_file(engine: Engine, container: str, path: str, limit: int | None) -> bytes:
    """Return a file's content, links followed.

    Raises FileProblem: there is no regular file at ``path``, or it has more than ``limit`` bytes; None reads any.
    Raises EngineError: the daemon refuses.
    """
    tried = f"reading {path} of {container}"
    place = _target(engine, container, _absolute(path, tried), tried)
    with _request(engine, "GET", container, place, tried) as response, translated(tried):
        _check_regular(_stat(response), tried)
        # urllib3 takes the transfer coding off and reads piece by piece; the archive is never whole in memory.
        response.raw.decode_content = True
        return _only_member(response.raw, limit, tried)


def put_file(
    engine: Engine, container: str, path: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0
) -> None:
    """Write a file; a link there stays, and what it leads to is written. Missing folders are made.

    Raises FileProblem: ``path`` is a directory. Raises EngineError: the daemon refuses.
    """
    tried = f"writing {path} into {container}"
    place = _target(engine, container, _absolute(path, tried), tried, may_be_missing=True)
    member = tarfile.TarInfo(place.lstrip("/"))
    member.size, member.mode, member.uid, member.gid = len(data), mode, uid, gid
    member.mtime = int(time.time())
    if not member.name:
        raise FileProblem(tried, "it is a directory")
    with _request(engine, "PUT", container, "/", tried, body=_archive(member, data)):
        pass


def _archive(member: tarfile.TarInfo, data: bytes) -> Iterator[bytes]:
    """Yield a tar archive of one file without copying its content."""
    yield member.tobuf(tarfile.PAX_FORMAT)
    view = memoryview(data)
    for start in range(0, len(view), _PIECE):
        yield bytes(view[start : start + _PIECE])
    yield bytes(-len(data) % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)


def _only_member(stream: Any, limit: int | None, tried: str) -> bytes:
    """Return the content of the one file in an archive. Its name, owner and size are not believed: what comes is counted."""
    try:
        with tarfile.open(fileobj=_Pieces(stream), mode="r|") as archive:
            member = archive.next()
            content = archive.extractfile(member) if member is not None and member.isreg() else None
            if content is None:
                raise EngineError(tried, "the daemon's answer holds no file")
            data = content.read() if limit is None else content.read(limit + 1)
            if limit is not None and len(data) > limit:
                raise FileProblem(tried, f"it has more than the {limit} bytes that are read", "Give a larger limit.")
    except (tarfile.TarError, EOFError) as error:
        raise EngineError(tried, f"the daemon's answer is no archive: {error}") from error
    if member is not None and len(data) != member.size:
        raise EngineError(tried, f"the daemon's answer ends after {len(data)} of {member.size} bytes")
    return data


class _Pieces(io.RawIOBase):
    """Read an HTTP response as tarfile wants it: as many bytes as asked for, unless it ends."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        pieces = []
        while size and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def _target(engine: Engine, container: str, path: str, tried: str, *, may_be_missing: bool = False) -> str:
    """Return the path behind the links at a path's end; those on the way are the daemon's to follow."""
    for _ in range(_LINKS):
        with _request(engine, "HEAD", container, path, tried, may_be_missing=may_be_missing) as response:
            if response.status_code == 404:
                return path
            stat = _stat(response)
        mode = int(stat.get("mode", 0))
        if not mode & _SYMLINK:
            _check_regular(stat, tried)
            return path
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(stat.get("linkTarget", ""))))
    raise LinkLoop(tried, "its links lead in a circle")


def _check_regular(stat: Mapping[str, Any], tried: str) -> None:
    mode = int(stat.get("mode", 0))
    if mode & _DIRECTORY:
        raise FileProblem(tried, "it is a directory")
    if mode & _NO_REGULAR_FILE:
        raise FileProblem(tried, "it is no regular file")


def _stat(response: Response) -> Mapping[str, Any]:
    """Return what the daemon says of a path: base64 of JSON in a header (Engine API, ContainerArchiveInfo)."""
    try:
        stat = json.loads(base64.b64decode(response.headers["X-Docker-Container-Path-Stat"]))
        return stat if isinstance(stat, dict) else {}
    except (KeyError, ValueError):
        return {}


@contextmanager
def _request(
    engine: Engine,
    method: str,
    container: str,
    path: str,
    tried: str,
    *,
    body: Iterator[bytes] | None = None,
    may_be_missing: bool = False,
) -> Iterator[Response]:
    """Ask the archive endpoint; the answer is closed at the end, unread parts with it.

    By hand, because the SDK has no HEAD here, and hands out an archive's stream without its response.
    """
    api = engine.api
    url = f"{api.base_url}/v{api.api_version}/containers/{quote(container)}/archive"
    with translated(tried, "Is the container still there?"):
        response = api.request(method, url, params={"path": path}, data=body, stream=True, timeout=api.timeout)
    with response:
        if response.status_code == 404 and may_be_missing:
            yield response
            return
        if response.status_code >= 400 and method == "HEAD":
            # A HEAD's answer has no message: ask for the file itself, which is refused for the same reason.
            with _request(engine, "GET", container, path, tried):
                pass
        if response.status_code >= 400:
            raise _refusal(engine, response, container, tried)
        yield response


def _refusal(engine: Engine, response: Response, container: str, tried: str) -> Exception:
    try:
        found = plain(json.loads(response.content)["message"])
    except (ValueError, KeyError, TypeError):
        found = f"status {response.status_code}"
    if "too many links" in found:
        return LinkLoop(tried, found)
    if response.status_code != 404:
        return EngineError(tried, found)
    # Both a container and a file that are not there are 404.
    from docker.errors import NotFound

    with translated(tried):
        try:
            engine.api.inspect_container(container)
        except NotFound:
            return EngineError(tried, "the container is gone")
    return FileProblem(tried, "there is no such file", "List what is there with exec, or with platform_image.files.")


def _absolute(path: str, tried: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise FileProblem(tried, "the path is not absolute", "Begin it with a slash.")
    return posixpath.normpath("/" + path.lstrip("/"))
