"""A program of a few instructions that does nothing until it is killed: what keeps a container up that has no shell.

It has the kernel reap what it adopts (``SIGCHLD`` is ignored, signal(7)), as the first process of a container should.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pytest_multiarch.engine.executables import Machine, executable
from pytest_multiarch.image.machines import (
    EM_386,
    EM_AARCH64,
    EM_ARM,
    EM_PPC64,
    EM_RISCV,
    EM_S390,
    EM_X86_64,
)

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform


def _words(*instructions: int) -> bytes:
    return struct.pack(f"<{len(instructions)}I", *instructions)


# The instructions find a ``struct sigaction`` with SIG_IGN right behind the headers: at 0x400078, with 32 bits at 0x400054.
_MACHINES: Final = {
    "amd64": Machine(
        EM_X86_64,
        64,
        bytes.fromhex(
            "b80d000000"  # mov eax, 13 (rt_sigaction)
            "bf11000000"  # mov edi, 17 (SIGCHLD)
            "be78004000"  # mov esi, 0x400078
            "31d2"  # xor edx, edx
            "41ba08000000"  # mov r10d, 8
            "0f05"  # syscall
            "b822000000"  # mov eax, 34 (pause)
            "0f05"  # syscall
            "ebf7"  # jmp to the pause
        ),
    ),
    "386": Machine(
        EM_386,
        32,
        bytes.fromhex(
            "b8ae000000"  # mov eax, 174 (rt_sigaction)
            "bb11000000"  # mov ebx, 17
            "b954004000"  # mov ecx, 0x400054
            "31d2"  # xor edx, edx
            "be08000000"  # mov esi, 8
            "cd80"  # int 0x80
            "b81d000000"  # mov eax, 29 (pause)
            "cd80"  # int 0x80
            "ebf7"  # jmp to the pause
        ),
    ),
    "arm": Machine(
        EM_ARM,
        32,
        _words(
            0xE3A070AE,  # mov r7, #174 (rt_sigaction)
            0xE3A00011,  # mov r0, #17
            0xE3A01501,  # mov r1, #0x400000
            0xE3811054,  # orr r1, r1, #0x54
            0xE3A02000,  # mov r2, #0
            0xE3A03008,  # mov r3, #8
            0xEF000000,  # svc 0
            0xE3A0701D,  # mov r7, #29 (pause)
            0xEF000000,  # svc 0
            0xEAFFFFFC,  # b to the pause
        ),
        flags=0x05000000,  # EABI version 5
    ),
    "arm64": Machine(
        EM_AARCH64,
        64,
        _words(
            0xD28010C8,  # mov x8, #134 (rt_sigaction)
            0xD2800220,  # mov x0, #17
            0xD2800F01,  # mov x1, #0x78
            0xF2A00801,  # movk x1, #0x40, lsl #16
            0xD2800002,  # mov x2, #0
            0xD2800103,  # mov x3, #8
            0xD4000001,  # svc #0
            0xD2800928,  # mov x8, #73 (ppoll: there is no pause)
            0xD2800000,  # mov x0, #0
            0xD2800001,  # mov x1, #0
            0xD2800002,  # mov x2, #0
            0xD2800003,  # mov x3, #0
            0xD4000001,  # svc #0
            0x17FFFFFA,  # b to the ppoll
        ),
    ),
    "ppc64le": Machine(
        EM_PPC64,
        64,
        _words(
            0x380000AD,  # li r0, 173 (rt_sigaction)
            0x38600011,  # li r3, 17
            0x3C800040,  # lis r4, 0x40
            0x60840078,  # ori r4, r4, 0x78
            0x38A00000,  # li r5, 0
            0x38C00008,  # li r6, 8
            0x44000002,  # sc
            0x3800001D,  # li r0, 29 (pause)
            0x44000002,  # sc
            0x4BFFFFF8,  # b to the pause
        ),
        flags=2,  # ELFv2
    ),
    "riscv64": Machine(
        EM_RISCV,
        64,
        _words(
            0x08600893,  # li a7, 134 (rt_sigaction)
            0x01100513,  # li a0, 17
            0x004005B7,  # lui a1, 0x400
            0x07858593,  # addi a1, a1, 0x78
            0x00000613,  # li a2, 0
            0x00800693,  # li a3, 8
            0x00000073,  # ecall
            0x04900893,  # li a7, 73 (ppoll: there is no pause)
            0x00000513,  # li a0, 0
            0x00000593,  # li a1, 0
            0x00000613,  # li a2, 0
            0x00000693,  # li a3, 0
            0x00000073,  # ecall
            0xFE9FF06F,  # j to the ppoll
        ),
        flags=4,  # double-precision floats
    ),
    "s390x": Machine(
        EM_S390,
        64,
        bytes.fromhex(
            "a7290011"  # lghi %r2, 17
            "c03f00400078"  # llilf %r3, 0x400078
            "a7490000"  # lghi %r4, 0
            "a7590008"  # lghi %r5, 8
            "0aae"  # svc 174 (rt_sigaction)
            "0a1d"  # svc 29 (pause)
            "a7f4ffff"  # j to the pause
        ),
        order=">",
    ),
}


def pausing_program(platform: Platform) -> bytes | None:
    """Return an executable file that pauses until it is killed; None where it is not known for the platform."""
    machine = _MACHINES.get(platform.architecture)
    if machine is None or platform.os != "linux":
        return None
    ignore = struct.pack(machine.word, 1).ljust(32, b"\0")  # SIG_IGN, no flags, no signals
    return executable(machine, data=ignore)
