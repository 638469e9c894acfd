"""Tell the kernel to hand other architectures' programs to QEMU (binfmt_misc), as Debian's qemu packages describe it.

The kernel's documentation: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import files
from lab.console import LabError
from lab.paths import RUN
from lab.process import run

KERNEL = Path("/proc/sys/fs/binfmt_misc")
DESCRIPTIONS = Path("/usr/lib/binfmt.d")
RECORD = RUN / "emulators.json"


@dataclass(frozen=True, slots=True)
class Emulator:
    """One line of ``binfmt.d(5)``: which programs, by their first bytes, and which interpreter."""

    name: str
    line: str

    @property
    def interpreter(self) -> str:
        """Return the path of the program that runs them."""
        return self.line.split(self.line[0])[6]


def read_descriptions(folder: Path = DESCRIPTIONS) -> tuple[Emulator, ...]:
    """Return the emulators that QEMU's packages describe; other packages' formats are none of the lab's."""
    found = []
    for path in sorted(folder.glob("qemu-*.conf")):
        for line in path.read_text().splitlines():
            if line and line[0] not in "#;":
                found.append(Emulator(line.split(line[0])[1], line))  # noqa: PERF401 - three lines are clearer
    return tuple(found)


def works(name: str, kernel: Path = KERNEL) -> bool:
    """Tell whether a format is on, and fixed: the kernel then holds the interpreter open, also for containers."""
    try:
        lines = (kernel / name).read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return False
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags:")), "")
    return "enabled" in lines and "F" in flags


def missing(folder: Path = DESCRIPTIONS, kernel: Path = KERNEL) -> tuple[Emulator, ...]:
    """Return the emulators that are described and not registered in a way that works in containers."""
    return tuple(emulator for emulator in read_descriptions(folder) if not works(emulator.name, kernel))


def registered(kernel: Path = KERNEL) -> tuple[str, ...]:
    """Return the names of the QEMU formats that work in containers."""
    return tuple(path.name for path in sorted(kernel.glob("qemu-*")) if works(path.name, kernel))


def ensure() -> None:
    """Register every emulator that QEMU's packages describe and that the kernel does not have."""
    record = files.read_json(RECORD)
    if not (KERNEL / "register").exists():
        run(
            ["mount", "-t", "binfmt_misc", "binfmt_misc", KERNEL],
            timeout=30,
            hint="Other architectures run by way of the kernel's binfmt_misc: `modprobe binfmt_misc`, or a kernel that has it.",
        )
        record = {"mounted": True, "names": []}
        files.write(RECORD, files.as_json(record))
    emulators = missing()
    if not emulators and not read_descriptions():
        raise LabError(
            f"looking for QEMU's formats in {DESCRIPTIONS}",
            "there is none",
            "Reinstall the package: apt-get install --reinstall qemu-user-static",
        )
    # The record first: killed in between, `forget` still knows all that may be there.
    names = {*record.get("names", ()), *(emulator.name for emulator in emulators)}
    files.write(RECORD, files.as_json({**record, "names": sorted(names)}))
    for emulator in emulators:
        _register(emulator)


def forget() -> None:
    """Take back what `ensure` registered and mounted."""
    record = files.read_json(RECORD)
    for name in record.get("names", ()):
        if (KERNEL / name).exists():
            (KERNEL / name).write_text("-1")
    if record.get("mounted") and (KERNEL / "register").exists():
        run(["umount", KERNEL], timeout=30)
    RECORD.unlink(missing_ok=True)


def _register(emulator: Emulator) -> None:
    entry = KERNEL / emulator.name
    try:
        if entry.exists():  # switched off, or without F, which containers need
            entry.write_text("-1")
        (KERNEL / "register").write_text(emulator.line)
    except OSError as error:
        raise LabError(
            f"registering {emulator.interpreter} as {emulator.name}",
            str(error),
            "The interpreter must be there and be static: apt-get install --reinstall qemu-user-static",
        ) from error
    if not works(emulator.name):
        raise LabError(f"registering {emulator.name}", f"the kernel has it without F: {entry.read_text()!r}")
