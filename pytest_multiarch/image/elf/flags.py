"""What a processor's own flags in the ELF header (e_flags) say of floating-point values.

Sources: "ELF for the Arm Architecture", EF_ARM_ABI_FLOAT_*; RISC-V psABI, "File Header"; LoongArch psABI, "e_flags".
"""

from __future__ import annotations

from typing import Final

from pytest_multiarch.image.elf.values import FloatAbi
from pytest_multiarch.image.machines import EM_ARM, EM_LOONGARCH, EM_RISCV

_ARM_EABI: Final = 0xFF000000
_ARM_EABI_5: Final = 0x05000000
_ARM_SOFT_OR_HARD: Final = 0x600
_ARM: Final = {0x200: FloatAbi.SOFT, 0x400: FloatAbi.HARD}
_RISCV: Final = (FloatAbi.SOFT, FloatAbi.SINGLE, FloatAbi.DOUBLE, FloatAbi.QUAD)
_LOONGARCH: Final = {1: FloatAbi.SOFT, 2: FloatAbi.SINGLE, 3: FloatAbi.DOUBLE}


def float_abi(machine: int, flags: int) -> FloatAbi:
    """Return the float ABI that the flags name.

    arm's linkers write it into programs and libraries since 2013, and glibc's loader goes by it
    (``sysdeps/arm/dl-machine.h``). Before the fifth EABI the same bits meant something else.
    """
    if machine == EM_ARM and flags & _ARM_EABI == _ARM_EABI_5:
        return _ARM.get(flags & _ARM_SOFT_OR_HARD, FloatAbi.UNKNOWN)
    if machine == EM_RISCV:
        return _RISCV[flags >> 1 & 3]
    if machine == EM_LOONGARCH:
        return _LOONGARCH.get(flags & 7, FloatAbi.UNKNOWN)
    return FloatAbi.UNKNOWN
