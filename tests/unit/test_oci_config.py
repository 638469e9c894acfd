"""The image configuration: image-spec's own example, Docker's habits, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.oci import Healthcheck, History, ImageConfig
from pytest_multiarch.platforms import Platform

# The example of image-spec v1.1.1, config.md, "Example".
SPEC_CONFIG = """{
    "created": "2015-10-31T22:22:56.015925234Z",
    "author": "Alyssa P. Hacker <alyspdev@example.com>",
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "User": "alice",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "FOO=oci_is_a",
            "BAR=well_written_spec"
        ],
        "Entrypoint": ["/bin/my-app-binary"],
        "Cmd": ["--foreground", "--config", "/etc/my-app.d/default.cfg"],
        "Volumes": {"/var/job-result-data": {}, "/var/log/my-app-logs": {}},
        "WorkingDir": "/home/alice",
        "Labels": {
            "com.example.project.git.url": "https://example.com/project.git",
            "com.example.project.git.commit": "45a939b2999782a3f005621a8d0f29aa387e1d6b"
        }
    },
    "rootfs": {
      "diff_ids": [
        "sha256:c6f988f4874bb0add23a778f753c65efe992244e148a1d2ec2a8b664fb66bbd1",
        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
      ],
      "type": "layers"
    },
    "history": [
      {
        "created": "2015-10-31T22:22:54.690851953Z",
        "created_by": "/bin/sh -c #(nop) ADD file:a3bc1e842b69636f9df5256c49c5374fb4eef1e281fe3f282c65fb853ee171c5 in /"
      },
      {
        "created": "2015-10-31T22:22:55.613815829Z",
        "created_by": "/bin/sh -c #(nop) CMD [\\"sh\\"]",
        "empty_layer": true
      },
      {
        "created": "2015-10-31T22:22:56.329850019Z",
        "created_by": "/bin/sh -c apk add curl"
      }
    ]
}"""


def config(container: object = None, **more: Any) -> bytes:
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": []},
        "config": container,
        **more,
    }
    return json.dumps({key: value for key, value in document.items() if value != "leave out"}).encode()


def test_the_specifications_config_is_read() -> None:
    found = ImageConfig.from_bytes(SPEC_CONFIG.encode())
    assert found.platform == Platform.parse("linux/amd64")
    assert found.created == datetime(2015, 10, 31, 22, 22, 56, 15925, timezone.utc)
    assert found.author == "Alyssa P. Hacker <alyspdev@example.com>"
    assert found.user == "alice"
    assert found.exposed_ports == ("8080/tcp",)
    assert found.environment["BAR"] == "well_written_spec"
    assert found.entrypoint == ("/bin/my-app-binary",)
    assert found.cmd == ("--foreground", "--config", "/etc/my-app.d/default.cfg")
    assert found.volumes == ("/var/job-result-data", "/var/log/my-app-logs")
    assert found.working_dir == "/home/alice"
    assert found.labels["com.example.project.git.commit"] == "45a939b2999782a3f005621a8d0f29aa387e1d6b"
    assert len(found.diff_ids) == 2
    assert [step.empty_layer for step in found.history] == [False, True, False]
    assert found.history[2].created_by == "/bin/sh -c apk add curl"


def test_the_platform_is_the_normal_form_and_the_fields_are_as_written() -> None:
    found = ImageConfig.from_bytes(config(architecture="arm64", variant="v8"))
    assert found.platform == Platform.parse("linux/arm64")
    assert (found.architecture, found.variant) == ("arm64", "v8")


def test_windows_versions_and_features_are_read() -> None:
    more = {"os": "windows", "os.version": "10.0.20348.1", "os.features": ["win32k"]}
    found = ImageConfig.from_bytes(config(**more))
    assert found.platform == Platform.from_fields("windows", "amd64", "", "10.0.20348.1", ["win32k"])


def test_dockers_own_fields_are_read() -> None:
    container = {
        "Shell": ["/bin/bash", "-c"],
        "StopSignal": "SIGINT",
        "OnBuild": ["RUN make"],
        "Healthcheck": {
            "Test": ["CMD", "true"],
            "Interval": 30_000_000_000,
            "Timeout": 1_500_000_000,
            "StartPeriod": 5_000_000_000,
            "Retries": 3,
        },
        "ArgsEscaped": True,
        "Hostname": "app",
        "Domainname": "example.com",
        "Memory": 1024,
        "MemorySwap": -1,
        "CpuShares": 8,
    }
    found = ImageConfig.from_bytes(config(container, comment="Imported", docker_version="26.1.5"))
    assert (found.comment, found.docker_version) == ("Imported", "26.1.5")
    assert (found.args_escaped, found.hostname, found.domain_name) == (True, "app", "example.com")
    assert (found.memory, found.memory_swap, found.cpu_shares) == (1024, -1, 8)
    assert found.shell == ("/bin/bash", "-c")
    assert found.stop_signal == "SIGINT"
    assert found.on_build == ("RUN make",)
    assert found.healthcheck == Healthcheck(("CMD", "true"), interval=30, timeout=1.5, start_period=5, retries=3)


def test_what_docker_writes_for_nothing_is_nothing() -> None:
    container = dict.fromkeys(["Env", "Cmd", "Entrypoint", "Labels", "Volumes", "ExposedPorts", "OnBuild", "Shell"])
    assert ImageConfig.from_bytes(config(container)) == ImageConfig.from_bytes(config(config="leave out"))


def test_a_command_may_be_one_string() -> None:
    assert ImageConfig.from_bytes(config({"Entrypoint": "/init", "Cmd": []})).entrypoint == ("/init",)


def test_of_a_repeated_variable_the_last_value_counts() -> None:
    found = ImageConfig.from_bytes(config({"Env": ["A=1", "B=x=y", "A=2", "EMPTY=", "BARE"]}))
    assert found.environment == {"A": "2", "B": "x=y", "EMPTY": "", "BARE": ""}
    assert found.env[0] == "A=1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("2024-01-01T00:00:00.5+08:00", datetime(2024, 1, 1, 0, 0, 0, 500_000, timezone(timedelta(hours=8)))),
        ("2024-01-01t00:00:00-03:30", datetime(2024, 1, 1, tzinfo=timezone(-timedelta(hours=3, minutes=30)))),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read(text: str | None, expected: datetime | None) -> None:
    assert ImageConfig.from_bytes(config(created=text)).created == expected


@pytest.mark.parametrize(
    "text", ["yesterday", "2024-01-01", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-01T00:00:00+99:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match=r"/history/0/created: expected a date and time as in RFC 3339"):
        ImageConfig.from_bytes(config(history=[{"created": text}]))


def test_history_without_times_is_read() -> None:
    found = ImageConfig.from_bytes(config(history=[{"comment": "from a tool"}, {"author": "me"}]))
    assert found.history == (History(comment="from a tool"), History(author="me"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (config(os="leave out"), "required field 'os' is missing"),
        (config(architecture="leave out"), "required field 'architecture' is missing"),
        (config(rootfs="leave out"), "required field 'rootfs' is missing"),
        (config(architecture="amd64\x1b[0m"), "/architecture: expected printable text"),
        (config(rootfs={"diff_ids": ["abc"]}), "/rootfs/diff_ids/0: expected sha256:"),
        (config(rootfs=[]), "/rootfs: expected an object"),
        (config({"Env": "A=1"}), "/config/Env: expected a list"),
        (config({"Env": [1]}), "/config/Env/0: expected a string"),
        (config({"Cmd": {}}), "/config/Cmd: expected a list"),
        (config({"Labels": {"a": 1}}), "/config/Labels/a: expected a string"),
        (config({"ExposedPorts": ["80/tcp"]}), "/config/ExposedPorts: expected an object"),
        (config({"Healthcheck": {"Interval": -1}}), "/config/Healthcheck/Interval: expected a whole number"),
        (config([]), "/config: expected an object"),
        (config(history=[{"empty_layer": "yes"}]), "/history/0/empty_layer: expected a boolean"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        ImageConfig.from_bytes(data, "the config of x")
