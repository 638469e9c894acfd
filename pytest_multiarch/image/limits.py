"""How much a layer may cost: small downloads can unpack to anything."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import LayerError

if TYPE_CHECKING:
    from typing import NoReturn

READ_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of the largest file that is read whole unless the caller says otherwise."""

_GIB: Final = 1024**3
_TEXT_UNIT: Final = 256


@dataclass(frozen=True, slots=True)
class LayerLimits:
    """Bound what unpacking may cost, in bytes unless said otherwise.

    Args:
        layer: of one layer, unpacked.
        total: of all layers that a store keeps, unpacked.
        ratio: unpacked bytes for each compressed one; gzip reaches 1032, file trees rarely 20.
        ratio_from: unpacked size below which the ratio does not count, so that a large file of zeros is no attack.
        entries: files and directories of one layer; much other metadata (attributes, holes) counts as entries, too.
        all_entries: of all layers that a store keeps, counted as those of one layer are; they lie in memory.

    """

    layer: int = 32 * _GIB
    total: int = 128 * _GIB
    ratio: int = 250
    ratio_from: int = _GIB // 4
    entries: int = 1_000_000
    all_entries: int = 5_000_000

    def check_size(self, what: str, packed: int, unpacked: int) -> None:
        """Raise LayerError if a layer has become too large, seen from what was read of it so far."""
        if unpacked > self.layer:
            _refuse(what, f"it is more than {self.layer:,} bytes", "layer")
        if unpacked > self.ratio_from and unpacked > self.ratio * packed:
            _refuse(what, f"{packed:,} bytes became {unpacked:,}, more than {self.ratio} times as many", "ratio")

    def check_total(self, what: str, total: int) -> None:
        """Raise LayerError if all layers together have become too large."""
        if total > self.total:
            _refuse(what, f"the layers of this run are more than {self.total:,} bytes", "total")


class EntryTotal:
    """Count the entries of all layers that a store keeps; usable from several threads."""

    __slots__ = ("_limit", "_lock", "_spent")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spent = 0
        self._lock = threading.Lock()

    def spend(self, what: str, entries: int) -> None:
        """Count entries of a layer. Raises LayerError: all layers together have too many."""
        with self._lock:
            self._spent += entries
            is_over = self._spent > self._limit
        if is_over:
            _refuse(what, f"the layers of this run have more than {self._limit:,} entries", "all_entries")

    def give_back(self, entries: int) -> None:
        """Count no more what a layer has spent that is not kept."""
        with self._lock:
            self._spent -= entries


class EntryBudget:
    """Count what a layer's metadata takes in memory, in entries; as a part of a ``total`` where one is given."""

    __slots__ = ("_left", "_limit", "_total", "_what")

    def __init__(self, what: str, limit: int, total: EntryTotal | None = None) -> None:
        self._what = what
        self._limit = self._left = limit
        self._total = total

    def spend(self, entries: int) -> None:
        """Count entries. Raises LayerError: there are too many."""
        self._left -= entries
        if self._total is not None:
            self._total.spend(self._what, entries)
        if self._left < 0:
            _refuse(self._what, f"it has more than {self._limit:,} entries", "entries")

    def give_back(self) -> None:
        """Take all that was counted from the total: the layer is not kept."""
        if self._total is not None:
            self._total.give_back(self._limit - self._left)

    def spend_text(self, size: int) -> None:
        """Count metadata of so many bytes. Raises LayerError: there is too much."""
        self.spend(size // _TEXT_UNIT)


def _refuse(what: str, found: str, name: str) -> NoReturn:
    raise LayerError(
        f"unpack {what}", found, f"If it is no attack, raise LayerLimits.{name} of the LayerStore that reads it"
    )
