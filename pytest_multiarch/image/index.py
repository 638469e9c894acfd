"""One tag, several platforms: what an index offers, and which of it a platform gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import DocumentError, PlatformMissing
from pytest_multiarch.image.platform_image import PlatformImage
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.oci import Descriptor, ImageConfig, Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.image.attestations import Attestation
    from pytest_multiarch.image.roles import Auditor, Layers, Runner
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.oci import FrozenMap, RawDocument
    from pytest_multiarch.platforms import Platform

_NESTING: Final = 4
_ENTRIES: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold an image that a document offers, and for which platform: the descriptor's, or else the config's."""

    descriptor: Descriptor
    platform: Platform


class MultiArchImage:
    """Give access to all platforms of one image. What was read is kept.

    It works for an index, an index of indexes, and a bare manifest, whose platform is in its config. ``layers`` keeps the
    layers that are read, the client's own unless given.
    """

    def __init__(
        self,
        client: ImageReader,
        reference: Reference,
        document: RawDocument,
        runner: Runner | None = None,
        layers: Layers | None = None,
    ) -> None:
        self.client = client
        self.reference = reference
        self.document = document
        self._runner = runner
        self._store = layers
        self._parsed = document.parsed(f"the manifest of {reference}")
        self._entries: tuple[Entry, ...] | None = None
        self._attestations: tuple[Descriptor, ...] = ()
        self._images: dict[Entry, PlatformImage] = {}
        self._auditor: Callable[[], Auditor] | None = None

    @classmethod
    def load(
        cls,
        client: ImageReader,
        reference: Reference | str,
        runner: Runner | None = None,
        layers: Layers | None = None,
    ) -> MultiArchImage:
        """Read what is under a reference.

        Raises NotInRegistry, AccessDenied, RegistryError, IntegrityError or DocumentError, as the client does.
        """
        found = Reference.parse(reference) if isinstance(reference, str) else reference
        return cls(client, found, client.manifest(found), runner, layers)

    def __repr__(self) -> str:
        return f"<MultiArchImage {self.reference} {self.digest}>"

    @property
    def digest(self) -> str:
        """Return the digest of the index, or of the bare manifest."""
        return self.document.digest

    @property
    def auditor(self) -> Callable[[], Auditor] | None:
        """Return what gives the auditor of this image and its platforms, None where nobody has set it."""
        return self._auditor

    @auditor.setter
    def auditor(self, auditor: Callable[[], Auditor] | None) -> None:
        self._auditor = auditor
        for image in self._images.values():
            image.auditor = auditor

    @property
    def index(self) -> Index | None:
        """Return the index, None for a bare manifest."""
        return self._parsed if isinstance(self._parsed, Index) else None

    @property
    def annotations(self) -> FrozenMap:
        """Return the annotations of the index, or of the bare manifest."""
        return self._parsed.annotations

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return the images that are offered, in the index's order, nested indexes in their place.

        Attestations and manifests that are no images are left out. Raises what reading the registry raises.
        """
        return self._read()

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Return the platforms that are offered, in the index's order, each once; attestations do not count."""
        return tuple(dict.fromkeys(entry.platform for entry in self.entries))

    @property
    def attestations(self) -> tuple[Descriptor, ...]:
        """Return the entries that hold provenance or an SBOM, in the index's order."""
        self._read()
        return self._attestations

    def attestations_of(self, platform: Platform) -> tuple[Attestation, ...]:
        """Return what is attested of exactly this platform's image: its ``attestations``.

        Raises PlatformMissing: the image is not offered for it. Raises DocumentError: an attestation is broken.
        """
        return self.for_platform(platform).attestations

    @property
    def sizes(self) -> dict[Platform, int]:
        """Return the bytes that pulling each platform takes, in the index's order: config and layers, compressed.

        Reads the manifests only, and raises what reading them raises.
        """
        return {platform: image.size for platform, image in self._by_platform().items()}

    @property
    def shared_layers(self) -> dict[str, tuple[Platform, ...]]:
        """Return the digests of layers that more than one platform has, and which: the first platform's lowest first.

        A layer is the same for all platforms where it holds no programs, or holds programs of one of them by mistake.
        Reads the manifests only, and raises what reading them raises.
        """
        found: dict[str, list[Platform]] = {}
        for platform, image in self._by_platform().items():
            for digest in dict.fromkeys(layer.digest for layer in image.layers):
                found.setdefault(digest, []).append(platform)
        return {digest: tuple(platforms) for digest, platforms in found.items() if len(platforms) > 1}

    def for_platform(self, platform: Platform) -> PlatformImage:
        """Return the image for exactly this platform; a version that is not asked for does not count.

        Raises PlatformMissing: the image is not offered for it. Docker may still run something there, which is named.
        """
        for entry in self.entries:
            if _is_exactly(entry.platform, platform):
                return self.image_of(entry)
        instead = platform.best(self.platforms)
        hint = f"Docker would take {instead} instead" if instead else f"docker pull --platform {platform} would fail"
        raise PlatformMissing(f"find {platform} in {self.reference}", self._offer(), hint)

    def select(self, host: Platform, *, strict: bool = False) -> PlatformImage:
        """Return the image that an engine on this host would take, older variants included unless ``strict``.

        Raises PlatformMissing: there is none.
        """
        best = host.best(self.platforms, strict=strict)
        for entry in self.entries:
            if entry.platform == best:
                return self.image_of(entry)
        raise PlatformMissing(f"find what runs on {host} in {self.reference}", self._offer())

    def image_of(self, entry: Entry) -> PlatformImage:
        """Return the image of one of ``entries``."""
        if entry not in self._images:
            self._images[entry] = PlatformImage(
                self.client,
                self.reference,
                entry.descriptor,
                entry.platform,
                self._runner,
                self._store,
                [one for one in self._attestations if one.refers_to == entry.descriptor.digest],
            )
            self._images[entry].auditor = self._auditor
        return self._images[entry]

    def _read(self) -> tuple[Entry, ...]:
        if self._entries is None:
            attestations: list[Descriptor] = []
            self._entries = tuple(self._collect(self.document, self._parsed, attestations, depth=0))
            self._attestations = tuple(attestations)
        return self._entries

    def _offer(self) -> str:
        names = ", ".join(platform.format_all() for platform in self.platforms)
        return f"it offers {names}" if names else "it offers no platform"

    def _by_platform(self) -> dict[Platform, PlatformImage]:
        """Return each platform's image; of a platform that is repeated the first."""
        entries: dict[Platform, Entry] = {}
        for entry in self.entries:
            entries.setdefault(entry.platform, entry)
        return {platform: self.image_of(entry) for platform, entry in entries.items()}

    def _collect(
        self, document: RawDocument, parsed: Index | Manifest, attestations: list[Descriptor], depth: int
    ) -> list[Entry]:
        if isinstance(parsed, Manifest):
            own = Descriptor(document.media_type, document.digest, document.size)
            platform = self._platform_of(parsed)
            return [] if platform is None else [Entry(own, platform)]
        if depth >= _NESTING:
            raise DocumentError(f"read the index of {self.reference}", f"indexes nested deeper than {_NESTING} levels")
        found: list[Entry] = []
        for descriptor in parsed.manifests:
            if descriptor.is_attestation:
                attestations.append(descriptor)
            elif descriptor.is_index or (descriptor.is_manifest and descriptor.platform is None):
                inner = self.client.manifest(self.reference.with_digest(descriptor.digest))
                content = inner.parsed(f"{descriptor.digest} in the index of {self.reference}")
                within = self._collect(inner, content, attestations, depth + 1)
                found += [replace(entry, descriptor=_joined(descriptor, entry.descriptor)) for entry in within]
            elif descriptor.platform is not None:
                found.append(Entry(descriptor, descriptor.platform))
            if len(found) > _ENTRIES:
                raise DocumentError(f"read the index of {self.reference}", f"more than {_ENTRIES} entries")
        return found

    def _platform_of(self, manifest: Manifest) -> Platform | None:
        """Return the platform of an image that no index describes, None for a manifest that is no image."""
        if not manifest.is_image:
            return None
        data = self.client.read_blob(self.reference, manifest.config)
        return ImageConfig.from_bytes(data, f"the config of {self.reference}").platform


def _joined(outer: Descriptor, inner: Descriptor) -> Descriptor:
    """Return the index's own descriptor of an entry where there is one: it may have annotations."""
    return outer if outer.digest == inner.digest else inner


def _is_exactly(offered: Platform, wanted: Platform) -> bool:
    return (
        (offered.os, offered.architecture, offered.variant) == (wanted.os, wanted.architecture, wanted.variant)
        and wanted.os_version in ("", offered.os_version)
        and set(wanted.os_features) <= set(offered.os_features)
    )
