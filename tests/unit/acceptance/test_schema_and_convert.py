"""The commands: the printed schema says what the reader says, and converted files say what they said before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest
import yaml

from pytest_multiarch.__main__ import main
from pytest_multiarch.acceptance import BadFile
from pytest_multiarch.acceptance.checks import Subject
from pytest_multiarch.acceptance.convert import convert
from pytest_multiarch.acceptance.structure import read_structure_file
from pytest_multiarch.acceptance.suite import json_schema, read_suite
from pytest_multiarch.platforms import Platform
from tests.integration.acceptance.crafted import crafted_image

if TYPE_CHECKING:
    from pytest_multiarch.acceptance import Suite

EXAMPLE: Final = Path(__file__).resolve().parents[3] / "example_project" / "tests" / "app.multiarch.yaml"
EVERYTHING: Final = """\
image: {build: {context: ., args: {VERSION: 1.10}}}
platforms: [linux/amd64, linux/arm64]
tests:
  - {name: a, run: {}, stdout: x, stderr: {contains: a, excludes: [b]}, exit_code: 1, timeout: 1.5}
  - {name: b, run: [a, 1], per_platform: {linux/arm64: {exit_code: 2}}}
  - {name: c, exec: {args: [a], env: {A: 1}, setup: [[b]], fresh: true, stdin: x, user: 1, workdir: /}}
  - {name: d, file: /a, mode: '0755', kind: link, target: b, content: {matches: a, excludes_matching: [b], json: {$.a: null}}}
  - {name: e, config: {env: {A: {matches: b}}, cmd: [], ports: [80], user: "", no_env: B}, platforms: linux/arm64}
  - {name: f, index: {platforms: linux/amd64, annotations: {a: b}, sbom: true}}
  - {name: g, audit: {select: MA2, allow: ["MA201 /a because b"]}}
  - {name: h, parity: {config: env, content: [/a/*]}}
  - {name: i, service: {ports: 80, wait_for: {http: /health}}, http: {path: /, status: 204, body: {json: {"$[0]": 1}}}}
  - {name: k, run: {tty: true, privileged: true, cap_add: NET_ADMIN, mounts: {/a: /b}, network: none}}
  - {name: l, exec: {args: [a], tty: true, privileged: false, cap_add: [SYS_TIME], mounts: {/a: /b}, network: host}}
  - {name: j, licenses: {debian: true, files: [/a]}}
"""
STRUCTURE: Final = """\
schemaVersion: 2.0.0
fileExistenceTests:
  - {name: link, path: /etc/link, permissions: Lrwxrwxrwx, uid: 0}
  - {name: not there, path: /etc/gone, shouldExist: false}
  - {name: there by mistake, path: /etc/hello, shouldExist: false, permissions: x}
  - {name: not executable, path: /etc/hello, isExecutableBy: group}
fileContentTests:
  - {name: content, path: /etc/hello, expectedContents: ['^hello'], excludedContents: ['world']}
  - {name: nothing said, path: /etc}
metadataTest:
  envVars: [{key: APP, value: "^a", isRegex: true}, {key: EMPTY, value: ""}]
  entrypoint: [/entry]
  exposedPorts: [53]
  unexposedPorts: [80]
licenseTests:
  - {debian: true, files: [/etc/license]}
"""


def problems_of(document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(json_schema())
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("text", [EVERYTHING, EXAMPLE.read_text(encoding="utf-8")], ids=["everything", "example"])
def test_what_is_read_is_what_the_schema_takes(text: str) -> None:
    assert read_suite(text, "app.multiarch.yaml").cases
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert problems_of(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    "test",
    [
        {"name": "a"},
        {"run": ["a"]},
        {"name": "a", "run": ["a"], "file": "/a"},
        {"name": "a", "run": ["a"], "stdot": "x"},
        {"name": "a", "exec": []},
        {"name": "a", "file": "/a", "kind": "folder"},
        {"name": "a", "file": "/a", "per_platform": {"linux/arm64": {"exits": True}}},
        {"name": "a", "service": {"ports": []}, "http": []},
        {"name": "a", "run": ["a"], "exit_code": 256},
        {"name": "a", "run": {"args": ["a"], "privileged": "yes, please"}},
        {"name": "a", "exec": {"args": ["a"], "cap_add": {"NET_ADMIN": True}}},
        {"name": "a", "index": {}, "platforms": ["linux/arm64"]},
    ],
)
def test_what_is_refused_is_what_the_schema_refuses(test: dict[str, Any]) -> None:
    document = {"tests": [test]}
    with pytest.raises(BadFile):
        read_suite(yaml.safe_dump(document), "app.multiarch.yaml")
    assert problems_of(document)


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def verdicts(suite: Suite) -> dict[str, bool]:
    def refuse(**_: Any) -> Any:
        raise AssertionError("nothing is to be started")

    with crafted_image() as image:
        subject = Subject(image, warm=refuse, fresh=refuse)
        return {case.name: not case.make(image.platform).check(subject).mismatches for case in suite.cases}


def test_converted_files_have_the_same_verdicts(tmp_path: Path) -> None:
    source, target = tmp_path / "image.yaml", tmp_path / "image.multiarch.yaml"
    source.write_text(STRUCTURE, encoding="utf-8")
    assert main(["convert", str(source), "-o", str(target)]) == 0
    before = verdicts(read_structure_file(STRUCTURE, "image.yaml"))
    assert verdicts(read_suite(target.read_text(encoding="utf-8"), "image.multiarch.yaml")) == before
    assert before == {
        "link": True,
        "not there": True,
        "there by mistake": False,
        "not executable": False,
        "content": True,
        "nothing said": False,
        "metadata": False,
        "licenses 1": False,
    }


def test_commands_are_converted_with_what_they_need() -> None:
    text = """\
schemaVersion: 1.0.0
globalEnvVars: [{key: G, value: g}]
commandTests:
  - {name: a, command: [sh, -c, "echo $HOME"], setup: [["true"]], envVars: [{key: E, value: e}], exitCode: 2,
     expectedOutput: [x], excludedError: [y]}
"""
    converted = convert(text, "image.yaml")
    assert "# a: 'echo $HOME' names a variable of the image" in converted
    assert yaml.safe_load(converted)["tests"] == [
        {
            "name": "a",
            "exec": {"args": ["sh", "-c", "echo $HOME"], "env": {"G": "g", "E": "e"}, "setup": [["true"]]},
            "exit_code": 2,
            "stdout": {"matches": ["x"]},
            "stderr": {"excludes_matching": ["y"]},
        }
    ]
    assert read_suite(converted, "a.multiarch.yaml").cases


def test_run_options_are_converted_but_for_what_the_caller_has() -> None:
    text = """\
schemaVersion: 2.0.0
containerRunOptions: {user: nobody, privileged: true, allocateTty: true, capabilities: [NET_ADMIN],
  bindMounts: ["/a:/b", "/c:/d:ro"], envFile: variables, envVars: [A]}
commandTests: [{name: a, command: id}]
"""
    converted = convert(text, "image.yaml")
    assert yaml.safe_load(converted)["tests"] == [
        {
            "name": "a",
            "exec": {
                "args": ["id"],
                "fresh": True,
                "user": "nobody",
                "privileged": True,
                "tty": True,
                "cap_add": ["NET_ADMIN"],
                "mounts": {"/a": "/b", "/c": "/d"},
            },
        }
    ]
    for note in (
        "bindMounts: '/c:/d:ro' is said otherwise",
        "envFile has no counterpart",
        "envVars has no counterpart",
    ):
        assert f"# containerRunOptions.{note}" in converted
    assert read_suite(converted, "a.multiarch.yaml").cases


def test_texts_that_would_name_the_platform_are_told_with_their_tests_but_names_are_left() -> None:
    text = """\
schemaVersion: 2.0.0
commandTests:
  - {name: "a {platform}", command: echo, args: ["{platform.arch}"], envVars: [{key: E, value: "{platformfoo}"}]}
fileContentTests: [{name: b, path: /a, expectedContents: ["x{platform}", '\\{platform\\}']}]
metadataTest: {labels: [{key: "{platform.nope}", value: "1"}]}
"""
    notes = [line for line in convert(text, "image.yaml").splitlines() if line.startswith("#")]
    assert notes == [
        "# Converted from image.yaml.",
        "# a {platform}: {platform.arch} in '{platform.arch}' stands for the platform here; write it otherwise.",
        "# b: {platform} in 'x{platform}' stands for the platform here; write it otherwise.",
        "# metadata: {platform.nope} in '{platform.nope}' stands for the platform here; write it otherwise.",
    ]


def test_a_note_stays_one_line_of_comment_whatever_the_name_is() -> None:
    text = 'schemaVersion: 2.0.0\ncommandTests: [{name: "a\\nimage: b", command: echo, args: [$A]}]\n'
    assert "\n# a image: b: '$A' names a variable of the image" in convert(text, "image.yaml")


NULLS: Final = """\
schemaVersion: 2.0.0
containerRunOptions:
fileExistenceTests:
  - {name: owner, path: /etc/hello, permissions: null, uid: ~, gid: null, isExecutableBy: ""}
  - {name: executable, path: /opt/app/run, isExecutableBy: ~}
metadataTest: {entrypoint: [/entry], cmd: null, labels: [{key: empty, value: "", isRegex: ~}]}
licenseTests: [{debian: null, files: [/etc/hello]}]
"""


def test_keys_without_a_value_count_as_not_said() -> None:
    found = verdicts(read_structure_file(NULLS, "image.yaml"))
    assert found == {"owner": True, "executable": True, "metadata": True, "licenses 1": True}
    assert verdicts(read_suite(convert(NULLS, "image.yaml"), "image.multiarch.yaml")) == found


def test_an_owner_without_a_value_is_root_in_strict_as_for_the_binary() -> None:
    text = "schemaVersion: 2.0.0\nfileExistenceTests: [{name: a, path: /etc/hello, uid: ~}]\n"
    (case,) = read_structure_file(text, "image.yaml", is_strict=True).cases
    check: Any = case.make(Platform.parse("linux/amd64"))
    assert (check.check_of.uid, check.check_of.gid) == (0, None)


@pytest.mark.parametrize(
    "said", ["metadataTest:", "metadataTest: {entrypoint: ~}", "metadataTest: {cmd: null, user: ~}"]
)
def test_a_file_that_says_nothing_but_nulls_holds_no_tests(said: str) -> None:
    with pytest.raises(BadFile, match="it holds no tests"):
        read_structure_file(f"schemaVersion: 2.0.0\n{said}\n", "image.yaml")


def test_what_cannot_be_converted_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schemaVersion: 2.0.0\nfoo: 1\n", encoding="utf-8")
    assert main(["convert", str(bad)]) == 4
    assert "bad.yaml:2:1: the file has no key 'foo'" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "nowhere")]) == 4
    bad.write_text(STRUCTURE, encoding="utf-8")
    assert main(["convert", str(bad), "-o", str(bad)]) == 4
    assert "it is there already" in capsys.readouterr().err
