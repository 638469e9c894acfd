"""Compile BuildKit's daemon and client with Go: no Debian package has the daemon.

The module beside this file (`buildkit/go.mod`, `go.sum`) pins the version and every checksum. Where Go or its module
proxy is missing, the lab goes on without: a builder of the docker-container kind then cannot be had here.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from lab import files
from lab.console import LabError, say, step
from lab.paths import CACHE
from lab.process import run

MODULE = Path(__file__).resolve().parent / "buildkit"
VERSION = "v0.25.2"
PROGRAMS = ("buildkitd", "buildctl")

# A machine without a module proxy is not made to wait for it at each `lab up`.
_RETRY_AFTER = 3600.0

# Two thirds of a plain build's time: no debugging data, which the linker would drop anyway, and the bulk of the packages
# not optimised. What moves every layer's bytes (the standard library, compression) is.
_FLAGS = (
    "-trimpath",
    "-ldflags=-s -w",
    "-gcflags=all=-dwarf=false -N -l",
    "-gcflags=std=-dwarf=false",
    "-gcflags=github.com/klauspost/...=-dwarf=false",
)


def programs() -> tuple[Path, ...]:
    """Return the compiled programs, nothing where there are none yet."""
    found = tuple(_folder() / name for name in PROGRAMS)
    return found if all(path.is_file() for path in found) else ()


def is_expected() -> bool:
    """Tell whether this machine has the programs, or can be asked to make them (again)."""
    return bool(programs()) or (shutil.which("go") is not None and not _failed_lately())


def key() -> str:
    """Return what the programs are made from, as a digest."""
    parts = [(MODULE / name).read_bytes() for name in ("go.mod", "go.sum")]
    text = "\n".join([VERSION, *_FLAGS, platform.machine()])
    return hashlib.sha256(b"\0".join([*parts, text.encode()])).hexdigest()


def build() -> bool:
    """Compile the programs, unless they are there; return whether they are, and say why not."""
    if programs():
        return True
    if shutil.which("go") is None:
        say("BuildKit is left out: no Go compiler here (a builder of the docker-container kind needs it)")
        return False
    if _failed_lately():
        say(f"BuildKit is left out: compiling it failed within the last hour; to try again, remove {_failure()}")
        return False
    try:
        with step(f"compiling BuildKit {VERSION}"):
            _compile()
    except LabError as error:
        files.write(_failure(), f"{error}\n")
        say(f"BuildKit is left out: {error}")
        return False
    return True


def _compile() -> None:
    # Go's own caches are large, useless afterwards, and root's: they stay out of the user's home.
    caches = CACHE / "go"
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOCACHE": str(caches / "build"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
        "GOMODCACHE": str(caches / "modules"),
        "GOPATH": str(caches),
        "GOWORK": "off",
    }
    (CACHE / "buildkit").mkdir(parents=True, exist_ok=True)
    packages = [f"github.com/moby/buildkit/cmd/{name}" for name in PROGRAMS]
    with tempfile.TemporaryDirectory(dir=CACHE / "buildkit", prefix=".") as half:
        hint = "It needs Go 1.24 or newer and a Go module proxy (`go env GOPROXY`)."
        run(["go", "build", *_FLAGS, "-o", half + "/", *packages], timeout=900, cwd=MODULE, env=environment, hint=hint)
        finished = _folder()
        finished.mkdir(exist_ok=True)
        for name in PROGRAMS:
            (Path(half) / name).replace(finished / name)
    shutil.rmtree(caches, ignore_errors=True)


def _folder() -> Path:
    return CACHE / "buildkit" / key()[:16]


def _failure() -> Path:
    return CACHE / "buildkit" / f"{key()[:16]}.failed"


def _failed_lately() -> bool:
    try:
        return time.time() - _failure().stat().st_mtime < _RETRY_AFTER
    except FileNotFoundError:
        return False
