"""The user's credentials, found where Docker finds them; the helpers here are real programs."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import AccessDenied
from pytest_multiarch.image.credentials import HUB_KEY, Credentials, DockerCredentials, KnownCredentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def written(folder: Path, **config: Any) -> DockerCredentials:
    (folder / "config.json").write_text(json.dumps(config))
    return DockerCredentials(folder / "config.json", helper_seconds=20)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a program ``docker-credential-NAME`` on PATH that runs some Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def make(name: str, code: str) -> None:
        program = folder / f"docker-credential-{name}"
        program.write_text(f"#!{sys.executable} -S\nimport json, sys, time\n{code}\n")
        program.chmod(0o755)

    return make


ANSWER = """
host = sys.stdin.read()
assert sys.argv[1:] == ["get"], sys.argv
print(json.dumps({"ServerURL": host, "Username": "user of " + host, "Secret": "secret of " + host}))
"""


# --- the file --------------------------------------------------------------------------------------------------------


def test_without_a_configuration_there_are_none(tmp_path: Path) -> None:
    assert DockerCredentials(tmp_path / "config.json").find("ghcr.io") is None


def test_an_empty_configuration_has_none(tmp_path: Path) -> None:
    assert written(tmp_path).find("ghcr.io") is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": b64("me:pass")}, Credentials("me", "pass")),
        ({"auth": b64("me:pa:ss")}, Credentials("me", "pa:ss")),
        ({"auth": b64("me:pass\0\0")}, Credentials("me", "pass")),
        ({"auth": b64("m\u00e4:p\u00e4ss")}, Credentials("m\u00e4", "p\u00e4ss")),
        ({"username": "me", "password": "pass"}, Credentials("me", "pass")),
        ({"username": "old", "password": "old", "auth": b64("me:pass")}, Credentials("me", "pass")),
        ({"auth": b64("me:"), "identitytoken": "tok"}, Credentials("me", "tok", is_identity_token=True)),
        ({"identitytoken": "tok"}, Credentials("<token>", "tok", is_identity_token=True)),
        ({}, None),
        ({"auth": ""}, None),
        ("nonsense", None),
    ],
)
def test_an_entry_is_read(tmp_path: Path, entry: object, expected: Credentials | None) -> None:
    assert written(tmp_path, auths={"ghcr.io": entry}).find("ghcr.io") == expected


@pytest.mark.parametrize("auth", ["not base64!", b64("no colon"), b64(":no user"), b64("me:x")[:-1], "/////w=="])
def test_an_entry_that_cannot_be_read_is_named_without_its_content(tmp_path: Path, auth: str) -> None:
    with pytest.raises(AccessDenied, match=r"ghcr\.io in .*config\.json") as caught:
        written(tmp_path, auths={"ghcr.io": {"auth": auth}}).find("ghcr.io")
    assert auth not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("http://localhost:5000/v1/", "localhost:5000"),
        ("localhost:5000", "localhost:5000"),
        (HUB_KEY, "docker.io"),
        (HUB_KEY, "index.docker.io"),
        (HUB_KEY, "registry-1.docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_a_registry_is_found_under_its_keys(tmp_path: Path, key: str, registry: str) -> None:
    assert written(tmp_path, auths={key: {"auth": b64("me:pass")}}).find(registry) == Credentials("me", "pass")


@pytest.mark.parametrize(
    ("key", "registry"),
    [("ghcr.io", "ghcr.io.example.com"), ("localhost:5000", "localhost"), ("localhost", "localhost:5000"), (HUB_KEY, "ghcr.io")],
)  # fmt: skip
def test_another_registrys_entry_does_not_count(tmp_path: Path, key: str, registry: str) -> None:
    assert written(tmp_path, auths={key: {"auth": b64("me:pass")}}).find(registry) is None


def test_an_exact_key_comes_before_a_url(tmp_path: Path) -> None:
    auths = {"https://ghcr.io/v1/": {"auth": b64("old:old")}, "ghcr.io": {"auth": b64("me:pass")}}
    assert written(tmp_path, auths=auths).find("ghcr.io") == Credentials("me", "pass")


@pytest.mark.parametrize("text", ["", "{", "[]", "\ud83d".encode("utf-16-le", "surrogatepass").decode("latin-1")])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(AccessDenied, match=r"config\.json"):
        DockerCredentials(tmp_path / "config.json").find("ghcr.io")


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(AccessDenied, match=r"IsADirectoryError|PermissionError"):
        DockerCredentials(tmp_path / "config.json").find("ghcr.io")


@pytest.mark.parametrize("config", [{"auths": []}, {"auths": None}, {"credHelpers": [], "credsStore": 7}])
def test_fields_of_another_type_do_not_count(tmp_path: Path, config: dict[str, Any]) -> None:
    assert written(tmp_path, **config).find("ghcr.io") is None


# --- the environment -------------------------------------------------------------------------------------------------


def test_docker_config_names_the_folder(tmp_path: Path) -> None:
    assert DockerCredentials.from_environment({"DOCKER_CONFIG": str(tmp_path)}).config == tmp_path / "config.json"


def test_the_home_folder_is_used_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert DockerCredentials.from_environment({}).config == tmp_path / ".docker" / "config.json"


def test_docker_auth_config_comes_first(tmp_path: Path) -> None:
    written(tmp_path, auths={"ghcr.io": {"auth": b64("file:file")}, "quay.io": {"auth": b64("file:file")}})
    inline = json.dumps({"auths": {"ghcr.io": {"auth": b64("env:env")}}})
    source = DockerCredentials.from_environment({"DOCKER_CONFIG": str(tmp_path), "DOCKER_AUTH_CONFIG": inline})
    assert source.find("ghcr.io") == Credentials("env", "env")
    assert source.find("quay.io") == Credentials("file", "file")
    assert inline not in repr(source)


# --- helpers ---------------------------------------------------------------------------------------------------------


def test_the_store_is_asked(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", ANSWER)
    found = written(tmp_path, credsStore="store", auths={"ghcr.io": {"auth": b64("file:file")}}).find("ghcr.io")
    assert found == Credentials("user of ghcr.io", "secret of ghcr.io")


def test_docker_hub_is_asked_for_by_its_old_name(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", ANSWER)
    found = written(tmp_path, credsStore="store").find("docker.io")
    assert found == Credentials(f"user of {HUB_KEY}", f"secret of {HUB_KEY}")


def test_a_registrys_own_helper_comes_before_the_store(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("ecr", ANSWER)
    helper("store", "sys.exit('the wrong helper')")
    source = written(tmp_path, credsStore="store", credHelpers={"ghcr.io": "ecr"})
    assert source.find("ghcr.io") == Credentials("user of ghcr.io", "secret of ghcr.io")


def test_an_empty_helper_keeps_the_store_out(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", "sys.exit('the wrong helper')")
    auths = {"localhost:5001": {"auth": b64("file:file")}}
    source = written(tmp_path, credsStore="store", credHelpers={"localhost:5001": ""}, auths=auths)
    assert source.find("localhost:5001") == Credentials("file", "file")


def test_a_helpers_identity_token_is_known_by_its_user(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", """print(json.dumps({"Username": "<token>", "Secret": "refresh"}))""")
    found = written(tmp_path, credsStore="store").find("ghcr.io")
    assert found == Credentials("<token>", "refresh", is_identity_token=True)


def test_a_helper_that_knows_nothing_has_none(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", "print('credentials not found in native keychain'); sys.exit(1)")
    assert written(tmp_path, credsStore="store").find("ghcr.io") is None


def test_a_helper_that_is_missing_is_named(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    with pytest.raises(AccessDenied, match=r"docker-credential-desktop.*no such program on PATH"):
        written(tmp_path, credsStore="desktop").find("ghcr.io")


def test_a_helper_is_looked_up_on_path_only(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", ANSWER)
    with pytest.raises(AccessDenied, match="no such program on PATH"):
        written(tmp_path, credsStore="x/../docker-credential-store").find("ghcr.io")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('keychain is locked'); sys.exit(3)", "exit code 3: keychain is locked"),
        ("print('\\x1b[31mred'); sys.exit(1)", "exit code 1: \ufffd\\[31mred"),
        ("sys.exit('on stderr')", "exit code 1: on stderr"),
        ("print('nothing')", "not a JSON object"),
        ("print('[]')", "not a JSON object"),
        ("print('{}')", "no Username and Secret"),
        ("print(json.dumps({'Username': 1, 'Secret': 2}))", "no Username and Secret"),
    ],
)
def test_a_helper_that_fails_says_why(
    tmp_path: Path, helper: Callable[[str, str], None], code: str, message: str
) -> None:
    helper("store", code)
    with pytest.raises(AccessDenied, match=message):
        written(tmp_path, credsStore="store").find("ghcr.io")


def test_a_helper_that_fails_after_its_answer_does_not_show_it(
    tmp_path: Path, helper: Callable[[str, str], None]
) -> None:
    helper("store", """print(json.dumps({"Username": "me", "Secret": "hidden-value"})); sys.exit(1)""")
    with pytest.raises(AccessDenied) as caught:
        written(tmp_path, credsStore="store").find("ghcr.io")
    assert "hidden-value" not in str(caught.value)


def test_a_helper_that_hangs_is_ended(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", "time.sleep(60)")
    (tmp_path / "config.json").write_text('{"credsStore": "store"}')
    with pytest.raises(AccessDenied, match=r"no answer within 0\.3 s"):
        DockerCredentials(tmp_path / "config.json", helper_seconds=0.3).find("ghcr.io")


def test_a_helper_that_is_no_program_says_so(tmp_path: Path, helper: Callable[[str, str], None]) -> None:
    helper("store", "")
    (tmp_path / "bin" / "docker-credential-store").write_bytes(b"\x7fELF not really")
    with pytest.raises(AccessDenied, match="it does not start"):
        written(tmp_path, credsStore="store").find("ghcr.io")


# --- what is known ---------------------------------------------------------------------------------------------------


def test_known_credentials_come_before_the_fallback(tmp_path: Path) -> None:
    mine = Credentials("user", "generated")
    source = KnownCredentials({"localhost:5001": mine}, written(tmp_path, auths={"ghcr.io": {"auth": b64("me:x")}}))
    assert source.find("localhost:5001") == mine
    assert source.find("ghcr.io") == Credentials("me", "x")
    assert KnownCredentials({}).find("ghcr.io") is None


def test_secrets_are_in_no_repr() -> None:
    shown = repr(KnownCredentials({"ghcr.io": Credentials("me", "hidden-value")}))
    assert "hidden-value" not in shown
    assert "me" in shown
