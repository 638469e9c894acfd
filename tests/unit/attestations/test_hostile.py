"""Whatever a statement holds: values of the promised types, or a DocumentError."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.attestations import Provenance, Sbom
from pytest_multiarch.platforms import Platform
from tests.unit.attestations.common import CYCLONEDX, DATA, SPDX, V02, V1, provenance, read, sbom, statement
from tests.unit.attestations.test_provenance import MAKEFILE, REPOSITORY
from tests.unit.attestations.test_sbom import CYCLONEDX_EXAMPLE, SPDX_EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator

quietly = settings(derandomize=True, database=None, deadline=None, max_examples=300)

SAMPLES = {
    "v0.2": (DATA / "buildkit-v0.2.json").read_bytes(),
    "v1": (DATA / "buildkit-v1.json").read_bytes(),
    "makefile": statement(V02, MAKEFILE),
    "repository": statement(V1, REPOSITORY),
    "spdx": statement(SPDX, SPDX_EXAMPLE),
    "cyclonedx": statement(CYCLONEDX, CYCLONEDX_EXAMPLE),
}
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=2), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.integers() | st.text(max_size=2), max_size=2)
)


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to every value in a document."""
    yield way
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield from places(inner, (*way, key))


PLACES = {name: [way for way in places(json.loads(data)) if way] for name, data in SAMPLES.items()}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a statement with some bytes changed, or cut off."""
    data = SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))]
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 5))):
        changed[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(changed[: draw(st.integers(0, len(data)) | st.just(len(data)))])


@st.composite
def mistaken(draw: st.DrawFn) -> bytes:
    """Return a statement that is good JSON and has another value, or none, in some place."""
    name = draw(st.sampled_from(sorted(SAMPLES)))
    document = json.loads(SAMPLES[name])
    *way, last = draw(st.sampled_from(PLACES[name]))
    holder = document
    for step in way:
        holder = holder[step]
    if draw(st.booleans()):
        holder[last] = draw(VALUES)
    else:
        del holder[last]
    return json.dumps(document).encode()


def check(data: bytes) -> None:
    found = read(data)
    assert found.predicate_type.isprintable()
    if isinstance(found.predicate, Provenance):
        said = found.predicate
        assert all(isinstance(value, str) for one in said.materials for value in (one.name, one.uri))
        assert all(isinstance(value, str) for each in (said.parameters, said.args, said.vcs) for value in each.values())
        assert all(isinstance(one.data, bytes) for one in said.sources)
        assert all(time is None or isinstance(time, datetime) for time in (said.started, said.finished))
        assert said.builder_platform is None or isinstance(said.builder_platform, Platform)
        assert {type(flag) for flag in (said.hermetic, said.reproducible, said.materials_complete)} == {bool}
        json.dumps(dict(said.parameters), ensure_ascii=False).encode()
    elif isinstance(found.predicate, Sbom):
        assert all(
            isinstance(text, str) for one in found.predicate.packages for text in (one.name, one.version, one.purl)
        )


def problem(data: bytes) -> str:
    """Return why a statement is refused, nothing where it is read."""
    try:
        check(data)
    except DocumentError as error:
        return str(error)
    return ""


@quietly
@given(damaged() | st.binary(max_size=200))
def test_damaged_bytes(data: bytes) -> None:
    assert problem(data).replace("\n", "").isprintable()


@settings(quietly, max_examples=1500)
@given(mistaken())
def test_wrong_and_missing_values(data: bytes) -> None:
    assert problem(data).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", SAMPLES)
def test_every_cut_is_refused(name: str) -> None:
    data = SAMPLES[name]
    for length in range(0, len(data), 7):
        with pytest.raises(DocumentError):
            read(data[:length])


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b'{"components":[' * 20_000])
def test_deep_nesting_is_refused(deep: bytes) -> None:
    data = b'{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","predicate":' + deep
    with pytest.raises(DocumentError):
        read(data)


def test_components_nested_deeper_than_the_limit_are_refused() -> None:
    component: dict[str, Any] = {"name": "innermost"}
    for level in range(40):
        component = {"name": str(level), "components": [component]}
    with pytest.raises(DocumentError, match="nested deeper than 32 levels"):
        read(statement(CYCLONEDX, {**CYCLONEDX_EXAMPLE, "components": [component]}))


def test_of_repeated_keys_the_last_one_wins_as_for_every_other_reader() -> None:
    data = statement(SPDX, SPDX_EXAMPLE).replace(b'"name": "glibc"', b'"name": "openssl", "name": "glibc"')
    assert sbom(data).packages[0].name == "glibc"
    twice = statement(V02, MAKEFILE).replace(b'"builder":', b'"builder": 7, "builder":')
    assert provenance(twice).builder_id == "mailto:person@example.com"


def test_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    parameters = {"text": "\ud800", "list": ["\udfff"]}
    found = provenance(statement(V02, {**MAKEFILE, "invocation": {"parameters": parameters}}))
    assert found.parameters == {"text": "\ufffd", "list": '["\ufffd"]'}
