"""Keep the daemons' data in memory where there is enough of it: nothing in the lab has to outlive a boot.

Building, pulling and above all removing images are thousands of small files. On a disk that discards blocks as files are
deleted, removing one builder's state took 10 s of waiting; in memory it takes none.
"""

from __future__ import annotations

from pathlib import Path

from lab.process import run

ENOUGH = 12 * 2**30  # bytes of memory that the machine has to have
SHARE = "8g"  # the most that one daemon may take of it; only what is used is taken


def mount(folder: Path, *, total: int | None = None) -> bool:
    """Put an empty folder into memory and return whether it lies there now by this call.

    A folder that holds something is left as it is, and so is one on a machine with little memory. ``total`` is the
    machine's memory in bytes.
    """
    if (total if total is not None else total_memory()) < ENOUGH or is_mounted(folder):
        return False
    if folder.is_dir() and any(folder.iterdir()):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={SHARE},mode=0710", "pytest-multiarch-lab", folder], timeout=30)
    return True


def unmount(folder: Path) -> None:
    """Unmount the folder and all that is mounted below it; what lay in memory is gone then."""
    below = sorted((point for point in _mount_points() if f"{point}/".startswith(f"{folder}/")), reverse=True)
    for point in below:
        run(["umount", "--lazy", point], timeout=30)


def is_mounted(folder: Path) -> bool:
    """Tell whether something is mounted on the folder itself."""
    return str(folder) in _mount_points()


def total_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the machine's memory in bytes (proc_meminfo(5): MemTotal, in KiB)."""
    for line in meminfo.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    return 0


def _mount_points(mountinfo: Path = Path("/proc/self/mountinfo")) -> list[str]:
    return [line.split(" ")[4] for line in mountinfo.read_text(encoding="utf-8").splitlines()]
