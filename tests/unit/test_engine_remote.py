"""Asking the process that owns a run: values and errors cross, strangers get nothing."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from pytest_multiarch.engine.build import BuiltPlatform
from pytest_multiarch.engine.registry import Registry
from pytest_multiarch.engine.remote import RemoteWorkshop, Server
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import BuildError, EngineError, NotInRegistry
from pytest_multiarch.image.credentials import Credentials
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.engine.remote import Line
    from pytest_multiarch.engine.workshop import Workshop

AMD64 = Platform.parse("linux/amd64")


@pytest.fixture
def serve() -> Iterator[Callable[..., Line]]:
    servers = []

    def start(**functions: Callable[..., object]) -> Line:
        servers.append(Server(functions))
        return servers[-1].line

    yield start
    for server in servers:
        server.close()


def test_a_function_is_called_with_what_was_given(serve: Callable[..., Line]) -> None:
    line = serve(add=lambda one, *, other: [one, other])
    assert line.call("add", AMD64, other={"x": 1}) == [AMD64, {"x": 1}]


@pytest.mark.parametrize(
    "error",
    [BuildError("building", "broke", "mend it", "a log"), NotInRegistry("asking", status=404, code="X"), KeyError("k")],
)
def test_an_error_is_raised_where_it_was_asked(serve: Callable[..., Line], error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        serve(fail=fail).call("fail")
    assert caught.value.args == error.args
    assert getattr(caught.value, "status", None) == getattr(error, "status", None)


def test_what_cannot_cross_is_told(serve: Callable[..., Line]) -> None:
    with pytest.raises(EngineError, match=r"answering lock: <unlocked .* does not cross"):
        serve(lock=threading.Lock).call("lock")


def test_many_are_answered_at_once(serve: Callable[..., Line]) -> None:
    barrier = threading.Barrier(8)
    line = serve(meet=lambda: barrier.wait(20))
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: line.call("meet"), range(8))) == list(range(8))


def test_whoever_does_not_know_the_key_gets_no_answer(serve: Callable[..., Line]) -> None:
    called: list[str] = []
    line = serve(call=lambda: called.append("x"))
    with pytest.raises(EngineError, match="asking the process that owns this run"):
        replace(line, key=b"another").call("call")
    stranger = socket.create_connection(("127.0.0.1", line.port))
    line.call("call")  # one who stays silent keeps nobody out
    stranger.close()
    assert called == ["x"]


def test_the_key_is_in_no_text(serve: Callable[..., Line]) -> None:
    line = serve()
    assert "key" not in repr(line)
    assert line.key != serve().key


def test_one_who_has_gone_is_told() -> None:
    server = Server({"call": lambda: None})
    server.close()
    with pytest.raises(EngineError, match=r"asking the process that owns this run \(call\)"):
        server.line.call("call")


def test_a_workshop_is_asked_as_if_it_were_here(serve: Callable[..., Line], tmp_path: Path) -> None:
    registry = Registry("localhost:5001", "http://127.0.0.1:5001", Credentials("me", "p"))
    built = BuiltPlatform(AMD64, "sha256:" + "1" * 64, 2.0, ("a warning",))
    spec = BuildSpec(context=tmp_path, args={"A": None}, contexts={"x": "y"})
    asked: list[tuple[object, ...]] = []

    class Fake:
        def registry(self) -> Registry:
            return registry

        def build(self, *args: object) -> str:
            asked.append(args)
            return "app:latest"

        def built(self, *args: object) -> BuiltPlatform:
            asked.append(args)
            return built

    made = []

    def make() -> Workshop:
        made.append(Fake())
        return cast("Workshop", made[-1])

    remote = RemoteWorkshop(serve(**RemoteWorkshop.functions_of(make)))
    assert made == []
    assert (remote.registry(), remote.registry().credentials.secret) == (registry, "p")
    assert remote.build(spec, [AMD64]) == "app:latest"
    assert remote.built("app:latest", AMD64) == built
    assert asked == [(spec, (AMD64,), None), ("app:latest", AMD64)]


def test_who_leaves_waits_for_nothing_more(serve: Callable[..., Line]) -> None:
    called, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        called.set()
        go_on.wait(20)

    remote = RemoteWorkshop(serve(builder=wait, registry=lambda: "never asked"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(remote.builder)
        assert called.wait(20)
        remote.leave()
        with pytest.raises(EngineError, match=r"asking the process that owns this run \(builder\)"):
            waiting.result(20)
    go_on.set()
    with pytest.raises(EngineError, match="this process is about to end"):
        remote.registry()
