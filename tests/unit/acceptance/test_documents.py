"""YAML and JSON with places: what is refused, and where; hostile files among them."""

from __future__ import annotations

import pytest

from pytest_multiarch.acceptance import BadFile
from pytest_multiarch.acceptance.documents import Mapping, plain_value, read_document


def refused(text: str, **how: bool) -> str:
    with pytest.raises(BadFile) as caught:
        read_document(text, "file.yaml", **how)
    return "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "file.yaml:3:1: a is there already, in line 1"),
        ("a: {b: 1, b: 2}\n", "file.yaml:1:11: b is there already, in line 1"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "file.yaml:1:4: the tag tag:yaml.org,2002:python/object",
        ),
        ("a: !mine 1\n", "file.yaml:1:4: the tag !mine is not known here"),
        ("a: [1\nb: 2\n", "no YAML"),
        ("a: 1\n---\nb: 1\n", "a second document"),
        ("", "file.yaml:1:1: it is empty"),
        ("[1]: 2\n", "file.yaml:1:1: a key that is no text"),
        ("a: \x00\n", "no YAML"),
    ],
)
def test_refuses_with_the_place(text: str, said: str) -> None:
    assert said in refused(text)


def test_does_not_let_aliases_grow() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 10)]
    assert "do aliases repeat it?" in refused("\n".join(lines))


def test_does_not_follow_an_alias_to_itself() -> None:
    assert "file.yaml" in refused("a: &a [*a]\n")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "- " * 3_000 + "a"])
def test_refuses_what_is_nested_beyond_reason(text: str) -> None:
    assert "file.yaml" in refused(text)
    assert "file.yaml" in refused(text, is_json=True)


def test_knows_places_and_ends() -> None:
    document = read_document("a:\n  - b: |\n      one\n      two\n\n    c: [1,\n     2]\n\nd: 1\n", "file.yaml")
    assert isinstance(document, Mapping)
    listed = document.get("a")
    assert listed is not None
    assert (listed.place.line, listed.place.column) == (2, 3)
    assert listed.end == 7
    assert plain_value(document) == {"a": [{"b": "one\ntwo\n", "c": [1, 2]}], "d": 1}


def test_merges_mappings() -> None:
    document = read_document("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "file.yaml")
    assert plain_value(document)["b"] == {"x": 1, "y": 3}


def test_reads_json_with_tabs_and_pairs() -> None:
    document = read_document(
        '{\n\t"a": "\\ud83d\\ude00\\/",\n\t"b": [1, 1.5, true, null]\n}', "file.json", is_json=True
    )
    assert plain_value(document) == {"a": "😀/", "b": [1, 1.5, True, None]}
    assert "file.yaml:2:1: no JSON" in refused('{"a": 1,\n', is_json=True)
