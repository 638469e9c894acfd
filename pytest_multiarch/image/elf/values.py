"""What is known of an ELF file, as values; nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from pytest_multiarch.image.machines import EM_MIPS, EM_PPC64, EM_RISCV, MACHINE_NAMES
from pytest_multiarch.oci import FrozenMap

ByteOrder = Literal["little", "big"]

OS_ABI_NAMES: Final = {
    0: "System V",
    1: "HP-UX",
    2: "NetBSD",
    3: "GNU/Linux",
    6: "Solaris",
    7: "AIX",
    8: "IRIX",
    9: "FreeBSD",
    10: "Tru64",
    12: "OpenBSD",
    64: "ARM EABI",
    65: "ARM FDPIC",
    97: "ARM",
    255: "standalone",
}


class ElfType(Enum):
    """The kinds of ELF file (e_type). OTHER are those that processors and operating systems have of their own."""

    NONE = 0
    REL = 1
    EXEC = 2
    DYN = 3
    CORE = 4
    OTHER = -1


class FloatAbi(Enum):
    """How floating-point values are handed to functions, which all files of one process must agree on.

    HARD is arm's word; RISC-V and LoongArch say how wide the registers are: SINGLE, DOUBLE, QUAD. EITHER is code that
    hands over no such values. UNKNOWN: the file, or the part of it that was read, does not say.
    """

    UNKNOWN = "unknown"
    EITHER = "either"
    SOFT = "soft-float"
    HARD = "hard-float"
    SINGLE = "single-float"
    DOUBLE = "double-float"
    QUAD = "quad-float"


@dataclass(frozen=True, slots=True)
class ArmCpu:
    """The 32-bit arm processor that code was made for: ``v7``, 7, ``A``; the profile is empty where none is named."""

    name: str
    version: int
    profile: str = ""


@dataclass(frozen=True, slots=True)
class ElfFile:
    """What an ELF file says of itself.

    ``complete`` is False where only the file's beginning was read: libraries, names, arm's attributes and Go's settings
    are then not known, and neither is an interpreter that lies further back. ``arm_cpu`` is the latest processor that
    any part of the file was made for; ``asks_machine`` tells that the file looks at the processor before it uses such
    a part. ``isa_level`` is N of x86-64-vN, 0 where the file asks for none.
    """

    name: str
    bits: Literal[32, 64]
    byte_order: ByteOrder
    machine: int
    type: ElfType
    flags: int
    os_abi: int
    abi_version: int
    complete: bool
    interpreter: str = ""
    has_dynamic: bool = False
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    marked_pie: bool = False
    debug_only: bool = False
    float_abi: FloatAbi = FloatAbi.UNKNOWN
    arm_cpu: ArmCpu | None = None
    asks_machine: bool = False
    isa_level: int = 0
    go: FrozenMap = FrozenMap()  # noqa: RUF009 - it cannot change

    @property
    def machine_name(self) -> str:
        """Return the machine in words: ``x86-64``, ``AArch64``, or its number."""
        return MACHINE_NAMES.get(self.machine, f"machine {self.machine}")

    @property
    def os_abi_name(self) -> str:
        """Return the operating system ABI in words, or its number; Linux files mostly say System V."""
        return OS_ABI_NAMES.get(self.os_abi, f"OS ABI {self.os_abi}")

    @property
    def is_pie(self) -> bool:
        """Tell whether this is a position-independent executable.

        Linkers mark them since 2016 (DF_1_PIE). Older ones are told from libraries by having an interpreter and no
        name: libc.so.6 and ld.so can be run as well, but are called something.
        """
        return self.type is ElfType.DYN and (self.marked_pie or bool(self.interpreter and not self.soname))

    @property
    def is_executable(self) -> bool:
        """Tell whether this is a program: at a fixed address or position-independent."""
        return self.type is ElfType.EXEC or self.is_pie

    @property
    def is_shared_library(self) -> bool:
        """Tell whether this is a shared library. Without ``complete``, a static position-independent program counts."""
        return self.type is ElfType.DYN and not self.is_pie

    @property
    def is_static(self) -> bool:
        """Tell whether this is a program that loads no library, and so must agree with none."""
        return self.is_executable and not self.interpreter and not self.needed

    @property
    def ppc64_abi(self) -> int:
        """Return 1 or 2 for the 64-bit PowerPC ABI (EF_PPC64_ABI), 0 where the file does not say or is for another."""
        return self.flags & 3 if self.machine == EM_PPC64 else 0

    @property
    def riscv_compressed(self) -> bool:
        """Tell whether this is RISC-V code with 16-bit instructions (EF_RISCV_RVC)."""
        return self.machine == EM_RISCV and bool(self.flags & 1)

    @property
    def mips_architecture(self) -> str:
        """Return the MIPS level, ``MIPS64r2``, that the code was made for (EF_MIPS_ARCH); empty for other machines."""
        if self.machine != EM_MIPS:
            return ""
        level = self.flags >> 28
        return _MIPS_LEVELS[level] if level < len(_MIPS_LEVELS) else f"MIPS level {level}"


_MIPS_LEVELS: Final = (
    "MIPS I",
    "MIPS II",
    "MIPS III",
    "MIPS IV",
    "MIPS V",
    "MIPS32",
    "MIPS64",
    "MIPS32r2",
    "MIPS64r2",
    "MIPS32r6",
    "MIPS64r6",
)
