"""What is measured about the audit, each a function that runs in a process of its own and returns JSON."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import requests

from pytest_multiarch.audit import audit_image
from pytest_multiarch.errors import FileProblem
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.layout import LayoutClient
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.image.blobs import BlobStream
    from pytest_multiarch.oci import Descriptor

_CHUNK: Final = 64 * 1024
_TEXT_BYTES: Final = 64 * 1024
_LEAST_SECONDS: Final = 0.5


class _CountingRegistry(RegistryClient):
    """Count how often each blob is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: Counter[str] = Counter()

    def blob(self, repository: Reference, descriptor: Descriptor) -> BlobStream:
        self.fetches[descriptor.digest] += 1
        return super().blob(repository, descriptor)


def audit(reference: str, platforms: Sequence[str]) -> dict[str, int]:
    """Audit an image from a registry; return the findings and how often layers were fetched."""
    wanted = [Platform.parse(one) for one in platforms]
    with _CountingRegistry() as client:
        image = MultiArchImage.load(client, reference)
        findings = audit_image(image, platforms=wanted)
        layers = {layer.digest for one in wanted for layer in image.for_platform(one).layers}
        return {
            "findings": len(findings),
            "layers": len(layers),
            "layer_fetches": sum(client.fetches[digest] for digest in layers),
        }


def audit_layout(place: str, platforms: Sequence[str]) -> dict[str, int]:
    """Audit an image from an OCI layout; return the findings and what it was made of."""
    wanted = [Platform.parse(one) for one in platforms]
    with LayoutClient(place) as client:
        image = MultiArchImage.load(client, client.reference)
        findings = audit_image(image, platforms=wanted)
        layers = {layer.digest: layer for one in wanted for layer in image.for_platform(one).files.layers}
        return {
            "findings": len(findings),
            "layers": len(layers),
            "unpacked": sum(layer.size for layer in layers.values()),
        }


def floor(reference: str, platforms: Sequence[str], library: str, checked: bool) -> dict[str, int]:
    """Fetch and gunzip each layer once, as anybody would write it, with ``zlib`` or ``isal.isal_zlib``.

    With ``checked`` also hold blobs and contents against their digests, as whoever wants to trust them has to.
    """
    gunzip: Any = zlib if library == "zlib" else import_module(library)
    found = Reference.parse(reference)
    base = f"http://{found.registry}/v2/{found.repository}"
    seen: set[str] = set()
    packed = unpacked = 0
    with requests.Session() as session:
        index = session.get(f"{base}/manifests/{found.tag}", headers=_accept("index")).json()
        for entry in index["manifests"]:
            if _platform(entry["platform"]) not in platforms:
                continue
            manifest = session.get(f"{base}/manifests/{entry['digest']}", headers=_accept("manifest")).json()
            for layer in manifest["layers"]:
                if layer["digest"] in seen:
                    continue
                seen.add(layer["digest"])
                blob, content = hashlib.sha256(), hashlib.sha256()
                member = gunzip.decompressobj(31)
                with session.get(f"{base}/blobs/{layer['digest']}", stream=True) as response:
                    response.raise_for_status()
                    for chunk in response.raw.stream(_CHUNK, decode_content=False):
                        piece = member.decompress(chunk)
                        packed += len(chunk)
                        unpacked += len(piece)
                        if checked:
                            blob.update(chunk)
                            content.update(piece)
                if checked and f"sha256:{blob.hexdigest()}" != layer["digest"]:
                    raise ValueError(f"{layer['digest']} has other content")
    return {"layers": len(seen), "packed": packed, "unpacked": unpacked}


def checks(reference: str, platform: str) -> dict[str, float]:
    """Return how many file checks a second there are, by kind, on files that have been read."""
    with RegistryClient() as client:
        files = MultiArchImage.load(client, reference).for_platform(Platform.parse(platform)).files
        entries = list(files.walk())
        paths = [entry.path for entry in entries]
        regular = [entry.path for entry in entries if entry.is_file]
        texts = [entry.path for entry in entries if entry.is_file and entry.size <= _TEXT_BYTES]
        texts = [path for path in texts if _is_text(lambda path=path: files.read_text(path))]  # type: ignore[misc]
        return {
            "exists": _rate(files.exists, paths),
            "stat": _rate(lambda path: files.stat(path, follow=False), paths),
            "is_executable_by": _rate(lambda path: files.is_executable_by(path, "other"), regular),
            "read_text": _rate(files.read_text, texts),
        }


def _rate(check: Callable[[str], object], paths: Sequence[str]) -> float:
    start, made = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < _LEAST_SECONDS:
        for path in paths:
            check(path)
        made += len(paths)
    return made / passed


def _is_text(read: Callable[[], str]) -> bool:
    try:
        read()
    except FileProblem:
        return False
    return True


def _accept(kind: str) -> dict[str, str]:
    docker = {"index": "manifest.list", "manifest": "manifest"}[kind]
    return {"Accept": f"application/vnd.oci.image.{kind}.v1+json, application/vnd.docker.distribution.{docker}.v2+json"}


def _platform(entry: dict[str, str]) -> str:
    return str(Platform(entry["os"], entry["architecture"], entry.get("variant", "")))
