"""What is asked of a container: as callers write it, and as the daemon is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from pytest_multiarch.engine.mounts import Mount, as_mounts
from pytest_multiarch.engine.request import RunRequest


class Api:
    def create_host_config(self, **fields: Any) -> dict[str, Any]:
        return fields


def told(request: RunRequest) -> dict[str, Any]:
    return request.create_arguments(cast("Any", Api()))


def test_what_is_not_said_is_the_images_own() -> None:
    arguments = told(RunRequest.of(None))
    assert {name for name, value in arguments.items() if value} == set()


def test_ports_are_published_on_the_loopback_interface_only() -> None:
    arguments = told(RunRequest.of(None, ports=[8000, "53/udp"]))
    assert arguments["ports"] == [("8000", "tcp"), ("53", "udp")]
    assert arguments["host_config"] == {"port_bindings": {"8000/tcp": ("127.0.0.1",), "53/udp": ("127.0.0.1",)}}


def test_input_may_be_text_or_bytes_and_an_empty_one_is_none() -> None:
    assert RunRequest.of(None, stdin="grüße").stdin == "grüße".encode()
    assert RunRequest.of(None, stdin=b"\xff").stdin == b"\xff"
    assert told(RunRequest.of(None, stdin=""))["stdin_open"] is False
    assert told(RunRequest.of(None))["stdin_open"] is False


def test_what_docker_run_has_flags_for_is_told_in_its_words() -> None:
    arguments = told(RunRequest.of(None, privileged=True, cap_add=["NET_ADMIN", "CAP_SYS_TIME"], tty=True))
    assert arguments["host_config"] == {"privileged": True, "cap_add": ["NET_ADMIN", "CAP_SYS_TIME"]}
    assert (arguments["tty"], arguments["stdin_open"]) == (True, False)


def test_one_capability_is_still_a_list() -> None:
    with pytest.raises(TypeError, match=r"not the text 'NET_ADMIN': write \['NET_ADMIN'\]"):
        RunRequest.of(None, cap_add="NET_ADMIN")


@pytest.mark.parametrize("stdin", ["", b"x"])
def test_a_terminal_takes_no_input(stdin: str | bytes) -> None:
    with pytest.raises(ValueError, match="stdin and tty exclude each other"):
        RunRequest.of(None, stdin=stdin, tty=True)


def test_mounts_are_values_or_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_mounts({"here": "/there", Path("/a"): "/b"}) == (
        Mount.bind(tmp_path / "here", "/there"),
        Mount.bind("/a", "/b"),
    )
    mounts = [Mount.bind("/a", "/b", read_only=True), Mount.tmpfs("/m", size=4096)]
    bound, memory = told(RunRequest.of(None, mounts=mounts))["host_config"]["mounts"]
    assert (bound["Type"], bound["Source"], bound["Target"], bound["ReadOnly"]) == ("bind", "/a", "/b", True)
    assert (memory["Type"], memory["Target"], memory["TmpfsOptions"]) == ("tmpfs", "/m", {"SizeBytes": 4096})


def test_a_mount_has_a_place_in_the_container() -> None:
    with pytest.raises(ValueError, match="'relative': the place in the container has to be an absolute path"):
        Mount.tmpfs("relative")
