"""What rules look at: one platform's image, and all platforms side by side. What was read is kept for the next rule."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from pytest_multiarch.audit.expected import is_expected_file
from pytest_multiarch.audit.history import Brought, layer_steps
from pytest_multiarch.audit.names import without_names
from pytest_multiarch.audit.survey import survey
from pytest_multiarch.errors import PlatformMissing
from pytest_multiarch.image.packages import read_distributions, read_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_multiarch.audit.survey import ElfEntry
    from pytest_multiarch.image.entries import FileEntry
    from pytest_multiarch.image.filesystem import ImageFiles
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.packages import Distribution, Package
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.oci import ImageConfig
    from pytest_multiarch.platforms import Platform


_THREADS: Final = 2  # platforms at a time, each several layers: more only take processors from the rules


class AuditSource(Protocol):
    """Give the image that is audited, whole or one platform of it; the engine's image sources are such sources."""

    def image(self) -> MultiArchImage:
        """Return the image under one tag, with all its platforms."""

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image. Raises PlatformMissing: it is not offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLimits:
    """Say how far platforms may be apart before a rule finds it.

    ``age_gap`` is between the creation of a platform and of the newest; ``size_ratio`` between the compressed sizes of a
    platform and its siblings, in either direction, and counts from a difference of ``size_from`` bytes on.
    """

    age_gap: timedelta = timedelta(days=30)
    size_ratio: float = 2.0
    size_from: int = 1024 * 1024


class PlatformView:
    """Show one platform's image to the rules: what was asked for, and what is there."""

    def __init__(
        self,
        platform: Platform,
        image: PlatformImage,
        read: Callable[[PlatformImage], ImageFiles] | None = None,
        before: Callable[[], None] | None = None,
        expected: dict[str, bool] | None = None,
    ) -> None:
        self.platform = platform
        self.image = image
        self._expected = {} if expected is None else expected
        self._read = read
        self._before = before

    def __repr__(self) -> str:
        return f"<PlatformView {self.platform} {self.image.digest}>"

    @property
    def config(self) -> ImageConfig:
        """Return the image's configuration."""
        return self.image.config

    @cached_property
    def files(self) -> ImageFiles:
        """Return the files after all layers."""
        if self._before is not None:
            self._before()
        return self._read(self.image) if self._read is not None else self.image.files

    @cached_property
    def entries(self) -> tuple[FileEntry, ...]:
        """Return everything in the image, links not followed, by path."""
        return tuple(self.files.walk())

    @cached_property
    def elf_files(self) -> tuple[ElfEntry, ...]:
        """Return every ELF file of the image, by path; each name of a hard link is one."""
        return survey(self.files, self.platform)

    @cached_property
    def packages(self) -> tuple[Package, ...]:
        """Return what dpkg, apk and rpm have installed."""
        return read_packages(self.files)

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """Return the Python packages."""
        return read_distributions(self.files)

    @cached_property
    def comparable_files(self) -> Mapping[str, FileEntry]:
        """Return the files by their paths without the platform's names; what good images differ in is left out."""
        names = ((without_names(entry.path, self.platform), entry) for entry in self.entries)
        return {name: entry for name, entry in names if not self._is_expected(name)}

    def _is_expected(self, name: str) -> bool:
        found = self._expected.get(name)
        if found is None:
            found = self._expected[name] = is_expected_file(name)
        return found

    @cached_property
    def paths(self) -> frozenset[str]:
        """Return the paths of all that is in the image."""
        return frozenset(entry.path for entry in self.entries)

    @cached_property
    def steps(self) -> dict[str, str]:
        """Return, by layer digest, the build step that brought the layer, where the history tells."""
        return layer_steps(self.image)

    def brought(self, path: str) -> Brought:
        """Return which layer brought a path, and by which step."""
        layer = self.files.stat(path, follow=False).layer
        return Brought(layer, self.steps.get(layer, ""))


class ImageView:
    """Show all platforms to the rules; ``platforms`` are those that the audit is about, in the order asked for.

    With ``read_ahead`` the first use of one platform's files begins to read the others' in the background, too: fetching and
    unpacking leave the interpreter to the rules. Only for an image that is there as a whole.
    """

    def __init__(
        self,
        source: AuditSource,
        platforms: Sequence[Platform],
        limits: AuditLimits,
        read: Callable[[PlatformImage], ImageFiles] | None = None,
        *,
        read_ahead: bool = False,
    ) -> None:
        self.platforms = tuple(platforms)
        self.limits = limits
        self._read = read
        self._source = source
        self._views: dict[Platform, PlatformView] = {}
        self._reads_ahead = read_ahead
        self._expected: dict[str, bool] = {}  # most names are the same on all platforms

    @cached_property
    def image(self) -> MultiArchImage:
        """Return the image under one tag."""
        return self._source.image()

    def platform(self, platform: Platform) -> PlatformView:
        """Return one platform's view. Raises PlatformMissing: it is not offered."""
        if platform not in self._views:
            image = self._source.platform(platform)
            self._views[platform] = PlatformView(platform, image, self._read, self._read_ahead, self._expected)
        return self._views[platform]

    @cached_property
    def offered(self) -> tuple[PlatformView, ...]:
        """Return those of the platforms that are there, in the order asked for."""
        return tuple(view for view in map(self._if_offered, self.platforms) if view is not None)

    @cached_property
    def comparable_files(self) -> Mapping[Platform, Mapping[str, FileEntry]]:
        """Return the files of each offered platform by the names that they are compared by.

        A path that all platforms have is compared as it is, and any other without the platform's names: a tree that holds
        something for every architecture (``prebuilds/linux-arm64``) is the same tree everywhere.
        """
        common = frozenset.intersection(*(one.paths for one in self.offered)) if self.offered else frozenset()
        return {
            one.platform: {
                entry.path if entry.path in common else name: entry for name, entry in one.comparable_files.items()
            }
            for one in self.offered
        }

    def _read_ahead(self) -> None:
        if not self._reads_ahead:
            return
        self._reads_ahead = False
        images = {view.image.digest: view.image for view in self.offered}.values()
        if len(images) < 2:
            return
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-ahead")
        for image in images:
            # What goes wrong is told to the rule that asks for these files itself.
            pool.submit(getattr, image, "files")
        pool.shutdown(wait=False)

    def _if_offered(self, platform: Platform) -> PlatformView | None:
        try:
            return self.platform(platform)
        except PlatformMissing:
            return None  # for a rule of its own to find
