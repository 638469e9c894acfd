"""What an ELF file says of the machine that it is for, and whether a platform is that machine.

Read by hand with ``struct`` rather than with pyelftools: a dozen fields are wanted, of thousands of files, each of which
may lie about every offset and count in it. pyelftools is made for the whole of ELF and DWARF, takes some fifteen times
as long and trusts what it reads; the tests hold these modules against it.

Sources: the System V gABI, chapters 4 and 5, and the processor supplements that each module names.
"""

from __future__ import annotations

from pytest_multiarch.image.elf.fitting import ElfTraits, Misfit, expected, fits, is_chosen_at_run_time, misfits
from pytest_multiarch.image.elf.reading import ELF_MAGIC, HEADER_BYTES, is_elf, read_elf, read_elf_header
from pytest_multiarch.image.elf.values import ArmCpu, ElfFile, ElfType, FloatAbi

__all__ = [
    "ELF_MAGIC",
    "HEADER_BYTES",
    "ArmCpu",
    "ElfFile",
    "ElfTraits",
    "ElfType",
    "FloatAbi",
    "Misfit",
    "expected",
    "fits",
    "is_chosen_at_run_time",
    "is_elf",
    "misfits",
    "read_elf",
    "read_elf_header",
]
