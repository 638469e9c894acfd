"""Index and manifest: what is read, what is tolerated, what is refused and with which words."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.oci import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    FrozenMap,
    Index,
    Manifest,
    RawDocument,
    digest_of,
    read_document,
)
from pytest_multiarch.platforms import Platform

A, B, C = ("sha256:" + letter * 64 for letter in "abc")

# The example of image-spec v1.1.1, image-index.md, "Example Image Index".
SPEC_INDEX = """{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "size": 7143,
      "digest": "sha256:e692418e4cbaf90ca69d05a66403747baa33ee08806650b51fab815ad7fc331f",
      "platform": {"architecture": "ppc64le", "os": "linux"}
    },
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "size": 7682,
      "digest": "sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270",
      "platform": {"architecture": "amd64", "os": "linux"}
    }
  ],
  "annotations": {"com.example.key1": "value1", "com.example.key2": "value2"}
}"""

# The example of image-spec v1.1.1, manifest.md, "Example Image Manifest".
SPEC_MANIFEST = """{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:b5b2b2c507a0944348e0303114d8d93aaaa081732b86451d9bce1f432a537bc7",
    "size": 7023
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0",
      "size": 32654
    },
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:3c3a4604a545cdc127456d94e421cd355bca5b528f4a9c1905b15da2eb4a4c6b",
      "size": 16724
    },
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:ec4b8955958665577945c89419d1af06b5f7636b4ac3da7f12184802ad867736",
      "size": 73109
    }
  ],
  "subject": {
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": "sha256:5b0bcabd1ed22e9fb1310cf6c2dec7cdef19f0ad69efa1f392e94a4333501270",
    "size": 7682
  },
  "annotations": {"com.example.key1": "value1", "com.example.key2": "value2"}
}"""


def entry(digest: object = A, **more: Any) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": digest, "size": 7, **more}


def index(*entries: object, **more: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **more}).encode()


def manifest(**more: Any) -> bytes:
    config = {"mediaType": OCI_CONFIG, "digest": A, "size": 7}
    layers = [{"mediaType": OCI_LAYER_GZIP, "digest": B, "size": 8}]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers, **more}
    return json.dumps({key: value for key, value in document.items() if value != "leave out"}).encode()


def test_the_specifications_index_is_read() -> None:
    found = Index.from_bytes(SPEC_INDEX.encode())
    assert found.media_type == OCI_INDEX
    assert [str(platform) for platform in found.platforms] == ["linux/ppc64le", "linux/amd64"]
    assert found.manifests[0].size == 7143
    assert found.annotations == {"com.example.key1": "value1", "com.example.key2": "value2"}


def test_the_specifications_manifest_is_read() -> None:
    found = Manifest.from_bytes(SPEC_MANIFEST.encode())
    assert found.is_image
    assert found.config.size == 7023
    assert [layer.size for layer in found.layers] == [32654, 16724, 73109]
    assert found.subject is not None
    assert found.subject.size == 7682


def test_all_of_a_descriptor_is_read() -> None:
    platform = {
        "os": "windows",
        "architecture": "amd64",
        "os.version": "10.0.14393.1066",
        "os.features": ["win32k"],
        "variant": "v3",
    }
    more: dict[str, Any] = {
        "artifactType": "application/x",
        "urls": ["https://example.com/a"],
        "annotations": {"a": "b"},
    }
    found = Index.from_bytes(index(entry(platform=platform, **more))).manifests[0]
    assert found == Descriptor(
        OCI_MANIFEST,
        A,
        7,
        Platform.from_fields("windows", "amd64", "v3", "10.0.14393.1066", ["win32k"]),
        FrozenMap({"a": "b"}),
        "application/x",
        ("https://example.com/a",),
    )


def test_attestations_stand_apart() -> None:
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": A}
    unknown = {"os": "unknown", "architecture": "unknown"}
    arm64 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    found = Index.from_bytes(index(entry(A, platform=arm64), entry(B, platform=unknown, annotations=marks)))
    assert found.platforms == (Platform.parse("linux/arm64"),)
    assert [one.digest for one in found.images] == [A]
    assert [one.refers_to for one in found.attestations] == [A]


def test_an_unknown_platform_alone_is_no_attestation() -> None:
    found = Index.from_bytes(index(entry(platform={"os": "unknown", "architecture": "unknown"})))
    assert found.attestations == ()


@pytest.mark.parametrize(
    ("media_type", "is_foreign"),
    [
        (OCI_LAYER_GZIP, False),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", True),
    ],
)
def test_foreign_layers_are_known_by_their_type(media_type: str, is_foreign: bool) -> None:
    assert Descriptor(media_type, A, 1).is_foreign is is_foreign


def test_an_empty_platform_is_none() -> None:
    found = Index.from_bytes(index(entry(platform={"os": "", "architecture": ""})))
    assert found.manifests[0].platform is None


@pytest.mark.parametrize("kind", ["application/vnd.example+json", OCI_INDEX, DOCKER_MANIFEST])
def test_entries_of_any_type_are_kept(kind: str) -> None:
    assert Index.from_bytes(index(entry(mediaType=kind))).manifests[0].media_type == kind


def test_unknown_fields_do_not_hurt() -> None:
    data = index(entry(future=[1]), future={"deep": [None, {"er": 1e300}]})
    assert Index.from_bytes(data).manifests == (Descriptor(OCI_MANIFEST, A, 7),)


def test_of_a_repeated_key_the_last_counts() -> None:
    data = b'{"schemaVersion": 1, "schemaVersion": 2, "manifests": [{}], "manifests": []}'
    assert Index.from_bytes(data).manifests == ()


@pytest.mark.parametrize("field", ["annotations", "platform", "urls", "artifactType"])
def test_null_counts_as_absent(field: str) -> None:
    assert Index.from_bytes(index({**entry(), field: None})).manifests == (Descriptor(OCI_MANIFEST, A, 7),)


def test_layers_may_be_null() -> None:
    assert Manifest.from_bytes(manifest(layers=None)).layers == ()


def test_a_manifest_whose_config_is_no_images_is_no_image() -> None:
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": A, "size": 2}
    assert not Manifest.from_bytes(manifest(config=empty)).is_image


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"manifests": []}, OCI_INDEX),
        ({"manifests": [entry(mediaType=DOCKER_MANIFEST)]}, DOCKER_MANIFEST_LIST),
        ({"config": entry(mediaType=OCI_CONFIG), "layers": []}, OCI_MANIFEST),
        ({"config": entry(mediaType=DOCKER_CONFIG), "layers": []}, DOCKER_MANIFEST),
        ({"manifests": [], "mediaType": "application/vnd.example.index+json"}, OCI_INDEX),
    ],
)
def test_what_does_not_say_what_it_is_is_told_by_its_content(document: dict[str, Any], expected: str) -> None:
    assert read_document(json.dumps({"schemaVersion": 2, **document}).encode()).media_type == expected


@pytest.mark.parametrize("told", ["", "application/json", "text/plain; charset=utf-8", "application/octet-stream"])
def test_a_vague_content_type_does_not_count(told: str) -> None:
    assert read_document(index(), "index", told).media_type == OCI_INDEX


def test_the_content_type_says_what_the_document_does_not() -> None:
    data = b'{"schemaVersion": 2, "manifests": []}'
    assert read_document(data, "index", f"{DOCKER_MANIFEST_LIST}; charset=utf-8").media_type == DOCKER_MANIFEST_LIST


# image-spec GHSA-77vh-xpmg-72qh, CVE-2021-41190: what can be taken for both is refused.
@pytest.mark.parametrize(
    ("data", "told", "message"),
    [
        (manifest(manifests=[]), "", "both an index"),
        (index(config=entry()), "", "both an index"),
        (index(layers=[]), "", "both an index"),
        (index(mediaType=OCI_MANIFEST), "", "an index that mediaType calls"),
        (manifest(mediaType=OCI_INDEX), "", "a manifest that mediaType calls"),
        (index(), OCI_MANIFEST, "an index that the registry's Content-Type calls"),
        (manifest(), DOCKER_MANIFEST_LIST, "a manifest that the registry's Content-Type calls"),
        (manifest(), DOCKER_MANIFEST, "mediaType is .* and the registry's Content-Type"),
        (b'{"schemaVersion": 2}', "", "neither an index"),
        (b'{"schemaVersion": 1, "fsLayers": []}', "", "schema 1"),
        (
            b'{"schemaVersion": 2, "manifests": []}',
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "schema 1",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(data: bytes, told: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_document(data, "the document", told)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b"[]", "expected an object, found a list"),
        (b"null", "expected an object, found null"),
        (b'{"schemaVersion": NaN, "manifests": []}', "NaN is no JSON number"),
        (b'{"schemaVersion": 1' + b"0" * 5000 + b', "manifests": []}', "not JSON that is read here|2\\^63"),
        (b'{"a": ' + b"[" * 100_000, "nested deeper than 32|not JSON"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper than 32 levels"),
        (b"{" + b" " * 4 * 1024 * 1024, "4194305 bytes, more than the 4194304"),
        (index(schemaVersion=3), "/schemaVersion: expected 2, found a number 3"),
        (index(schemaVersion="2"), "/schemaVersion: expected a whole number, found '2'"),
        (index(schemaVersion=True), "/schemaVersion: expected a whole number"),
        (index(manifests={}), "/manifests: expected a list, found an object"),
        (index(7), "/manifests/0: expected an object, found a number 7"),
        (index(entry(), entry(digest=None)), "/manifests/1: required field 'digest' is missing"),
        (index(entry(size=None)), "required field 'size' is missing"),
        (index(entry(mediaType=None)), "required field 'mediaType' is missing"),
        (index(entry(size=-1)), "/manifests/0/size: expected a whole number from 0"),
        (index(entry(size=2**63)), "/manifests/0/size: expected a whole number from 0"),
        (index(entry(size=1.5)), "/manifests/0/size: expected a whole number"),
        (index(entry(size="7")), "/manifests/0/size: expected a whole number, found '7'"),
        (index(entry(digest="sha256:abc")), "/manifests/0/digest: expected sha256:"),
        (index(entry(digest="sha256:" + "A" * 64)), "/manifests/0/digest: expected sha256:"),
        (index(entry(digest="md5:" + "a" * 32)), "/manifests/0/digest: expected sha256:"),
        (index(entry(digest="sha256:" + "a" * 64 + "/../../x")), "/manifests/0/digest: expected sha256:"),
        (index(entry(mediaType="a\x1b[2Jb")), "/manifests/0/mediaType: expected printable text"),
        (index(entry(annotations=[])), "/manifests/0/annotations: expected an object"),
        (index(entry(annotations={"a/b~c": 7})), "/manifests/0/annotations/a~1b~0c: expected a string"),
        (index(entry(urls="https://example.com")), "/manifests/0/urls: expected a list"),
        (index(entry(platform={"os": "linux"})), "/manifests/0/platform: required field 'architecture'"),
        (index(entry(platform={"architecture": "amd64"})), "/manifests/0/platform: required field 'os'"),
        (index(entry(platform={"os": "li\nnux", "architecture": "amd64"})), "/platform/os: expected printable"),
        (index(entry(platform="linux/amd64")), "/manifests/0/platform: expected an object"),
        (manifest(config="leave out"), "required field 'config' is missing"),
        (manifest(layers="leave out"), "required field 'layers' is missing"),
        (manifest(layers=[7]), "/layers/0: expected an object"),
        (manifest(subject=7), "/subject: expected an object"),
        (manifest(schemaVersion="leave out"), "required field 'schemaVersion' is missing"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as caught:
        read_document(data, "the document of x")
    assert caught.value.tried == "read the document of x"
    assert caught.value.found.isprintable()
    assert len(caught.value.found) < 300


def test_an_index_is_no_manifest() -> None:
    with pytest.raises(DocumentError, match="expected a manifest, found an index"):
        Manifest.from_bytes(index())
    with pytest.raises(DocumentError, match="expected an index, found a manifest"):
        Index.from_bytes(manifest())


def test_halves_of_surrogate_pairs_become_a_replacement_character() -> None:
    data = index(annotations={}).replace(b'"annotations": {}', b'"annotations": {"a": "x\\ud800y"}')
    assert Index.from_bytes(data).annotations == {"a": "x\ufffdy"}


def test_a_raw_document_keeps_its_bytes() -> None:
    data = index(entry())
    raw = RawDocument(data, OCI_INDEX, digest_of(data))
    assert raw.size == len(data)
    assert isinstance(raw.parsed(), Index)


def test_documents_can_be_compared_hashed_and_sent_to_another_process() -> None:
    one, other = (Index.from_bytes(SPEC_INDEX.encode()) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301


def test_annotations_cannot_change() -> None:
    found = Index.from_bytes(SPEC_INDEX.encode()).annotations
    with pytest.raises(TypeError):
        found["com.example.key1"] = "other"  # type: ignore[index]
    assert repr(FrozenMap({"a": "b"})) == "FrozenMap({'a': 'b'})"
