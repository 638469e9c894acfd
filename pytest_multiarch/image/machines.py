"""The numbers by which ELF files name the machine that they are for: e_machine, as in the gABI's register and glibc's elf.h.

Apart from what reads such files, because programs are also made here, by processes that read none.
"""

from __future__ import annotations

from typing import Final

EM_NONE: Final = 0
EM_386: Final = 3
EM_MIPS: Final = 8
EM_PPC: Final = 20
EM_PPC64: Final = 21
EM_S390: Final = 22
EM_ARM: Final = 40
EM_SPARCV9: Final = 43
EM_X86_64: Final = 62
EM_AARCH64: Final = 183
EM_CUDA: Final = 190
EM_AMDGPU: Final = 224
EM_RISCV: Final = 243
EM_BPF: Final = 247
EM_LOONGARCH: Final = 258

MACHINE_NAMES: Final = {
    EM_NONE: "no machine",
    2: "SPARC",
    EM_386: "x86",
    4: "m68k",
    EM_MIPS: "MIPS",
    15: "PA-RISC",
    18: "SPARC v8+",
    EM_PPC: "PowerPC",
    EM_PPC64: "PowerPC64",
    EM_S390: "S/390",
    EM_ARM: "ARM",
    42: "SuperH",
    EM_SPARCV9: "SPARC v9",
    50: "IA-64",
    EM_X86_64: "x86-64",
    83: "AVR",
    92: "OpenRISC",
    94: "Xtensa",
    EM_AARCH64: "AArch64",
    189: "MicroBlaze",
    EM_CUDA: "CUDA",
    195: "ARCv2",
    EM_AMDGPU: "AMD GPU",
    EM_RISCV: "RISC-V",
    EM_BPF: "BPF",
    252: "C-SKY",
    EM_LOONGARCH: "LoongArch",
    0x9026: "Alpha",
}
