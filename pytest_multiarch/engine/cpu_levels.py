"""What the levels of x86-64 ask of a processor, in the kernel's words for its flags (System V psABI)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")

_ADDED: Final = {
    "v2": ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"),
    "v3": ("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"),
    "v4": ("avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"),
}


def missing_flags(variant: str, cpuinfo: Path = _CPUINFO) -> tuple[str, ...]:
    """Return what this machine's processor lacks of a level; empty where it has all of it, or where it cannot be read."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    if flags is None or variant not in _ADDED:
        return ()
    levels = list(_ADDED)[: list(_ADDED).index(variant) + 1]
    return tuple(flag for level in levels for flag in _ADDED[level] if flag not in flags)
