"""Which ELF files a platform promises to run, and why a file is not one of them.

What 32-bit arm variants mean is the distributions' doing and not containerd's. docker-library's official images are
arm/v5 from Debian's armel (official-images#3115, #20212), arm/v6 from Alpine's armhf, arm/v7 from Alpine's armv7
(docker-alpine#484) and Debian's armhf. "armhf" is v6 for Alpine and Raspbian and v7 for Debian (docker-alpine#298).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_multiarch.image.elf.values import ElfType, FloatAbi
from pytest_multiarch.image.machines import (
    EM_386,
    EM_AARCH64,
    EM_AMDGPU,
    EM_ARM,
    EM_BPF,
    EM_CUDA,
    EM_LOONGARCH,
    EM_MIPS,
    EM_NONE,
    EM_PPC,
    EM_PPC64,
    EM_RISCV,
    EM_S390,
    EM_SPARCV9,
    EM_X86_64,
    MACHINE_NAMES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.image.elf.values import ByteOrder, ElfFile
    from pytest_multiarch.platforms import Platform

#: Code for the kernel's own machine or for a device, and Guile's, which has no machine: no CPU is asked to run it.
_NOT_FOR_A_CPU: Final = frozenset({EM_NONE, EM_CUDA, EM_AMDGPU, EM_BPF})


@dataclass(frozen=True, slots=True)
class ElfTraits:
    """What a platform runs.

    ``float_abis`` is empty, and the numbers are 0, where nothing is promised or nothing can be told from a file.
    ``arm_version`` and ``isa_level`` (N of x86-64-vN) are the latest that may be asked for.
    """

    machine: int
    bits: Literal[32, 64]
    byte_order: ByteOrder
    float_abis: frozenset[FloatAbi] = frozenset()
    arm_version: int = 0
    isa_level: int = 0
    ppc64_abi: int = 0

    @property
    def machine_name(self) -> str:
        """Return the machine in words."""
        return MACHINE_NAMES[self.machine]


_SOFT: Final = frozenset({FloatAbi.SOFT})
_HARD: Final = frozenset({FloatAbi.HARD})
_DOUBLE: Final = frozenset({FloatAbi.DOUBLE})

_TRAITS: Final = {
    "386": ElfTraits(EM_386, 32, "little", isa_level=1),
    "amd64": ElfTraits(EM_X86_64, 64, "little", isa_level=1),
    "arm64": ElfTraits(EM_AARCH64, 64, "little"),
    "arm64be": ElfTraits(EM_AARCH64, 64, "big"),
    "loong64": ElfTraits(EM_LOONGARCH, 64, "little", _DOUBLE),
    "mips": ElfTraits(EM_MIPS, 32, "big"),
    "mipsle": ElfTraits(EM_MIPS, 32, "little"),
    "mips64": ElfTraits(EM_MIPS, 64, "big"),
    "mips64le": ElfTraits(EM_MIPS, 64, "little"),
    "ppc": ElfTraits(EM_PPC, 32, "big"),
    "ppc64": ElfTraits(EM_PPC64, 64, "big"),
    "ppc64le": ElfTraits(EM_PPC64, 64, "little", ppc64_abi=2),
    "riscv": ElfTraits(EM_RISCV, 32, "little"),
    "riscv64": ElfTraits(EM_RISCV, 64, "little", _DOUBLE),
    "s390": ElfTraits(EM_S390, 32, "big"),
    "s390x": ElfTraits(EM_S390, 64, "big"),
    "sparc64": ElfTraits(EM_SPARCV9, 64, "big"),
}
#: v6 is both: Alpine and Raspbian are hard-float, and Debian's arm/v5, which BuildKit takes for arm/v6, is not.
_ARM_FLOAT_ABIS: Final = {"v5": _SOFT, "v6": _SOFT | _HARD, "v7": _HARD, "v8": _HARD}

_X86_VARIANT: Final = re.compile(r"v([1-4])")

#: glibc's loader picks these by the processor (ld.so(8), "Hardware capabilities"); the single words until 2.36.
_HWCAPS: Final = re.compile(
    r"/glibc-hwcaps/[^/]+/[^/]+$"
    r"|/lib[^/]*(?:/[^/]*-linux-[^/]+)?(?:/(?:tls|haswell|xeon_phi|avx512_1|i686|sse2|v[67]l|neon|vfp|half|fast-mult))+"
    r"/[^/]+$"
)


def expected(platform: Platform) -> ElfTraits | None:
    """Return what the platform's ELF files have to be, None for one that runs none or that is not known here.

    A variant counts where files can show it: arm's versions and x86-64's levels.
    """
    if platform.os not in ("", "linux"):
        return None
    if platform.architecture == "arm":
        floats = _ARM_FLOAT_ABIS.get(platform.variant)
        return None if floats is None else ElfTraits(EM_ARM, 32, "little", floats, int(platform.variant[1:]))
    if platform.architecture == "amd64" and (variant := _X86_VARIANT.fullmatch(platform.variant)):
        return ElfTraits(EM_X86_64, 64, "little", isa_level=int(variant[1]))
    return _TRAITS.get(platform.architecture)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Say one thing in which a file is not for a platform.

    ``about`` is ``machine`` where no processor of the platform runs the file (machine, class, byte order, ABI), ``cpu``
    where later ones do. ``found`` is what the file is, ``expected`` what the platform is.
    """

    about: Literal["machine", "cpu"]
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.found}, {self.expected}"


def misfits(elf: ElfFile, platform: Platform) -> tuple[Misfit, ...]:
    """Return why the platform does not run this file, or does not load it into its programs; empty if it does.

    Where ``expected`` knows nothing of the platform, and for files that are for no CPU at all, nothing is wrong. From
    the first bytes of a file the machine can be told; later processors often only from all of it.
    """
    promised = expected(platform)
    if promised is None or elf.machine in _NOT_FOR_A_CPU:
        return ()
    if elf.machine != promised.machine:
        return (Misfit("machine", f"it is for {elf.machine_name}", f"{platform} runs {promised.machine_name}"),)
    return tuple(_misfits(elf, promised, platform))


def fits(elf: ElfFile, platform: Platform) -> tuple[str, ...]:
    """Return what ``misfits`` finds as sentences."""
    return tuple(map(str, misfits(elf, platform)))


def is_chosen_at_run_time(path: str) -> bool:
    """Tell whether a library lies where glibc looks only on processors that can run it.

    ``usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so`` is for later processors on purpose.
    """
    return _HWCAPS.search(f"/{path}") is not None


def _misfits(elf: ElfFile, promised: ElfTraits, platform: Platform) -> Iterator[Misfit]:
    if elf.bits != promised.bits:
        yield Misfit("machine", f"it has {elf.bits} bits", f"{platform} runs {promised.bits}")
    if elf.byte_order != promised.byte_order:
        yield Misfit("machine", f"it is {elf.byte_order}-endian", f"{platform} is {promised.byte_order}-endian")
    if promised.ppc64_abi and elf.ppc64_abi not in (0, promised.ppc64_abi):
        found = f"its ELF ABI is version {elf.ppc64_abi}"
        yield Misfit("machine", found, f"{platform} uses version {promised.ppc64_abi}")
    if elf.type is ElfType.REL:
        return  # what a linker or the kernel loads; kernel modules are soft-float wherever the kernel is
    if not _agrees(elf, promised):
        wanted = " or ".join(sorted(one.value for one in promised.float_abis))
        yield Misfit("machine", f"it is {elf.float_abi.value}", f"{platform} is {wanted}")
    cpu = elf.arm_cpu
    if cpu is not None and cpu.profile == "M":
        yield Misfit("machine", f"it is for a microcontroller ({cpu.name})", f"{platform} is not one")
    elif cpu is not None and cpu.version > promised.arm_version and not elf.asks_machine:
        yield Misfit("cpu", f"it needs arm {cpu.name}", f"{platform} promises v{promised.arm_version}")
    if elf.isa_level > promised.isa_level > 0:
        yield Misfit("cpu", f"it needs x86-64-v{elf.isa_level}", f"{platform} promises {_level(platform, promised)}")


def _agrees(elf: ElfFile, promised: ElfTraits) -> bool:
    if not promised.float_abis or elf.float_abi in (FloatAbi.UNKNOWN, FloatAbi.EITHER, *promised.float_abis):
        return True
    # A program that loads no library agrees with itself, and every processor runs soft-float code.
    return elf.float_abi is FloatAbi.SOFT and elf.is_static and (elf.complete or not elf.has_dynamic)


def _level(platform: Platform, promised: ElfTraits) -> str:
    return f"x86-64-v{promised.isa_level}" if platform.architecture == "amd64" else "no level of x86-64"
