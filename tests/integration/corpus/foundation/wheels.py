"""Install a wheel with an extension module for each architecture, with pip: /sites/TARGETARCH/KIND."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

# TARGETARCH: the wheel's tag, the extension module's triplet, and the neighbour as the Dockerfile has it.
ARCHITECTURES = {
    "amd64": ("x86_64", "x86_64-linux-gnu", "arm64"),
    "arm64": ("aarch64", "aarch64-linux-gnu", "amd64"),
    "arm": ("armv7l", "arm-linux-gnueabihf", "386"),
    "386": ("i686", "i386-linux-gnu", "arm"),
    "ppc64le": ("ppc64le", "powerpc64le-linux-gnu", "s390x"),
    "s390x": ("s390x", "s390x-linux-gnu", "ppc64le"),
}
SITES = Path("/sites")


def install(architecture: str, kind: str, code: str) -> None:
    """Install a wheel whose tag is for one architecture, and whose extension module for another."""
    machine, triplet, _ = ARCHITECTURES[architecture]
    tag = f"cp311-cp311-manylinux_2_17_{machine}"
    wheel = Path(f"/tmp/{kind}/sample-1.0-{tag}.whl")  # noqa: S108 - a container's own
    wheel.parent.mkdir(exist_ok=True)
    info = "sample-1.0.dist-info"
    members = {
        "sample/__init__.py": b"from sample import _native\n",
        f"sample/_native.cpython-311-{triplet}.so": Path(f"/native/{code}.so").read_bytes(),
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: sample\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    members[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"]).encode()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "install", "--quiet"),
            *("--no-index", "--no-deps", "--no-compile", "--only-binary=:all:", "--root-user-action=ignore"),
            *("--python-version=3.11", "--implementation=cp", "--abi=cp311", f"--platform=manylinux_2_17_{machine}"),
            *(f"--target={SITES / architecture / kind}", str(wheel)),
        ],
        check=True,
    )


for name in ARCHITECTURES:
    install(name, "own", name)
for name, (_, _, neighbour) in ARCHITECTURES.items():
    shutil.copytree(SITES / neighbour / "own", SITES / name / "foreign")
    if name == "arm64":
        install(name, "mixed", "amd64")
    else:
        shutil.copytree(SITES / name / "own", SITES / name / "mixed")
