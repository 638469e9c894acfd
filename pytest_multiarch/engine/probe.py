"""A program of a few instructions for each architecture: it waits until its standard input ends, and exits with 0.

While it waits, whatever executes it can be looked at. BuildKit finds its platforms with such programs, too
(``util/archutil``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_multiarch.engine.executables import Machine, executable
from pytest_multiarch.image.machines import (
    EM_386,
    EM_AARCH64,
    EM_ARM,
    EM_LOONGARCH,
    EM_MIPS,
    EM_PPC64,
    EM_RISCV,
    EM_S390,
    EM_X86_64,
)

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform


def _machine(number: int, bits: int, code: str, order: str = "<", flags: int = 0) -> Machine:
    """Return a machine with its instructions: ``read(0, sp, 1)`` and ``exit(0)``."""
    return Machine(number, bits, bytes.fromhex(code), flags, order)


def _big_endian(little: str) -> str:
    """Return instructions of four bytes in the other byte order."""
    return b"".join(bytes.fromhex(word)[::-1] for word in little.split()).hex()


_MIPS: Final = "a30f0224 00000424 2528a003 01000624 0c000000 a10f0224 00000424 0c000000"
_MIPS64: Final = "88130224 00000424 2528a003 01000624 0c000000 c2130224 00000424 0c000000"
_PPC64: Final = "03000038 00006038 780b247c 0100a038 02000044 01000038 00006038 02000044"
_O32, _N64, _ELF_V2, _EABI5, _DOUBLE_RISCV, _DOUBLE_LOONGARCH = 0x70001000, 0x80000000, 2, 0x05000000, 4, 0x43

_MACHINES: Final = {
    "386": _machine(EM_386, 32, "b803000000 31db 89e1 ba01000000 cd80 b801000000 31db cd80"),
    "amd64": _machine(EM_X86_64, 64, "31c0 31ff 4889e6 ba01000000 0f05 b83c000000 31ff 0f05"),
    "arm": _machine(
        EM_ARM,
        32,
        "0370a0e3 0000a0e3 0d10a0e1 0120a0e3 000000ef 0170a0e3 0000a0e3 000000ef",
        flags=_EABI5,
    ),
    "arm64": _machine(EM_AARCH64, 64, "e80780d2 000080d2 e1030091 220080d2 010000d4 a80b80d2 000080d2 010000d4"),
    "loong64": _machine(
        EM_LOONGARCH,
        64,
        "0bfc8003 04008003 65001500 06048003 00002b00 0b748103 04008003 00002b00",
        flags=_DOUBLE_LOONGARCH,
    ),
    "mips": _machine(EM_MIPS, 32, _big_endian(_MIPS), ">", _O32),
    "mipsle": _machine(EM_MIPS, 32, _MIPS, flags=_O32),
    "mips64": _machine(EM_MIPS, 64, _big_endian(_MIPS64), ">", _N64),
    "mips64le": _machine(EM_MIPS, 64, _MIPS64, flags=_N64),
    "ppc64": _machine(EM_PPC64, 64, _big_endian(_PPC64), ">", _ELF_V2),
    "ppc64le": _machine(EM_PPC64, 64, _PPC64, flags=_ELF_V2),
    "riscv64": _machine(
        EM_RISCV,
        64,
        "9308f003 13050000 93050100 13061000 73000000 9308d005 13050000 73000000",
        flags=_DOUBLE_RISCV,
    ),
    "s390x": _machine(EM_S390, 64, "a7190003 a7290000 b904003f a7490001 0a00 a7190001 a7290000 0a00", ">"),
}

#: Instructions of each level of x86-64 (System V psABI, "Micro-Architecture Levels"); a processor without them stops here.
_LEVELS: Final = {
    "v2": "f30fb8c0 660f3837c0 660f381cc0",  # popcnt; pcmpgtq, pabsb
    "v3": "c5fdfec0 c4e27db8c0 c4e27913c0 c4e279f7c0 c4e278f2c0 0f38f00424",  # vpaddd, vfmadd231ps, vcvtph2ps, shlx, andn, movbe
    # AVX-512 F, BW, DQ, CD and VL: vpaddd, vpaddb, vpmullq, vplzcntd, vpaddd of xmm16
    "v4": "62f17d48fec0 62f17d48fcc0 62f2fd4840c0 62f27d4844c0 62a17d00fec0",
}


def probe_program(platform: Platform) -> bytes | None:
    """Return the program as an executable file, None where none is known for the platform.

    Of ``amd64/v2``, ``v3`` and ``v4`` it first uses what the level adds. Other architectures' variants are not told apart.
    """
    machine = _MACHINES.get(platform.architecture)
    if machine is None or platform.os != "linux":
        return None
    levels = list(_LEVELS)
    first = b""
    if platform.architecture == "amd64" and platform.variant in levels:
        first = b"".join(bytes.fromhex(_LEVELS[level]) for level in levels[: levels.index(platform.variant) + 1])
    return executable(machine, first=first)
