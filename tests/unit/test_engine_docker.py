"""The docker SDK behind our errors, against a daemon's API in this process."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import socket
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import APIError, ImageNotFound

from pytest_multiarch.engine.addresses import own_pointers, sdk_arguments
from pytest_multiarch.engine.docker import Engine, auth_config
from pytest_multiarch.engine.faults import plain, translated
from pytest_multiarch.errors import EngineError, EngineUnavailable
from pytest_multiarch.image.credentials import Credentials
from pytest_multiarch.platforms import Platform
from tests.unit.fake_engine_api import INFO, VERSION, Answer, FakeEngineApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_multiarch.engine.facts import DaemonFacts

ARM64 = Platform.parse("linux/arm64")
DIGEST = "sha256:" + "1" * 64


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def api() -> Iterator[FakeEngineApi]:
    with FakeEngineApi().running() as fake:
        yield fake


@pytest.fixture
def engine(api: FakeEngineApi) -> Iterator[Engine]:
    connected = Engine.connect({"DOCKER_HOST": api.url})
    yield connected
    connected.close()


def facts(api: FakeEngineApi, **info: Any) -> DaemonFacts:
    api.on("GET", "/info", Answer(json={**INFO, **info}))
    engine = Engine.connect({"DOCKER_HOST": api.url})
    engine.close()
    return engine.facts


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_it_connects_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tcp: bool) -> None:
    with FakeEngineApi().running(tcp=tcp) as api:
        monkeypatch.setenv("DOCKER_HOST", api.url)
        engine = Engine.connect()
        engine.close()
    assert engine.environ == {"DOCKER_HOST": api.url}
    assert (engine.facts.version, engine.facts.api_version) == ("26.1.5", "1.45")
    assert engine.endpoint == ""


def test_another_environment_can_stand_in(api: FakeEngineApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    engine = Engine.connect({"DOCKER_HOST": api.url, "PATH": "/bin"})
    engine.close()
    assert engine.environ == {"DOCKER_HOST": api.url}


def test_the_version_of_the_daemons_api_is_spoken(api: FakeEngineApi) -> None:
    api.on("GET", "/version", Answer(json={**VERSION, "ApiVersion": "1.41"}))
    engine = Engine.connect({"DOCKER_HOST": api.url})
    assert engine.api.api_version == "1.41"
    engine.close()


def create_context(folder: Path, name: str, host: str, **tls: str) -> None:
    """Write what ``docker context create NAME --docker host=…`` does: no ``config.json``."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / identity / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    for file, text in tls.items():
        path = folder / "contexts" / "tls" / identity / "docker" / f"{file}.pem"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def use_context(folder: Path, name: str) -> None:
    """Write what ``docker context use NAME`` does."""
    (folder / "config.json").write_text(json.dumps({"currentContext": name} if name != "default" else {}))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "docker-config"
    folder.mkdir()
    return folder


def test_the_current_context_leads_to_its_daemon_and_is_remembered_by_name(
    api: FakeEngineApi, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_context(config, "here", api.url)
    use_context(config, "here")
    current = Engine.connect()
    current.close()
    assert (current.address, current.environ) == (api.url, {"DOCKER_CONTEXT": "here"})
    use_context(config, "nowhere")
    again = Engine.connect(current.environ)
    again.close()
    assert (again.address, again.environ) == (api.url, {"DOCKER_CONTEXT": "here"})
    node = Engine.at("here")
    node.close()
    assert node.endpoint == "here"
    monkeypatch.setenv("DOCKER_CONTEXT", "here")
    chosen = Engine.connect()
    chosen.close()
    assert chosen.environ == {"DOCKER_CONTEXT": "here"}
    monkeypatch.setenv("DOCKER_HOST", api.url)
    monkeypatch.delenv("DOCKER_CONTEXT")
    told = Engine.connect()
    told.close()
    assert told.environ == {"DOCKER_HOST": api.url}


def test_a_run_at_the_default_context_is_looked_for_there_after_another_one_was_made_current(
    api: FakeEngineApi, config: Path
) -> None:
    create_context(config, "elsewhere", api.url)
    use_context(config, "default")
    pointers = own_pointers()
    use_context(config, "elsewhere")
    assert own_pointers() == {"DOCKER_CONTEXT": "elsewhere"}
    assert (pointers, sdk_arguments(pointers)) == ({}, {})


@pytest.mark.parametrize(
    "config_json", [None, "", "[]", "{}", '{"currentContext": null}', '{"currentContext": ""}', "folder"]
)
def test_without_a_readable_current_context_the_default_one_is_current(config: Path, config_json: str | None) -> None:
    if config_json == "folder":
        (config / "config.json").mkdir()
    elif config_json is not None:
        (config / "config.json").write_text(config_json)
    assert own_pointers() == {}


@pytest.mark.parametrize("says_folder", [True, False], ids=["DOCKER_CONFIG", "home"])
def test_a_context_is_found_where_there_is_no_configuration_file(
    api: FakeEngineApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says_folder: bool
) -> None:
    home, said = tmp_path / "home", tmp_path / "docker-config"
    (home / ".docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    if says_folder:
        use_context(home / ".docker", "nowhere")  # of no account: the client does not look there
    else:
        monkeypatch.delenv("DOCKER_CONFIG")
    create_context(said if says_folder else home / ".docker", "here", api.url)
    assert own_pointers() == {}
    engine = Engine.connect({"DOCKER_CONTEXT": "here"})
    engine.close()
    assert engine.address == api.url


@pytest.mark.parametrize(
    ("files", "skips", "expected"),
    [
        ((), False, None),
        (("ca", "cert", "key"), False, (True, True, True)),
        (("ca",), False, (True, False, True)),
        (("cert", "key"), False, (False, True, True)),
        (("ca", "cert", "key"), True, (True, True, False)),
        ((), True, (False, False, False)),
    ],
)
def test_a_contexts_keys_are_taken_as_far_as_it_has_them(
    config: Path, files: tuple[str, ...], skips: bool, expected: tuple[bool, ...] | None
) -> None:
    create_context(config, "far", "tcp://far.example:2376", **dict.fromkeys(files, "a key"))
    identity = hashlib.sha256(b"far").hexdigest()
    meta = config / "contexts" / "meta" / identity / "meta.json"
    meta.write_text(meta.read_text().replace("false", str(skips).lower()))
    arguments = sdk_arguments({"DOCKER_CONTEXT": "far"})
    assert arguments["base_url"] == "tcp://far.example:2376"
    tls, keys = arguments["tls"], config / "contexts" / "tls" / identity / "docker"
    if expected is None:
        assert tls is None
    else:
        ca, cert, verify = expected
        assert tls.ca_cert == (str(keys / "ca.pem") if ca else None)
        assert tls.cert == ((str(keys / "cert.pem"), str(keys / "key.pem")) if cert else None)
        assert tls.verify is verify


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"Endpoints": {"docker": "x"}}', '{"Endpoints": null}', "\xff"])
def test_a_context_that_cannot_be_read_is_named(config: Path, text: str) -> None:
    create_context(config, "broken", "unix:///x")
    (meta,) = config.glob("contexts/meta/*/meta.json")
    meta.write_text(text, encoding="latin-1")
    with pytest.raises(EngineUnavailable, match=r"^reading the docker context 'broken': it cannot be read \("):
        Engine.connect({"DOCKER_CONTEXT": "broken"})


def test_a_node_can_be_an_address(api: FakeEngineApi) -> None:
    node = Engine.at(api.url)
    node.close()
    assert (node.endpoint, node.environ) == (api.url, {"DOCKER_HOST": api.url})


def test_a_context_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        Engine.connect({"DOCKER_CONTEXT": "nowhere"})
    assert "nowhere" in str(caught.value)


def test_a_daemon_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        Engine.connect({"DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert str(tmp_path) in caught.value.tried
    assert "No such file" in caught.value.found
    assert "\n" not in caught.value.headline


def test_a_port_where_nobody_listens_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
        host = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(EngineUnavailable) as caught:
            Engine.connect({"DOCKER_HOST": host})
    assert "refused" in caught.value.found


@pytest.mark.parametrize("host", ["nonsense://x", "tcp://", "unix"])
def test_an_address_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(EngineUnavailable):
        Engine.connect({"DOCKER_HOST": host})


@pytest.mark.parametrize(
    ("version", "fits"), [("1.40", False), ("1.24", False), ("1.9", False), ("1.41", True), ("1.100", True)]
)
def test_api_1_41_is_the_oldest_that_is_taken(api: FakeEngineApi, version: str, fits: bool) -> None:
    api.on("GET", "/version", Answer(json={"Version": "19.03", "ApiVersion": version}))
    if fits:
        Engine.connect({"DOCKER_HOST": api.url}).close()
    else:
        with pytest.raises(EngineUnavailable, match=rf"Engine 19\.03 with API {version} is too old") as caught:
            Engine.connect({"DOCKER_HOST": api.url})
        assert "1.41" in caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b"<html>a proxy's page</html>", content_type="text/html"),
        Answer(500, json={"message": "the daemon is ill"}),
        Answer(raw=b""),
    ],
    ids=["a page", "an error", "nothing"],
)
@pytest.mark.parametrize("path", ["/version", "/info"])
def test_something_that_is_no_daemon_is_refused(api: FakeEngineApi, path: str, answer: Answer) -> None:
    api.on("GET", path, answer)
    with pytest.raises(EngineUnavailable, match=f"connecting to the Docker daemon at {api.url}: "):
        Engine.connect({"DOCKER_HOST": api.url})


@pytest.mark.parametrize(
    ("built_for", "machine", "expected"),
    [
        ("amd64", "x86_64", "linux/amd64"),
        ("arm64", "aarch64", "linux/arm64"),
        ("arm", "armv7l", "linux/arm/v7"),
        ("386", "i686", "linux/386"),
        ("", "aarch64", "linux/arm64"),
    ],
)
def test_the_daemons_platform_is_in_normal_form(
    api: FakeEngineApi, built_for: str, machine: str, expected: str
) -> None:
    api.on("GET", "/version", Answer(json={**VERSION, "Arch": built_for}))
    assert str(facts(api, Architecture=machine).platform) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        ([["Backing Filesystem", "extfs"], ["Supports d_type", "true"]], "classic"),
        ([], "classic"),
        (None, "classic"),
    ],
)
def test_the_image_store_is_told_from_the_driver(api: FakeEngineApi, status: object, expected: str) -> None:
    assert facts(api, DriverStatus=status).store == expected


@pytest.mark.parametrize(
    ("registries", "mirrors", "insecure"),
    [
        (None, (), ()),
        ({}, (), ()),
        ({"IndexConfigs": None, "Mirrors": None}, (), ()),
        (
            {"IndexConfigs": {"docker.io": {"Mirrors": ["http://127.0.0.1:5590/", "https://m"], "Secure": True}}},
            ("http://127.0.0.1:5590", "https://m"),
            (),
        ),
        ({"Mirrors": ["https://only-here/"], "IndexConfigs": {}}, ("https://only-here",), ()),
        (
            {
                "IndexConfigs": {
                    "a:1": {"Secure": False},
                    "docker.io": {"Secure": True},
                    "b": {"Secure": False},
                    "c": {},
                }
            },
            (),
            ("a:1", "b"),
        ),
    ],
)
def test_registry_settings_are_read(api: FakeEngineApi, registries: object, mirrors: object, insecure: object) -> None:
    found = facts(api, RegistryConfig=registries)
    assert (found.mirrors, found.insecure_registries) == (mirrors, insecure)


def test_an_image_is_there_or_not(engine: Engine, api: FakeEngineApi) -> None:
    api.on("GET", "/images/here:1/json", Answer(json={"Id": DIGEST}))
    assert engine.has_image("here:1")
    assert not engine.has_image("nowhere:1")


def test_a_store_that_cannot_say_is_an_error(engine: Engine, api: FakeEngineApi) -> None:
    api.on("GET", "/images/here/json", Answer(500, json={"message": "disk\nfull"}))
    with pytest.raises(EngineError) as caught:
        engine.has_image("here")
    assert caught.value.headline == "looking for the image here: disk full"


def lines(*documents: object) -> list[bytes]:
    return [json.dumps(one).encode() + b"\r\n" for one in documents]


GOOD_PULL = lines(
    {"status": "Pulling from x"}, {"status": "Download complete", "id": "a"}, {"status": f"Digest: {DIGEST}"}
)


def test_a_pull_asks_for_the_platform_and_shows_its_credentials(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/images/create", Answer(chunks=GOOD_PULL))
    engine.pull(f"localhost:5001/x@{DIGEST}", platform=ARM64, credentials=Credentials("me", "secret"))
    (request,) = api.asked("POST", "/images/create")
    assert request.query["platform"] == ["linux/arm64"]
    assert (request.query["fromImage"], request.query["tag"]) == (["localhost:5001/x"], [DIGEST])
    shown = json.loads(base64.urlsafe_b64decode(request.headers["X-Registry-Auth"]))
    assert shown == {"username": "me", "password": "secret"}


def test_a_pull_without_credentials_looks_for_none(engine: Engine, api: FakeEngineApi, tmp_path: Path) -> None:
    api.on("POST", "/images/create", Answer(chunks=GOOD_PULL))
    engine.pull("registry:2")
    (request,) = api.asked("POST", "/images/create")
    assert "platform" not in request.query
    assert json.loads(base64.urlsafe_b64decode(request.headers.get("X-Registry-Auth", "e30="))) == {}


@pytest.mark.parametrize(
    "stream",
    [
        lines({"status": "Pulling"}, {"error": "no match for platform\nin manifest", "errorDetail": {"message": "x"}}),
        lines({"error": "no match for platform\nin manifest"}, {"status": "something after it"}),
        [b"".join(lines({"status": "Pulling"}, {"error": "no match for platform\nin manifest"}))],
    ],
    ids=["last line", "not the last", "one chunk"],
)
def test_an_error_in_the_stream_is_an_error(engine: Engine, api: FakeEngineApi, stream: list[bytes]) -> None:
    api.on("POST", "/images/create", Answer(chunks=stream))
    with pytest.raises(EngineError) as caught:
        engine.pull("x:1", platform=ARM64)
    assert caught.value.headline == "pulling x:1 for linux/arm64: no match for platform in manifest"


def test_a_refused_pull_is_an_error_in_the_daemons_words(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/images/create", Answer(404, json={"message": "pull access denied for x"}))
    with pytest.raises(EngineError, match=r"^pulling x:1: pull access denied for x"):
        engine.pull("x:1")


@pytest.mark.parametrize("stream", [GOOD_PULL, [*GOOD_PULL, b'{"status": "Down']], ids=["between lines", "in a line"])
def test_a_stream_that_breaks_off_is_an_error(engine: Engine, api: FakeEngineApi, stream: list[bytes]) -> None:
    api.on("POST", "/images/create", Answer(chunks=stream, cut=True))
    with pytest.raises(EngineError, match=r"^pulling x:1: "):
        engine.pull("x:1")


def test_a_stream_that_ends_in_the_middle_of_a_line_is_an_error(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/images/create", Answer(chunks=[*GOOD_PULL, b'{"status": "Down']))
    with pytest.raises(EngineError, match=r"^pulling x:1: "):
        engine.pull("x:1")


def test_a_pull_has_a_time_limit(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/images/create", Answer(chunks=GOOD_PULL))
    with pytest.raises(EngineError, match="not there after 0 s"):
        engine.pull("x:1", limit=0)


def test_a_pull_that_is_silent_ends_when_the_run_stops(engine: Engine, api: FakeEngineApi) -> None:
    stopping = threading.Event()

    def stall() -> Iterator[bytes]:
        yield GOOD_PULL[0]
        stopping.set()
        assert not api.closing.wait(20), "the pull went on until its end"

    api.on("POST", "/images/create", Answer(chunks=stall()))
    with pytest.raises(EngineError, match=r"^pulling x:1: "):
        engine.pull("x:1", stopping=stopping)
    assert not api.closing.is_set()
    api.closing.set()


def test_a_daemon_that_logs_in_reaches_the_registry(engine: Engine, api: FakeEngineApi) -> None:
    api.on("POST", "/auth", Answer(json={"Status": "Login Succeeded", "IdentityToken": ""}))
    assert engine.can_reach("localhost:5001", Credentials("me", "secret")) == ""
    (request,) = api.asked("POST", "/auth")
    assert request.body["serveraddress"] == "localhost:5001"
    assert (request.body["username"], request.body["password"]) == ("me", "secret")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Get http://localhost:5001/v2/: unauthorized: authentication required"),
        (500, "Get http://localhost:5001/v2/: dial tcp 127.0.0.1:5001: connect: connection refused"),
    ],
)
def test_a_daemon_that_does_not_says_why(engine: Engine, api: FakeEngineApi, status: int, message: str) -> None:
    api.on("POST", "/auth", Answer(status, json={"message": message}))
    assert engine.can_reach("localhost:5001", Credentials("me", "secret")) == message


def test_credentials_are_shown_as_the_api_wants_them() -> None:
    assert auth_config(Credentials("me", "p")) == {"username": "me", "password": "p"}
    assert auth_config(Credentials("<token>", "t", is_identity_token=True)) == {"identitytoken": "t"}


@pytest.mark.parametrize(
    "error", [APIError("x"), ImageNotFound("x"), OSError("x"), TimeoutError("x")], ids=lambda e: type(e).__name__
)
def test_whatever_the_sdk_raises_becomes_ours(error: Exception) -> None:
    with pytest.raises(EngineError) as caught, translated("doing something", "Try again."):
        raise error
    assert (caught.value.tried, caught.value.found, caught.value.hint) == ("doing something", "x", "Try again.")


def test_the_status_of_an_answer_crosses_from_one_process_to_another() -> None:
    error = pickle.loads(pickle.dumps(EngineError("pulling", "no", "Try.", "log", status=404)))  # noqa: S301
    assert (error.args, error.status) == (("pulling", "no", "Try.", "log"), 404)


@pytest.mark.parametrize(
    "text",
    [
        "Get https://me:hunter22@registry.example/v2/: denied",
        "https://registry.example/v2/token?service=x&access_token=hunter22",
        'unexpected {"auth":"hunter22"} \x1b[2J',
    ],
)
def test_no_secret_in_the_daemons_words_reaches_a_report(engine: Engine, api: FakeEngineApi, text: str) -> None:
    api.on("POST", "/images/create", Answer(500, json={"message": text}))
    with pytest.raises(EngineError) as caught:
        engine.pull("registry.example/app:1")
    assert caught.value.status == 500
    report = "".join(traceback.format_exception(caught.value)) + str(caught.getrepr(style="short"))
    assert "pulling registry.example/app:1" in report
    assert "hunter22" not in report
    assert "\x1b" not in report


def test_what_is_not_the_daemons_passes() -> None:
    with pytest.raises(ZeroDivisionError), translated("doing something"):
        raise ZeroDivisionError


def test_the_daemons_words_are_short_and_on_one_line() -> None:
    assert plain("a\nb\x1b[31m\tc ") == "a b [31m c"
    assert len(plain("x" * 10_000)) == 500
    assert plain(APIError("outer", explanation="inner")) == "inner"
