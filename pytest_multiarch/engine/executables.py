"""An executable file around a few instructions: an ELF header, one segment that is the whole file, the code.

Made here, so that nothing has to be compiled, pulled or carried along.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_BASE: Final = 0x400000
_PAGE: Final = 0x10000  # the largest that the architectures' kernels use


@dataclass(frozen=True, slots=True)
class Machine:
    """Hold what the ELF header says of a machine, and the instructions for it.

    ``bits`` are 32 or 64; ``order`` is the byte order, as `struct` writes it.
    """

    number: int
    bits: int
    code: bytes
    flags: int = 0
    order: str = "<"

    @property
    def word(self) -> str:
        """Return the format of an address, byte order first, as `struct` takes it."""
        return f"{self.order}{'Q' if self.bits == 64 else 'I'}"


def executable(machine: Machine, *, data: bytes = b"", first: bytes = b"") -> bytes:
    """Return a file that executes ``first``, then the machine's own instructions (System V gABI, chapters 4 and 5).

    ``data`` lies right behind the headers, at 0x400078; with 32 bits at 0x400054.
    """
    is_wide = machine.bits == 64
    header_size, segment_size = (64, 56) if is_wide else (52, 32)
    start = header_size + segment_size + len(data)
    code = first + machine.code
    size = start + len(code)
    kind, version, load, readable_and_executable = 2, 1, 1, 5  # ET_EXEC, EV_CURRENT, PT_LOAD, PF_R | PF_X
    identity = b"\x7fELF" + bytes([2 if is_wide else 1, 1 if machine.order == "<" else 2, version]) + bytes(9)
    word = machine.word[1:]
    header = struct.pack(
        f"{machine.order}HHI3{word}I6H",
        *(kind, machine.number, version, _BASE + start, header_size, 0, machine.flags),
        *(header_size, segment_size, 1, 0, 0, 0),
    )
    place = (0, _BASE, _BASE, size, size)
    if is_wide:
        segment = struct.pack(f"{machine.order}II6Q", load, readable_and_executable, *place, _PAGE)
    else:
        segment = struct.pack(f"{machine.order}8I", load, *place, readable_and_executable, _PAGE)
    return identity + header + segment + data + code
