"""A Docker configuration of our own: all of the user's, and one more registry."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.overlay import context_for, make_overlay, user_docker_folder
from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.image.credentials import DockerCredentials

if TYPE_CHECKING:
    from pathlib import Path

LOGINS = {"localhost:5001": ("multiarch", "a:secret ü")}
ENTRY = {"auth": base64.b64encode("multiarch:a:secret ü".encode()).decode()}


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


def config_in(overlay: Path) -> dict[str, Any]:
    config = json.loads((overlay / "config.json").read_text(encoding="utf-8"))
    assert isinstance(config, dict)
    return config


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return all that is in a folder: modes, times of change, contents."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.usefixtures("theirs")
def test_without_a_configuration_there_is_the_login_alone(run_folder: Path) -> None:
    overlay = make_overlay(run_folder, LOGINS)
    assert config_in(overlay) == {"auths": {"localhost:5001": ENTRY}, "credHelpers": {"localhost:5001": ""}}


def test_a_folder_that_is_not_there_is_no_hindrance(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(run_folder / "nowhere"))
    assert list(config_in(make_overlay(run_folder, LOGINS))["auths"]) == ["localhost:5001"]
    assert not (run_folder / "nowhere").exists()


def test_what_the_user_has_set_is_kept(theirs: Path, run_folder: Path) -> None:
    auth = {"auth": base64.b64encode(b"me:mine").decode()}
    config = {
        "auths": {"ghcr.io": auth, "https://index.docker.io/v1/": {}},
        "credsStore": "desktop",
        "credHelpers": {"gcr.io": "gcloud"},
        "currentContext": "remote",
        "proxies": {"default": {"httpProxy": "http://proxy:1"}},
        "plugins": {"x": {"y": "z"}},
    }
    (theirs / "config.json").write_text(json.dumps(config))
    made = config_in(make_overlay(run_folder, LOGINS))
    assert made == {
        **config,
        "auths": {"ghcr.io": auth, "https://index.docker.io/v1/": {}, "localhost:5001": ENTRY},
        "credHelpers": {"gcr.io": "gcloud", "localhost:5001": ""},
    }


@pytest.mark.parametrize("config", [{"auths": None, "credHelpers": None}, {"credsStore": "no-such-helper"}, {}])
def test_the_login_is_found_as_docker_finds_it(
    theirs: Path, run_folder: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (theirs / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(make_overlay(run_folder, LOGINS)))
    monkeypatch.delenv("DOCKER_AUTH_CONFIG", raising=False)
    found = DockerCredentials.from_environment().find("localhost:5001")
    assert found is not None
    assert (found.username, found.secret) == LOGINS["localhost:5001"]


def test_a_login_takes_the_place_of_one_for_the_same_registry(theirs: Path, run_folder: Path) -> None:
    config = {"auths": {"localhost:5001": {"auth": "b2xkOm9sZA=="}}, "credHelpers": {"localhost:5001": "old"}}
    (theirs / "config.json").write_text(json.dumps(config))
    made = config_in(make_overlay(run_folder, LOGINS))
    assert made == {"auths": {"localhost:5001": ENTRY}, "credHelpers": {"localhost:5001": ""}}


def test_contexts_plugins_and_certificates_are_linked(theirs: Path, run_folder: Path) -> None:
    for name in ("contexts/meta/abc/meta.json", "cli-plugins/docker-buildx", "ca.pem", "buildx/current"):
        path = theirs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (theirs / "config.json").write_text("{}")
    overlay = make_overlay(run_folder, LOGINS)
    assert {entry.name for entry in overlay.iterdir()} == {"config.json", "contexts", "cli-plugins", "ca.pem", "buildx"}
    assert (overlay / "contexts/meta/abc/meta.json").read_text() == "contexts/meta/abc/meta.json"
    assert (overlay / "cli-plugins").is_symlink()
    assert not (overlay / "config.json").is_symlink()


def test_a_relative_folder_is_linked_from_where_it_is(
    theirs: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (theirs / "contexts").mkdir()
    monkeypatch.chdir(theirs.parent)
    monkeypatch.setenv("DOCKER_CONFIG", "theirs")
    overlay = make_overlay(run_folder, LOGINS)
    assert (overlay / "contexts").resolve() == (theirs / "contexts").resolve()
    assert (overlay / "contexts").is_dir()


def test_what_buildx_writes_into_its_configuration_does_not_reach_the_users(theirs: Path, run_folder: Path) -> None:
    (theirs / ".token_seed").write_text("{}")
    (theirs / ".token_seed.lock").touch()
    overlay = make_overlay(run_folder, LOGINS)
    for name in (".token_seed", ".token_seed.lock"):
        (overlay / name).write_text("written by buildx")
    assert (theirs / ".token_seed").read_text() == "{}"
    assert (theirs / ".token_seed.lock").read_text() == ""


def test_the_users_folder_stays_as_it_was_byte_for_byte(theirs: Path, run_folder: Path) -> None:
    text = '{ "auths":{},\n\t"unknown" : [1.0, null] }\n\n'
    (theirs / "config.json").write_text(text)
    (theirs / "contexts").mkdir()
    (theirs / "contexts" / "file").write_bytes(b"\x00\xff")
    (theirs / "dangling").symlink_to("nowhere")
    before = snapshot(theirs)
    make_overlay(run_folder, LOGINS)
    assert snapshot(theirs) == before


@pytest.mark.usefixtures("theirs")
def test_folder_and_file_are_the_owners_alone_whatever_the_umask(run_folder: Path) -> None:
    old = os.umask(0)
    try:
        overlay = make_overlay(run_folder, LOGINS)
    finally:
        os.umask(old)
    assert stat.S_IMODE(overlay.stat().st_mode) == 0o700
    assert stat.S_IMODE((overlay / "config.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"{", "Expecting"),
        (b"", "Expecting value"),
        (b"[]", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b"\xff\xfe", "decode"),
        (b'{"auths": ["x"]}', "'auths' in it is no JSON object"),
        (b'{"credHelpers": "gcloud"}', "'credHelpers' in it is no JSON object"),
    ],
)
def test_a_broken_configuration_is_the_users_to_mend(theirs: Path, run_folder: Path, text: bytes, found: str) -> None:
    (theirs / "config.json").write_bytes(text)
    with pytest.raises(UsageProblem, match=found) as caught:
        make_overlay(run_folder, LOGINS)
    assert caught.value.tried == f"reading {theirs / 'config.json'}"


def test_a_configuration_that_cannot_be_opened_is_the_users_to_mend(theirs: Path, run_folder: Path) -> None:
    (theirs / "config.json").mkdir()
    with pytest.raises(UsageProblem, match="directory"):
        make_overlay(run_folder, LOGINS)


def test_the_users_folder_is_where_docker_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert user_docker_folder() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("DOCKER_CONFIG")
        else:
            monkeypatch.setenv("DOCKER_CONFIG", value)
        assert user_docker_folder() == tmp_path / ".docker"


def tls_environ(folder: Path) -> dict[str, str]:
    folder.mkdir()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).write_text(f"{name} of mine")
    return {"DOCKER_HOST": "tcp://box:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}


def test_what_the_environment_says_of_tls_becomes_a_context_beside_the_users(theirs: Path, run_folder: Path) -> None:
    for name in ("contexts/meta/abc/meta.json", "contexts/tls/abc/docker/key.pem"):
        path = theirs / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    before = snapshot(theirs)
    environ = tls_environ(run_folder / "certificates")
    overlay = make_overlay(run_folder, {}, environ, name="another")
    assert overlay.name == "another"
    # docker/cli keeps a context below the SHA-256 of its name.
    identity = hashlib.sha256(context_for(environ).encode()).hexdigest()
    meta = json.loads((overlay / "contexts" / "meta" / identity / "meta.json").read_text())
    assert meta["Name"] == context_for(environ)
    assert meta["Endpoints"] == {"docker": {"Host": "tcp://box:2376", "SkipTLSVerify": False}}
    keys = overlay / "contexts" / "tls" / identity / "docker"
    assert (keys / "key.pem").read_text() == "key.pem of mine"
    assert (keys / "key.pem").is_symlink()  # a key is nothing to make copies of
    assert (overlay / "contexts/meta/abc/meta.json").read_text() == "contexts/meta/abc/meta.json"
    assert (overlay / "contexts/tls/abc/docker/key.pem").read_text() == "contexts/tls/abc/docker/key.pem"
    assert snapshot(theirs) == before


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"DOCKER_HOST": "tcp://box:2375"},
        {"DOCKER_HOST": "unix:///var/run/docker.sock", "DOCKER_TLS_VERIFY": "1"},
        {"DOCKER_CONTEXT": "box", "DOCKER_TLS_VERIFY": "1"},
    ],
)
@pytest.mark.usefixtures("theirs")
def test_where_buildx_needs_no_context_there_is_none(run_folder: Path, environ: dict[str, str]) -> None:
    assert context_for(environ) == ""
    assert not (make_overlay(run_folder, LOGINS, environ) / "contexts").exists()
