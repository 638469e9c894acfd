"""What is to be built, as values: parsed, checked, told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.spec import BuildSpec, parse_build_args, parse_build_contexts
from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.image.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["A=1"], {"A": "1"}, id="with a value"),
        pytest.param(["A="], {"A": ""}, id="with an empty value"),
        pytest.param(["A"], {"A": None}, id="from the environment"),
        pytest.param(["A=x=y"], {"A": "x=y"}, id="only the first equals sign parts"),
        pytest.param(["A= b c "], {"A": " b c "}, id="blanks in a value are the user's"),
        pytest.param(["A=1", "B=2", "A=3"], {"A": "3", "B": "2"}, id="the last of a name wins"),
        pytest.param(["A=1", "A"], {"A": None}, id="the last of a name wins, also without a value"),
    ],
)
def test_build_arguments_are_read(texts: list[str], expected: dict[str, str | None]) -> None:
    assert parse_build_args(texts) == expected


@pytest.mark.parametrize("text", ["", "=1", " =1", "a b=1", "a\t=1"])
def test_a_build_argument_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse_build_args(["GOOD=1", text])
    assert repr(text) in caught.value.headline
    assert "--multiarch-build-arg" in caught.value.hint


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["app=./app"], {"app": "./app"}, id="a folder"),
        pytest.param(
            ["debian:12=docker-image://debian:12-slim"], {"debian:12": "docker-image://debian:12-slim"}, id="image"
        ),
        pytest.param(
            ["src=https://x.io/a.git?ref=main"], {"src": "https://x.io/a.git?ref=main"}, id="equals in source"
        ),
        pytest.param(["a=1", "a=2"], {"a": "2"}, id="the last of a name wins"),
    ],
)
def test_build_contexts_are_read(texts: list[str], expected: dict[str, str]) -> None:
    assert parse_build_contexts(texts) == expected


@pytest.mark.parametrize(
    ("text", "found"), [("app", "no source"), ("app=", "no source"), ("=./app", "no name"), ("", "no name")]
)
def test_a_build_context_needs_a_name_and_a_source(text: str, found: str) -> None:
    with pytest.raises(UsageProblem, match=found):
        parse_build_contexts([text])


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("app", "app"),
        ("My App", "my-app"),
        ("a__b..c", "a-b-c"),
        ("-x-", "x"),
        ("größe", "gr-e"),
        ("日本", "image"),
        ("v1.2", "v1-2"),
    ],
)
def test_the_name_is_a_repository_made_from_the_folder(tmp_path: Path, folder: str, expected: str) -> None:
    name = BuildSpec(context=tmp_path / folder).name
    assert name == expected
    assert Reference.parse(f"localhost:1/{name}:latest").repository == name


def test_the_name_of_the_root_folder_is_still_a_name(tmp_path: Path) -> None:
    root = tmp_path.__class__(tmp_path.anchor)
    assert BuildSpec(context=root).name == "image"


def test_the_dockerfile_is_beside_the_context_unless_said_otherwise(tmp_path: Path) -> None:
    assert BuildSpec(context=tmp_path).dockerfile_path == tmp_path / "Dockerfile"
    assert BuildSpec(context=tmp_path, dockerfile=tmp_path / "x").dockerfile_path == tmp_path / "x"


def test_arguments_without_a_value_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "from outside")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("ABSENT", raising=False)
    spec = BuildSpec(context=tmp_path, args={"GIVEN": None, "EMPTY": None, "ABSENT": None, "SET": "x", "BLANK": ""})
    assert spec.resolved_args() == {"GIVEN": "from outside", "EMPTY": "", "SET": "x", "BLANK": ""}


def whole_spec(folder: Path) -> BuildSpec:
    return BuildSpec(
        context=folder,
        dockerfile=folder / "Dockerfile",
        target="test",
        args={"A": "1", "B": None},
        contexts={"x": "./x", "y": "./y"},
        secrets=("id=a,env=A",),
        base_images=("debian:12",),
    )


def test_equal_specifications_have_equal_keys_in_whatever_order_they_were_written(tmp_path: Path) -> None:
    one = whole_spec(tmp_path)
    other = replace(one, args={"B": None, "A": "1"}, contexts={"y": "./y", "x": "./x"})
    assert one.key == other.key
    assert hash(one.key) == hash(other.key)


@pytest.mark.parametrize(
    "change",
    [
        {"target": None},
        {"dockerfile": None},
        {"args": {"A": "1", "B": ""}},
        {"args": {"A": "1"}},
        {"contexts": {"x": "./x", "y": "./z"}},
        {"secrets": ()},
        {"base_images": ()},
    ],
    ids=str,
)
def test_whatever_changes_the_build_changes_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    assert replace(whole_spec(tmp_path), **change).key != whole_spec(tmp_path).key


def test_another_context_changes_the_key(tmp_path: Path) -> None:
    assert BuildSpec(context=tmp_path).key != BuildSpec(context=tmp_path / "x").key


def test_a_context_with_a_dockerfile_passes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    BuildSpec(context=tmp_path).check()


def test_a_missing_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="there is no such folder") as caught:
        BuildSpec(context=tmp_path / "nowhere").check()
    assert str(tmp_path / "nowhere") in caught.value.tried
    assert "--multiarch-context" in caught.value.hint


def test_a_context_that_is_a_file_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageProblem, match="it is no folder"):
        BuildSpec(context=tmp_path / "file").check()


@pytest.mark.parametrize("make_folder", [True, False])
def test_a_missing_dockerfile_is_named(tmp_path: Path, make_folder: bool) -> None:
    if make_folder:
        (tmp_path / "Dockerfile").mkdir()
    with pytest.raises(UsageProblem, match="there is no such file") as caught:
        BuildSpec(context=tmp_path).check()
    assert str(tmp_path / "Dockerfile") in caught.value.tried
    assert "--multiarch-dockerfile" in caught.value.hint


def test_the_secrets_of_a_build_are_known_as_buildx_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("first line\n  second line\n", encoding="utf-8")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OF_ENV", "of the environment")
    monkeypatch.setenv("by-id", "of an id")
    secrets = (
        f"id=a,src={tmp_path / 'token'}",
        "id=b,env=OF_ENV",
        "type=env,id=c,src=OF_ENV",
        "id=by-id",
        "id=bytes",
        "id=d,src=/nowhere/at/all",
        "nonsense",
    )
    assert BuildSpec(context=tmp_path, secrets=secrets).secret_texts() == {
        "first line\n  second line",
        "first line",
        "second line",
        "of the environment",
        "of an id",
    }
    assert BuildSpec(context=tmp_path, secrets=("id=token",)).secret_texts() >= {"first line"}
