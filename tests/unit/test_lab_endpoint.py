from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from lab import api, endpoint
from lab.console import LabError

if TYPE_CHECKING:
    from pathlib import Path

INFO = api.Info(version="27.0.1", store="containerd", labels=(), mirrors=())


def add_context(docker: Path, name: str, host: str) -> None:
    folder = docker / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_without_any_setting_it_is_the_default_socket(tmp_path: Path) -> None:
    assert endpoint.users_host({}, tmp_path) == "unix:///var/run/docker.sock"


def test_the_current_context_names_the_daemon(tmp_path: Path) -> None:
    add_context(tmp_path / ".docker", "desktop-linux", "unix:///home/me/docker.sock")
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "desktop-linux"}')
    assert endpoint.users_host({}, tmp_path) == "unix:///home/me/docker.sock"


def test_variables_come_before_the_current_context(tmp_path: Path) -> None:
    add_context(tmp_path, "other", "tcp://10.0.0.1:2375")
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "other"}
    assert endpoint.users_host(environ, tmp_path / "home") == "tcp://10.0.0.1:2375"
    assert endpoint.users_host({**environ, "DOCKER_HOST": "ssh://box"}, tmp_path) == "ssh://box"
    assert endpoint.users_host({**environ, "DOCKER_CONTEXT": "default"}, tmp_path) == endpoint.DEFAULT


def test_a_context_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="Docker's context 'gone'"):
        endpoint.users_host({"DOCKER_CONTEXT": "gone"}, tmp_path)


def test_a_daemon_of_another_with_docker_hub_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(endpoint, "hub_answers", lambda: True)
    endpoint.judge("unix:///x.sock", INFO)
    assert "Docker Hub is reachable: nothing to set up" in capsys.readouterr().err


def test_a_daemon_of_another_without_docker_hub_needs_the_images(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(endpoint, "hub_answers", lambda: False)
    monkeypatch.setattr(api, "can_get", lambda _host, image: image != "registry:2")
    with pytest.raises(LabError, match=r"has no registry:2\n(.*\n)*.*registry-mirrors") as caught:
        endpoint.judge("unix:///x.sock", INFO)
    assert "moby" not in str(caught.value)
    monkeypatch.setattr(api, "can_get", lambda _host, _image: True)
    endpoint.judge("unix:///x.sock", INFO)
    assert "the images are there" in capsys.readouterr().err


def test_a_daemon_says_by_its_label_whose_it_is_and_which_store_it_has() -> None:
    info = api.info_from(
        {
            "ServerVersion": "26.1.5",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
            "Labels": ["rack=7", "pytest-multiarch.lab=extended-by-python3-m-lab-up"],
            "RegistryConfig": {"Mirrors": ["http://127.0.0.1:5590/"]},
        }
    )
    assert info.is_ours
    assert info.store == "containerd"
    assert info.mirrors == ("http://127.0.0.1:5590",)


def test_a_daemon_without_labels_and_with_a_classic_driver_is_read_too() -> None:
    info = api.info_from(
        {"ServerVersion": "20.10.24", "DriverStatus": [["Backing Filesystem", "extfs"]], "Labels": None}
    )
    assert not info.is_ours
    assert info.store == "classic"


def test_a_socket_that_nobody_serves_has_no_daemon(tmp_path: Path) -> None:
    assert api.describe(f"unix://{tmp_path}/none.sock") is None
    assert not api.answers(f"unix://{tmp_path}/none.sock")
