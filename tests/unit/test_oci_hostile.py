"""Whatever a registry serves as a document: what it says, or an error of ours that names it, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_multiarch.errors import DocumentError, MultiArchError
from pytest_multiarch.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, ImageConfig, Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "sha256:" + "a" * 64


def _descriptor(media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 7, "annotations": {"a": "b"}, **more}


DOCUMENTS: dict[str, dict[str, Any]] = {
    "index": {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            _descriptor(OCI_MANIFEST, platform={"os": "linux", "architecture": "arm", "variant": "v7"}),
            _descriptor(OCI_MANIFEST, platform={"os": "windows", "architecture": "amd64", "os.version": "10.0.1"}),
        ],
        "annotations": {"c": "d"},
    },
    "manifest": {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG),
        "layers": [_descriptor(OCI_LAYER_GZIP, urls=["https://example.com/layer"])],
        "subject": _descriptor(OCI_MANIFEST),
    },
    "config": {
        "created": "2024-01-02T03:04:05.678Z",
        "os": "linux",
        "architecture": "arm64",
        "config": {
            "Env": ["PATH=/bin"],
            "Entrypoint": ["/app"],
            "ExposedPorts": {"80/tcp": {}},
            "Labels": {"a": "b"},
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30, "Retries": 3},
        },
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": "RUN true", "empty_layer": True}],
    },
}
READERS: dict[str, Callable[[bytes, str], object]] = {
    "index": Index.from_bytes,
    "manifest": Manifest.from_bytes,
    "config": ImageConfig.from_bytes,
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def look(kind: str, data: bytes) -> None:
    """Read a document; only errors of ours may come out, and they name it."""
    name = f"the {kind} of app"
    try:
        found = READERS[kind](data, name)
    except MultiArchError as error:
        refusal = error
    else:
        assert found == READERS[kind](data, name)
        return
    assert name in refusal.tried
    assert all(line.isprintable() for line in str(refusal).split("\n"))


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_cut_is_refused(kind: str) -> None:
    data = json.dumps(DOCUMENTS[kind]).encode()
    assert READERS[kind](data, "whole")
    for size in range(len(data)):
        with pytest.raises(DocumentError, match="cut"):
            READERS[kind](data[:size], "cut")


@pytest.mark.parametrize("kind", DOCUMENTS)
@quick
@given(data=st.data())
def test_flipped_bits(kind: str, data: st.DataObject) -> None:
    document = bytearray(json.dumps(DOCUMENTS[kind]).encode())
    for place in data.draw(st.lists(st.integers(0, len(document) * 8 - 1), min_size=1, max_size=4)):
        document[place // 8] ^= 1 << place % 8
    look(kind, bytes(document))


@pytest.mark.parametrize("kind", DOCUMENTS)
@quick
@given(data=st.data())
def test_other_values_in_any_place(kind: str, data: st.DataObject) -> None:
    document = json.loads(json.dumps(DOCUMENTS[kind]))
    node: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(VALUES)
    look(kind, json.dumps(document).encode())


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("unit", [b"[", b'{"config":', b'{"manifests":['], ids=["lists", "configs", "manifests"])
def test_deep_nesting_is_refused(kind: str, unit: bytes) -> None:
    with pytest.raises(DocumentError):
        READERS[kind](b'{"config":' + unit * 100_000, "deep")
    closed = b'{"annotations":' + b"[" * 5000 + b"]" * 5000 + b"}"
    with pytest.raises(DocumentError, match="nested deeper"):
        READERS[kind](closed, "deep")


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_of_repeated_keys_the_last_counts(kind: str) -> None:
    data = json.dumps(DOCUMENTS[kind]).encode()
    other = {"index": '"manifests": 7', "manifest": '"layers": 7', "config": '"os": 7, "rootfs": 7'}[kind]
    twice = b"{" + other.encode() + b", " + data[1:]
    assert READERS[kind](twice, "twice") == READERS[kind](data, "once")
