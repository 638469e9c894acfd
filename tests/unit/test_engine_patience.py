"""A daemon that is gone for a moment: what it was not there to take is asked again, what it may have begun with is not."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from requests.exceptions import ConnectionError as NoConnection

from pytest_multiarch.engine.addresses import make_client
from pytest_multiarch.engine.patience import Patience
from tests.unit.fake_engine_api import Answer, FakeEngineApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_multiarch.engine.patience import PatientClient


class Notes(list[str]):
    """What a user is told; ``first`` is set with the first of it."""

    def __init__(self) -> None:
        self.first = threading.Event()

    def __call__(self, text: str) -> None:
        self.append(text)
        self.first.set()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def api() -> FakeEngineApi:
    api = FakeEngineApi()
    api.on("POST", "/containers/c/start", Answer(204))
    return api


@pytest.fixture(params=[False, True], ids=["socket", "port"])
def is_tcp(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def address(is_tcp: bool, tmp_path: Path) -> str:
    """Return where a daemon was that is gone."""
    with FakeEngineApi().running(tcp=is_tcp, at="" if is_tcp else f"unix://{tmp_path}/s") as gone:
        return gone.url


@pytest.fixture
def connect(address: str) -> Iterator[Callable[[Patience], PatientClient]]:
    made: list[PatientClient] = []

    def connect(patience: Patience) -> PatientClient:
        made.append(make_client({"base_url": address}, 20, "1.45", patience))
        return made[-1]

    yield connect
    for client in made:
        client.close()


def test_what_nobody_was_there_to_take_is_asked_again_once_somebody_is(
    api: FakeEngineApi, address: str, is_tcp: bool, notes: Notes, connect: Callable[[Patience], PatientClient]
) -> None:
    client = connect(Patience(notes))
    problems: list[Exception] = []

    def ask() -> None:
        try:
            client.start("c")
        except NoConnection as error:
            problems.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert notes.first.wait(20)
    with api.running(tcp=is_tcp, at=address):
        asking.join(20)
    assert problems == []
    assert len(api.asked("POST", "/containers/c/start")) == 1
    assert notes == [f"the Docker daemon at {address} does not answer; waiting up to 60 s for it"]


def test_one_that_does_not_come_back_is_waited_for_once_until_it_has_answered(
    api: FakeEngineApi, address: str, is_tcp: bool, notes: Notes, connect: Callable[[Patience], PatientClient]
) -> None:
    patience = Patience(notes, limit=0.3)
    client = connect(patience)
    for _ in range(3):
        with pytest.raises(NoConnection):
            client.start("c")
    assert len(notes) == 1
    with api.running(tcp=is_tcp, at=address):
        client.start("c")
    with pytest.raises(NoConnection):
        connect(patience).start("c")  # which has no connection that is still open
    assert len(notes) == 2


def test_nobody_is_waited_for_at_the_end_of_a_run(
    address: str, notes: Notes, connect: Callable[[Patience], PatientClient]
) -> None:
    patience = Patience(notes, limit=3600)
    client = connect(patience)

    def end() -> None:
        notes.first.wait(20)
        patience.end()

    ended = threading.Thread(target=end)
    ended.start()
    for _ in range(2):
        with pytest.raises(NoConnection):
            client.start("c")
    ended.join()
    assert len(notes) == 1


def test_what_the_daemon_may_have_begun_with_is_not_asked_again(notes: Notes) -> None:
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up_on_everybody() -> None:
            while True:
                visitor, _ = server.accept()
                with visitor:
                    requests.append(visitor.recv(65536))
                if requests[-1] == b"the end":
                    return

        hanging_up = threading.Thread(target=hang_up_on_everybody)
        hanging_up.start()
        address = ("127.0.0.1", server.getsockname()[1])
        with (
            closing(make_client({"base_url": f"tcp://127.0.0.1:{address[1]}"}, 20, "1.45", Patience(notes))) as client,
            pytest.raises(NoConnection),
        ):
            client.start("c")
        with socket.create_connection(address) as last:
            last.sendall(b"the end")
        hanging_up.join(20)
    assert len(requests) == 2
    assert b"/containers/c/start" in requests[0]
    assert notes == []
