"""Registering emulators: the image's own report is believed and not its exit code, and else this machine's packages."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.emulators import parse_report, register
from pytest_multiarch.engine.ledger import Ledger, Owned
from pytest_multiarch.errors import EmulatorsMissing
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import Answer, FakeEngineApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARM64, S390X = Platform.parse("linux/arm64"), Platform.parse("linux/s390x")
IMAGE = "tonistiigi/binfmt:qemu-v10.2.3"
# As the image's documentation shows it.
REPORT = (
    b'{\n  "supported": [\n    "linux/amd64",\n    "linux/arm64"\n  ],\n  "emulators": [\n    "qemu-aarch64"\n  ]\n}\n'
)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngineApi]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fake = FakeEngineApi()
    fake.on("POST", "/images/create", Answer(chunks=[b'{"status": "done"}\r\n']))
    fake.on("POST", "/containers/create", Answer(201, json={"Id": "c0ffee"}))
    fake.on("POST", "/containers/[^/]+/start", Answer(204))
    fake.on("POST", "/containers/[^/]+/wait", Answer(json={"StatusCode": 0}))
    fake.on("GET", "/containers/[^/]+/json", Answer(json={"Config": {"Tty": False}}))
    with fake.running():
        yield fake


def says(daemon: FakeEngineApi, stdout: bytes) -> None:
    def answer() -> Answer:
        wanted = daemon.asked("GET", "/containers/[^/]+/logs")[-1].query["stdout"] == ["1"]
        text = stdout if wanted else b"installing: arm64 OK\n"
        return Answer(raw=bytes([1, 0, 0, 0, 0, 0, 0, len(text)]) + text, content_type="application/octet-stream")

    daemon.on("GET", "/containers/[^/]+/logs", answer)


@pytest.fixture
def engine(daemon: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": daemon.url})
    yield connected
    connected.close()


def test_the_image_runs_with_all_privileges_for_the_architectures_that_lack_one(
    engine: Engine, daemon: FakeEngineApi
) -> None:
    says(daemon, REPORT)
    ledger = Ledger.open_new({})
    register(engine, lambda: ledger, [ARM64], IMAGE)
    (asked,) = daemon.asked("POST", "/containers/create")
    assert asked.body["Image"] == IMAGE
    assert asked.body["Cmd"] == ["--install", "arm64"]
    assert asked.body["HostConfig"]["Privileged"] is True
    assert [owned.kind for owned in ledger.entries()] == ["image"]


def test_an_image_that_another_run_has_pulled_goes_with_the_last_of_them(engine: Engine, daemon: FakeEngineApi) -> None:
    says(daemon, REPORT)
    first, second = Ledger.open_new(engine.environ), Ledger.open_new(engine.environ)
    register(engine, lambda: first, [ARM64], IMAGE)
    daemon.on("GET", "/images/.*/json", Answer(json={"Id": "sha256:1"}))
    register(engine, lambda: second, [ARM64], IMAGE)
    assert len(daemon.asked("POST", "/images/create")) == 1
    assert first.entries() == second.entries() == (Owned("image", IMAGE),)


def test_an_image_that_was_there_before_is_nobodys(engine: Engine, daemon: FakeEngineApi) -> None:
    says(daemon, REPORT)
    daemon.on("GET", "/images/.*/json", Answer(json={"Id": "sha256:1"}))
    ledger = Ledger.open_new(engine.environ)
    register(engine, lambda: ledger, [ARM64], IMAGE)
    assert ledger.entries() == ()
    assert not daemon.asked("POST", "/images/create")


def test_exit_code_0_is_not_believed_where_the_report_lacks_a_platform(engine: Engine, daemon: FakeEngineApi) -> None:
    says(daemon, REPORT)
    with pytest.raises(EmulatorsMissing) as caught:
        register(engine, lambda: Ledger.open_new({}), [ARM64, S390X], IMAGE)
    assert caught.value.headline == (
        f"registering emulators for linux/s390x with {IMAGE}: it reports linux/amd64, linux/arm64 as supported"
    )


def test_an_image_that_cannot_be_had_is_named_with_what_to_do(engine: Engine, daemon: FakeEngineApi) -> None:
    daemon.on("POST", "/images/create", Answer(404, json={"message": "no such image"}))
    with pytest.raises(EmulatorsMissing, match="no such image") as caught:
        register(engine, lambda: Ledger.open_new({}), [ARM64], IMAGE)
    assert "apt-get install qemu-user-static" in caught.value.hint


def test_a_report_may_come_after_a_log_and_name_what_is_not_known_here() -> None:
    assert parse_report('installing: arm64 OK\n{"supported": ["linux/arm64", "linux/quantum"]}') == (ARM64,)


@pytest.mark.parametrize("text", ["", "error: cannot mount", "{}", '{"supported": null}', "{"])
def test_what_is_no_report_is_told_with_what_there_was(text: str) -> None:
    with pytest.raises(ValueError, match="it gave no report, but: "):
        parse_report(text)
