"""Files of a container over the archive API: what the daemon answers is not believed further than it can be seen."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import tempfile
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.archive import put_file, read_file
from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.errors import EngineError, FileProblem, LinkLoop, MultiArchError
from tests.unit.fake_engine_api import Answer, FakeEngineApi
from tests.unit.files.common import directory, file, symlink, tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATH = "/containers/warm/archive"
REGULAR, SYMLINK, DIRECTORY, PIPE = 0o644, 1 << 27 | 0o777, 1 << 31 | 0o755, 1 << 25


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngineApi]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with FakeEngineApi().running() as fake:
        fake.on("GET", "/containers/warm/json", Answer(json={"State": {}}))
        fake.on("PUT", PATH, Answer(200))
        yield fake


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


def stat(mode: int, target: str = "") -> dict[str, str]:
    told = json.dumps({"name": "x", "size": 1, "mode": mode, "linkTarget": target}).encode()
    return {"X-Docker-Container-Path-Stat": base64.b64encode(told).decode()}


def holds(api: FakeEngineApi, answer: bytes, mode: int = REGULAR) -> None:
    api.on("HEAD", PATH, Answer(headers=stat(mode)))
    api.on("GET", PATH, Answer(raw=answer, headers=stat(mode), content_type="application/x-tar"))


def test_a_file_is_read_whatever_its_name_in_the_archive(engine: Engine, api: FakeEngineApi) -> None:
    holds(api, tar(file("../../etc/passwd", b"content\0")))
    assert read_file(engine, "warm", "/srv/x", None) == b"content\0"
    (request,) = api.asked("GET", PATH)
    assert request.query["path"] == ["/srv/x"]


def test_links_at_the_end_are_followed(engine: Engine, api: FakeEngineApi) -> None:
    answers = [
        Answer(headers=stat(SYMLINK, "next")),
        Answer(headers=stat(SYMLINK, "/abs")),
        Answer(headers=stat(REGULAR)),
    ]
    api.on("HEAD", PATH, *answers)
    api.on("GET", PATH, Answer(raw=tar(file("abs", b"there")), headers=stat(REGULAR)))
    assert read_file(engine, "warm", "/srv/x", 100) == b"there"
    assert [one.query["path"] for one in api.asked("HEAD", PATH)] == [["/srv/x"], ["/srv/next"], ["/abs"]]


def test_links_without_end_are_left(engine: Engine, api: FakeEngineApi) -> None:
    api.on("HEAD", PATH, Answer(headers=stat(SYMLINK, "/srv/x")))
    with pytest.raises(LinkLoop, match="in a circle"):
        read_file(engine, "warm", "/srv/x", None)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "holds no file|is no archive"),
        (b"no archive at all" * 100, "is no archive"),
        (tar(directory("x")), "holds no file"),
        (tar(symlink("x", "/etc/passwd")), "holds no file"),
        (tar(file("x", b"a" * 5000))[:2000], "is no archive|ends after"),
    ],
)
def test_an_answer_that_is_no_file_is_an_error_of_ours(
    engine: Engine, api: FakeEngineApi, answer: bytes, problem: str
) -> None:
    holds(api, answer)
    with pytest.raises(EngineError, match=problem):
        read_file(engine, "warm", "/srv/x", None)


def test_a_file_larger_than_wanted_is_not_read_to_its_end(engine: Engine, api: FakeEngineApi) -> None:
    holds(api, tar(file("x", b"12345")))
    assert read_file(engine, "warm", "/x", 5) == b"12345"
    with pytest.raises(FileProblem, match="more than the 4 bytes"):
        read_file(engine, "warm", "/x", 4)


@pytest.mark.parametrize(("mode", "problem"), [(DIRECTORY, "a directory"), (PIPE, "no regular file")])
def test_what_is_no_file_is_neither_fetched_nor_written(
    engine: Engine, api: FakeEngineApi, mode: int, problem: str
) -> None:
    holds(api, tar(directory("x")), mode)
    with pytest.raises(FileProblem, match=problem):
        read_file(engine, "warm", "/x", None)
    with pytest.raises(FileProblem, match=problem):
        put_file(engine, "warm", "/x", b"")
    assert api.asked("GET", PATH) == api.asked("PUT", PATH) == []


def test_what_is_not_there_is_told_from_a_container_that_is_not(engine: Engine, api: FakeEngineApi) -> None:
    for method in ("HEAD", "GET"):
        api.on(method, PATH, Answer(404, json={"message": "Could not find the file /x"}))
    with pytest.raises(FileProblem, match="there is no such file"):
        read_file(engine, "warm", "/x", None)
    api.on("GET", "/containers/warm/json", Answer(404, json={"message": "No such container: warm"}))
    with pytest.raises(EngineError, match="the container is gone"):
        read_file(engine, "warm", "/x", None)


@pytest.mark.parametrize("path", ["", "x", "srv/x", "/a\0b"])
def test_a_path_that_is_not_absolute_is_refused(engine: Engine, api: FakeEngineApi, path: str) -> None:
    with pytest.raises(MultiArchError, match="not absolute"):
        read_file(engine, "warm", path, None)
    assert api.asked("HEAD", PATH) == []


def test_what_is_put_is_an_archive_of_one_file(engine: Engine, api: FakeEngineApi) -> None:
    api.on("HEAD", PATH, Answer(404))
    data = bytes(range(256)) * 9000  # more than one piece
    put_file(engine, "warm", "//srv/./new/file", data, mode=0o750, uid=5, gid=6)
    (request,) = api.asked("PUT", PATH)
    assert request.query["path"] == ["/"]
    with tarfile.open(fileobj=io.BytesIO(request.body), mode="r:") as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == data
    assert (member.name, member.mode, member.uid, member.gid) == ("srv/new/file", 0o750, 5, 6)


def test_what_the_daemon_refuses_to_take_is_an_error_of_ours(engine: Engine, api: FakeEngineApi) -> None:
    api.on("HEAD", PATH, Answer(404))
    api.on("PUT", PATH, Answer(403, json={"message": "container rootfs is marked read-only"}))
    with pytest.raises(EngineError, match="writing /x into warm: container rootfs is marked read-only"):
        put_file(engine, "warm", "/x", b"data")
