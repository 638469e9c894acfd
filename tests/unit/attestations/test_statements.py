"""Statements: who they are about, and what is refused before any predicate is looked at."""

from __future__ import annotations

import json
import pickle

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.attestations import Resource, Statement
from pytest_multiarch.oci import Descriptor, FrozenMap
from tests.unit.attestations.common import DATA, IN_TOTO, SPDX, V02, read, statement

A, B = ("sha256:" + letter * 64 for letter in "ab")
OTHER = "https://example.com/TestResult/v1"


def test_subjects_are_matched_by_digest_alone() -> None:
    # in-toto statement.md: "Subject artifacts are matched purely by digest".
    found = read(statement(OTHER, {}, about=A))
    assert found.subjects == (Resource(name="_", digests=FrozenMap({"sha256": "a" * 64})),)
    assert found.is_about(A)
    assert not found.is_about(B)
    assert not found.is_about("a" * 64)


def test_a_predicate_of_another_type_is_kept_without_being_read() -> None:
    found = read(statement(OTHER, ["not", "even", "an object"]), told=OTHER)
    assert found.predicate_type == OTHER
    assert found.predicate is None


def test_a_predicate_of_another_type_may_be_missing() -> None:
    # in-toto statement.md: "predicate: object, optional".
    data = json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": OTHER, "subject": []}).encode()
    assert read(data) == Statement(read(data).descriptor, OTHER, ())


def test_statements_can_be_pickled_and_compared() -> None:
    for name in ("buildkit-v0.2.json", "buildkit-v1.json", "buildkit-sbom.json"):
        found = read((DATA / name).read_bytes())
        assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301
        assert hash(found) == hash(read((DATA / name).read_bytes()))


def test_a_descriptor_that_names_another_type_than_the_statement_is_refused() -> None:
    with pytest.raises(DocumentError, match=f"/predicateType: expected '{V02}', which its descriptor says"):
        read(statement(SPDX, {"spdxVersion": "SPDX-2.3"}), told=V02)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "required field '_type' is missing"),
        ({"_type": "https://in-toto.io/Link/v0.1"}, "/_type: expected an in-toto statement of version 0.1 or 1"),
        ({"_type": "https://in-toto.io/Statement/v1"}, "required field 'predicateType' is missing"),
        (
            {"_type": "https://in-toto.io/Statement/v1", "predicateType": "\x1b[2J"},
            "/predicateType: expected printable text",
        ),
        (
            {
                "_type": "https://in-toto.io/Statement/v1",
                "predicateType": OTHER,
                "subject": [{"digest": {"sha256": 1}}],
            },
            "/subject/0/digest/sha256: expected a string",
        ),
        ({"_type": "https://in-toto.io/Statement/v1", "predicateType": V02}, "required field 'predicate' is missing"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(document: object, message: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read(json.dumps(document).encode())
    assert message in str(refused.value)


def test_a_statement_above_the_limit_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_multiarch.image.attestations.statements.STATEMENT_LIMIT", 10)
    with pytest.raises(DocumentError, match="11 bytes, more than the 10 that are read"):
        Statement.from_bytes(b"[not json!]", Descriptor(IN_TOTO, A, 11))
