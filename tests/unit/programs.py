"""Programs made byte by byte: what runs in an image that has nothing else in it."""

from __future__ import annotations

import struct

_BASE = 0x400000


def printing_program(text: bytes) -> bytes:
    """Return an executable for x86-64 that prints a text and ends."""
    start = 64 + 56
    code = bytes.fromhex(
        "b801000000"  # mov eax, 1 (write)
        "bf01000000"  # mov edi, 1
        "488d3515000000"  # lea rsi, [rip + 21]: behind the code
        "ba"  # mov edx, the text's length
    )
    code += struct.pack("<I", len(text))
    code += bytes.fromhex(
        "0f05"  # syscall
        "b83c000000"  # mov eax, 60 (exit)
        "31ff"  # xor edi, edi
        "0f05"  # syscall
    )
    code = code.ljust(38, b"\x90")
    size = start + len(code) + len(text)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return identity + header + segment + code + text
