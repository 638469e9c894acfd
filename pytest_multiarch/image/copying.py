"""Copying images between registries, no more of them than some platforms need."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_multiarch.errors import RegistryError
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.oci import Manifest, RawDocument, digest_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_multiarch.image.index import Entry
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.oci import Descriptor
    from pytest_multiarch.platforms import Platform

_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class CopiedImage:
    """Say what was copied.

    ``chosen`` names, for each platform that was asked for and can be served, the manifest's digest; ``missing`` are the
    others; of a part that was narrowed, both speak of the whole of it. ``layers`` are those that were copied, each once,
    ``foreign`` those that may not be distributed and were left where they are. ``configs`` names each manifest's config, by
    digest.
    """

    reference: Reference
    digest: str
    chosen: tuple[tuple[Platform, str], ...]
    missing: tuple[Platform, ...] = ()
    layers: tuple[Descriptor, ...] = ()
    foreign: tuple[Descriptor, ...] = ()
    configs: tuple[tuple[str, str], ...] = ()

    def digest_for(self, platform: Platform) -> str | None:
        """Return the digest of the manifest that serves a platform, None where there is none."""
        return dict(self.chosen).get(platform)


@dataclass(frozen=True, slots=True)
class ImagePart:
    """Hold what of an image is to be copied: the manifests, and ``top``, which names them; ``entries`` are those of an index."""

    source: ImageReader
    image: MultiArchImage
    top: RawDocument
    manifests: tuple[RawDocument, ...]
    chosen: tuple[tuple[Platform, str], ...]
    missing: tuple[Platform, ...]
    entries: tuple[Entry, ...] = ()

    @property
    def reference(self) -> Reference:
        """Return where the image is."""
        return self.image.reference

    def narrowed(self, platforms: Collection[Platform]) -> ImagePart:
        """Return what some of its platforms need of it, by an index of its own; nothing is read anew."""
        wanted = {digest for platform, digest in self.chosen if platform in platforms}
        entries = tuple(entry for entry in self.entries if entry.descriptor.digest in wanted)
        if not entries:  # no index, or nothing in it for them: BuildKit says so of the whole
            return self
        manifests = tuple(one for one in self.manifests if one.digest in wanted)
        return replace(self, top=_index_of(self.image, entries), manifests=manifests, entries=entries)

    def send(self, target: RegistryClient, repository: Reference, tag: str) -> CopiedImage:
        """Copy it to ``repository`` under ``tag``. Blobs that are there are not sent again.

        Raises RegistryError, IntegrityError or DocumentError: one of the registries fails, or the image is broken.
        """
        destination = repository.with_tag(tag)
        manifests = {
            one.digest: Manifest.from_bytes(one.data, f"{one.digest} of {self.reference}", one.media_type)
            for one in self.manifests
        }
        layers, foreign = _copy_blobs(self.source, self.reference, target, destination, manifests.values())
        for document in self.manifests:
            target.put_manifest(destination.with_digest(document.digest), document.data, document.media_type)
        digest = target.put_manifest(destination, self.top.data, self.top.media_type)
        configs = tuple((of, manifest.config.digest) for of, manifest in manifests.items())
        return CopiedImage(destination, digest, self.chosen, self.missing, layers, foreign, configs)


def part_for(source: ImageReader, reference: Reference, platforms: Sequence[Platform]) -> ImagePart:
    """Read what of an image an engine on each of the platforms would take; nothing is sent yet.

    A bare manifest is taken as it is, whatever its platform. An index all of whose entries are wanted keeps its bytes and
    so its digest; else a new one is put together from the entries that are wanted, in their order, its annotations kept.
    Attestations stay behind, nested indexes become flat.

    Raises RegistryError, IntegrityError or DocumentError: the registry fails, or the image is broken.
    """
    image = MultiArchImage.load(source, reference)
    offered = image.platforms
    picks = {platform: platform.best(offered) for platform in platforms}
    wanted = {pick for pick in picks.values() if pick is not None}
    entries = _first_of_each(image.entries, wanted)
    chosen = tuple((platform, entries[pick].descriptor.digest) for platform, pick in picks.items() if pick is not None)
    missing = tuple(platform for platform, pick in picks.items() if pick is None)
    if image.index is None:
        return ImagePart(source, image, image.document, (image.document,), chosen, missing)
    documents = tuple(source.manifest(reference.with_digest(entry.descriptor.digest)) for entry in entries.values())
    taken = tuple(entries.values())
    return ImagePart(source, image, _index_of(image, taken), documents, chosen, missing, taken)


def copy_image(
    source: ImageReader,
    reference: Reference,
    target: RegistryClient,
    repository: Reference,
    tag: str,
    platforms: Sequence[Platform],
) -> CopiedImage:
    """Copy an image to ``repository`` under ``tag``: of an index, what an engine on each of the platforms would take.

    Raises what `part_for` and `ImagePart.send` raise.
    """
    return part_for(source, reference, platforms).send(target, repository, tag)


def _first_of_each(entries: Sequence[Entry], wanted: set[Platform]) -> dict[Platform, Entry]:
    found: dict[Platform, Entry] = {}
    for entry in entries:
        if entry.platform in wanted:
            found.setdefault(entry.platform, entry)
    return found


def _index_of(image: MultiArchImage, entries: Sequence[Entry]) -> RawDocument:
    """Return the index of these entries, the source's own bytes where it has no others."""
    parsed = json.loads(image.document.data)
    described = image.index.manifests if image.index else ()
    originals = {
        (descriptor.digest, descriptor.platform): item
        for descriptor, item in zip(described, parsed.get("manifests") or (), strict=True)
    }
    kept = [_entry_of(entry, originals) for entry in entries]
    if kept == parsed.get("manifests"):
        return image.document
    parsed["manifests"] = kept
    parsed["mediaType"] = image.document.media_type
    data = json.dumps(parsed, indent=2).encode()
    return RawDocument(data, image.document.media_type, digest_of(data))


def _entry_of(entry: Entry, originals: Mapping[tuple[str, Platform | None], Any]) -> dict[str, Any]:
    """Return the JSON of an entry: as it was written, or new for one that comes from a nested index."""
    descriptor, platform = entry.descriptor, entry.platform
    if original := originals.get((descriptor.digest, descriptor.platform)):
        if descriptor.platform is not None:
            return dict(original)
        return {**original, "platform": _platform_of(platform)}
    item: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        "platform": _platform_of(platform),
    }
    if descriptor.annotations:
        item["annotations"] = dict(descriptor.annotations)
    return item


def _platform_of(platform: Platform) -> dict[str, Any]:
    fields = {
        "architecture": platform.architecture,
        "os": platform.os,
        "variant": platform.variant,
        "os.version": platform.os_version,
        "os.features": list(platform.os_features),
    }
    return {name: value for name, value in fields.items() if value or name in ("architecture", "os")}


def _copy_blobs(
    source: ImageReader,
    reference: Reference,
    target: RegistryClient,
    destination: Reference,
    manifests: Iterable[Manifest],
) -> tuple[tuple[Descriptor, ...], tuple[Descriptor, ...]]:
    """Copy configs and layers, each once, and return the layers that were copied and those that may not be."""
    configs: dict[str, Descriptor] = {}
    layers: dict[str, Descriptor] = {}
    foreign: dict[str, Descriptor] = {}
    for manifest in manifests:
        configs[manifest.config.digest] = manifest.config
        for descriptor in manifest.layers:
            (foreign if descriptor.is_foreign else layers)[descriptor.digest] = descriptor

    stop = threading.Event()

    def copy(descriptor: Descriptor) -> None:
        if target.blob_exists(destination, descriptor.digest):
            return
        with source.blob(reference, descriptor) as stream:
            chunks = _until(stop, stream, f"copy blob {descriptor.digest} of {reference.name}")
            # Reading it has checked it, and it is known to be missing.
            target.send_blob(destination, chunks, descriptor.digest, descriptor.size)

    # The largest first: it takes longest, whatever goes beside it.
    blobs = sorted({**configs, **layers}.values(), key=lambda descriptor: descriptor.size, reverse=True)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="copy-blob") as pool:
        waiting = [pool.submit(copy, descriptor) for descriptor in blobs]
        try:
            for future in waiting:
                future.result()
        except BaseException:
            stop.set()  # Ctrl-C does not wait for gigabytes
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(layers.values()), tuple(foreign.values())


def _until(stop: threading.Event, chunks: Iterable[bytes], tried: str) -> Iterator[bytes]:
    for chunk in chunks:
        if stop.is_set():
            raise RegistryError(tried, "given up, because another part failed")
        yield chunk
