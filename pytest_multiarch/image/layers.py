"""The layers of a run: each fetched, checked and unpacked once, whichever images, threads and processes ask for it.

They are kept unpacked in temporary files, not in memory: a file's content is then one read at a known place, and the
headers of an archive are read without what lies between them. What unpacks and reads is loaded with the first layer: most of
a run's processes start before they need one.
"""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import IntegrityError, LayerError
from pytest_multiarch.image.limits import EntryBudget, EntryTotal, LayerLimits
from pytest_multiarch.image.shelf import BorrowedFolder, Shelf
from pytest_multiarch.image.spool import SpoolFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.source import ImageReader
    from pytest_multiarch.image.spool import SpoolFile
    from pytest_multiarch.image.tree import LayerTree
    from pytest_multiarch.image.unpacked import Compression, Unpacked
    from pytest_multiarch.oci import Descriptor

_THREADS: Final = min(4, max(2, os.cpu_count() or 2))  # unpacking keeps a processor busy, fetching does not
_CHUNK: Final = 1024 * 1024


class Layer:
    """Give access to one unpacked layer.

    ``digest`` is the blob's, ``diff_id`` that of its unpacked content of ``size`` bytes.
    """

    def __init__(
        self,
        what: str,
        descriptor: Descriptor,
        unpacked: Unpacked,
        content: SpoolFile,
        limits: LayerLimits,
        total: EntryTotal | None = None,
    ) -> None:
        self.what = what
        self.digest: str = descriptor.digest
        self.media_type: str = descriptor.media_type
        self.compression: Compression = unpacked.compression
        self.size: int = unpacked.size
        self.diff_id: str = unpacked.diff_id
        self.content = content
        self._limits = limits
        self._total = total
        self._tree: LayerTree | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Layer {self.digest} {self.media_type}>"

    @property
    def entry_limit(self) -> int:
        """Return how many entries the layer may have."""
        return self._limits.entries

    @property
    def tree(self) -> LayerTree:
        """Return what the layer adds and takes away; read once. Raises LayerError: its archive is broken or too large."""
        from pytest_multiarch.image.changeset import Changeset
        from pytest_multiarch.image.tar import TarReader

        with self._lock:
            if self._tree is None:
                budget = EntryBudget(self.what, self._limits.entries, self._total)
                entries = TarReader(self.content, self.what, self.digest, budget)
                try:
                    self._tree = Changeset(self.what, self.digest, budget).fold(entries)
                except BaseException:
                    budget.give_back()
                    raise
            return self._tree

    def check(self, diff_id: str) -> None:
        """Raise IntegrityError unless the unpacked content has the digest that an image's config says it has."""
        found = self.diff_id
        if not diff_id.startswith("sha256:"):
            found = self._other_digest(diff_id.partition(":")[0])
        if found != diff_id:
            raise IntegrityError(
                f"unpack {self.what}",
                f"its content has diff id {found}, the image's config says {diff_id}",
                "Config and layers do not belong together, or the layer is cut off: it was published so",
            )

    def _other_digest(self, algorithm: str) -> str:
        digest = hashlib.new(algorithm)
        for position in range(0, self.size, _CHUNK):
            digest.update(self.content.read_at(position, _CHUNK))
        return f"{algorithm}:{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Hold a layer that is being fetched, or has been, and from where."""

    origin: str
    layer: Future[Layer] = field(default_factory=Future)


class LayerStore:
    """Keep the layers of a run; usable from several threads. A context manager that removes its temporary files.

    Nothing is made before the first layer is read. What makes a layer unusable is remembered for where it came from, as
    another place may have it whole; what makes it unreachable is not.

    Args:
        folder: where the private folder for temporary files is made, the system's own place unless given; or a folder that
            another process of the run owns, whose layers are then used and added to.
        limits: how large layers may become.

    """

    def __init__(self, folder: Path | BorrowedFolder | None = None, limits: LayerLimits | None = None) -> None:
        self.limits = limits or LayerLimits()
        self._shelf = Shelf(folder if isinstance(folder, BorrowedFolder) else SpoolFolder(folder))
        self._fetches: dict[str, _Fetch] = {}
        self._unusable: dict[tuple[str, str], _Fetch] = {}
        self._unpacked = 0
        self._entries = EntryTotal(self.limits.all_entries)
        self._stopped = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """Stop whoever is fetching one; what is here can still be read."""
        self._stopped = True

    def close(self) -> None:
        """Remove the layers; reading their content is then an error. Whoever is fetching one is stopped."""
        self.stop()
        self._shelf.close()

    @property
    def folder(self) -> Path:
        """Return where the layers stand. Raises LayerError: the folder cannot be made, or is closed."""
        return self._shelf.path

    def layer(self, reader: ImageReader, repository: Reference, descriptor: Descriptor) -> Layer:
        """Return a layer, fetched from ``repository`` unless it is here.

        Raises LayerError: it is foreign, broken or too large.
        Raises RegistryError or IntegrityError: it cannot be had, or is not what its digest says.
        """
        origin, digest = repository.name, descriptor.digest
        with self._lock:
            fetch = self._unusable.get((origin, digest)) or self._fetches.get(digest)
            is_first = fetch is None
            if fetch is None:
                fetch = self._fetches[digest] = _Fetch(origin)
        if is_first:
            self._fetch(fetch, reader, repository, descriptor)
        elif fetch.origin != origin and fetch.layer.exception() is not None:
            return self.layer(reader, repository, descriptor)
        try:
            return fetch.layer.result()
        except (LayerError, IntegrityError) as error:
            raise copy.copy(error) from error  # the one that is kept must not collect a traceback for each caller

    def all(self, reader: ImageReader, repository: Reference, descriptors: Sequence[Descriptor]) -> list[Layer]:
        """Return layers in their order, several fetched at a time, and their archives read. Raises what ``layer`` does."""

        def load(descriptor: Descriptor) -> Layer:
            layer = self.layer(reader, repository, descriptor)
            _ = layer.tree
            return layer

        unique = {descriptor.digest: descriptor for descriptor in descriptors}
        if len(unique) == 1:
            found = {digest: load(descriptor) for digest, descriptor in unique.items()}
            return [found[descriptor.digest] for descriptor in descriptors]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="layer") as pool:
            waiting = {digest: pool.submit(load, descriptor) for digest, descriptor in unique.items()}
            try:
                return [waiting[descriptor.digest].result() for descriptor in descriptors]
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)
                if not isinstance(error, Exception):
                    self._stopped = True  # Ctrl-C does not wait for gigabytes
                raise

    def _fetch(self, fetch: _Fetch, reader: ImageReader, repository: Reference, descriptor: Descriptor) -> None:
        what = f"layer {descriptor.digest} of {repository.name}"
        try:
            layer = self._unpack(what, reader, repository, descriptor)
        except BaseException as error:
            with self._lock:
                del self._fetches[descriptor.digest]
                if isinstance(error, LayerError | IntegrityError) and not self._stopped:
                    self._unusable[fetch.origin, descriptor.digest] = fetch
            fetch.layer.set_exception(error)
        else:
            fetch.layer.set_result(layer)

    def _unpack(self, what: str, reader: ImageReader, repository: Reference, descriptor: Descriptor) -> Layer:
        if descriptor.is_foreign:
            raise LayerError(
                f"fetch {what}",
                f"it may not be distributed ({descriptor.media_type}), so registries need not have it",
                f"It can be had from {', '.join(descriptor.urls)}" if descriptor.urls else "",
            )
        if descriptor.media_type.endswith("+encrypted"):
            raise LayerError(f"unpack {what}", f"it is encrypted ({descriptor.media_type})")
        self.limits.check_size(what, descriptor.size, descriptor.size)
        charged = 0

        def charge(size: int) -> None:
            nonlocal charged
            if self._stopped:
                raise LayerError(f"unpack {what}", "given up, because its store was closed")
            with self._lock:
                charged += size
                self._unpacked += size
                self.limits.check_total(what, self._unpacked)

        def make(target: Path) -> Unpacked:
            from pytest_multiarch.image.unpacking import unpack

            with reader.blob(repository, descriptor) as blob:
                return unpack(blob, target, what, self.limits, charge)

        try:
            unpacked, content = self._shelf.take(descriptor.digest, make)
            if not charged:  # another process has unpacked it
                charge(unpacked.size)
        except BaseException:
            with self._lock:
                self._unpacked -= charged
            raise
        return Layer(what, descriptor, unpacked, content, self.limits, self._entries)
