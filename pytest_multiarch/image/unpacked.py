"""What is known of a layer once it is unpacked, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Compression(Enum):
    """Tell how a layer's blob is compressed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Say what a blob became: ``diff_id`` is the digest of the unpacked bytes, as an image's config names its layers."""

    size: int
    diff_id: str
    compression: Compression
