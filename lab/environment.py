"""The project's virtual environment, made with nothing but the Python that runs the lab."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lab import files, host, installation
from lab.console import LabError, say, step
from lab.paths import PROJECT
from lab.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FOLDER = PROJECT / ".venv"
STAMP = "lab-stamp"  # the last file that is written: what it was made from
BEGUN = "lab-begun"  # the first one: this folder is the lab's to make again


def prepare(bring_up: Callable[[], None]) -> None:
    """Make the environment and bring the lab up, side by side where the environment is to be made."""
    if is_current(FOLDER, fingerprint()):
        bring_up()
        return
    _need_venv()
    with ThreadPoolExecutor() as pool:
        made = pool.submit(make)
        raised = pool.submit(bring_up)
    made.result()
    raised.result()


def become(command: Sequence[str]) -> int:
    """Replace this process with a command in the environment. Raises `LabError` where there is no such program."""
    environ = inside(os.environ, FOLDER)
    program = shutil.which(command[0], path=environ["PATH"])
    if program is None:
        raise LabError(f"running {command[0]}", f"no such program in {FOLDER / 'bin'} or on PATH", "Is it spelt so?")
    if PROJECT not in (Path.cwd(), *Path.cwd().parents):
        os.chdir(PROJECT)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(program, list(command), environ)  # noqa: S606 - no shell: the arguments go through as they came


def inside(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment variables of a process in a virtual environment."""
    kept = {key: value for key, value in environ.items() if key != "PYTHONHOME"}
    others = [str(path) for path in pyenv_folders(environ)]
    path = os.pathsep.join(filter(None, [str(folder / "bin"), environ.get("PATH", os.defpath), *others]))
    return {**kept, "PATH": path, "VIRTUAL_ENV": str(folder)}


def pyenv_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return where pyenv keeps the Pythons that it has installed, the newest first.

    They go last on ``PATH``, for tox: of pyenv's own entries there, only those that are switched on can be run.
    """
    root = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [path for path in root.glob("versions/3.*/bin") if path.parent.name.replace(".", "").isdigit()]
    return sorted(found, key=lambda path: [int(part) for part in path.parent.name.split(".")], reverse=True)


def fingerprint(project: Path = PROJECT) -> str:
    """Return what the environment's content follows from: the project's metadata and this Python."""
    python = f"{sys.version}\n{sys.base_prefix}\n{project}\n"
    return hashlib.sha256(python.encode() + (project / "pyproject.toml").read_bytes()).hexdigest()


def is_current(folder: Path, wanted: str) -> bool:
    """Tell whether the environment was made from the same, and its Python is still there."""
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text() == wanted and (folder / "bin" / "python").exists()


def make(folder: Path = FOLDER) -> None:
    """Make the environment, or bring it up to date."""
    with files.exclusive(PROJECT / "pyproject.toml", f"another process makes {folder}: waiting for it"):
        wanted = fingerprint()
        if is_current(folder, wanted):
            return
        with step(f"installing the project and tox into {folder}"):
            if not _is_users(folder):
                _create(folder)
            _install(folder)
            files.write(folder / STAMP, wanted)


def _is_users(folder: Path) -> bool:
    """Tell whether somebody else made the folder: it is used, and never removed."""
    if not folder.exists() or (folder / BEGUN).exists():
        return False
    if not (folder / "bin" / "python").exists() or not list(folder.glob("lib/python*/site-packages/pip")):
        raise LabError(
            f"installing into {folder}, which the lab did not make",
            "it has no pip",
            f"Either remove it, and the lab makes one; or install yourself: uv pip install --editable {PROJECT} tox",
        )
    say(f"{folder} is yours: installing into it")
    return True


def _create(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    files.write(folder / BEGUN, "Made by `python3 -m lab run`, which makes it again where it needs to.\n")
    # Not --clear: it would remove the file that says whose the folder is.
    run([sys.executable, "-m", "venv", folder], timeout=120)


def _install(folder: Path) -> None:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--editable", str(PROJECT), "tox"]
    try:
        # Shown as it comes, but not on standard output, which is the command's.
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=900)
    except subprocess.TimeoutExpired:
        raise LabError("installing with pip", "no end within 15 minutes", "Is the package index reachable?") from None
    if done.returncode != 0:
        raise LabError(
            "installing with pip", f"exit code {done.returncode}; its words are above", "Then run this again."
        )


def _need_venv() -> None:
    """Make sure that `venv` can put pip into an environment: Debian packs what it takes for that separately."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    tried = f"making a virtual environment with {sys.executable}"
    if not host.this().is_root or shutil.which("apt-get") is None:
        raise LabError(tried, "this Python has no ensurepip", f"Install it: sudo apt-get install {package}")
    with step(f"installing {package}"):
        installation.install_named([package])
    importlib.invalidate_caches()
    if importlib.util.find_spec("ensurepip") is None:
        raise LabError(
            tried, f"{package} brought no ensurepip for it", "Use the system's own python3, or a Python with venv."
        )
