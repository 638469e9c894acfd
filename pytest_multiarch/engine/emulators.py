"""Register emulators with the kernel that the daemon runs on, before anything is built: by an image, or by what is installed.

What is registered is the machine's and stays when the run is over, as with ``docker run --privileged tonistiigi/binfmt``.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from pytest_multiarch.engine.binfmt import KERNEL, read_descriptions, read_registrations
from pytest_multiarch.engine.claims import claim_image
from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.faults import translated
from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.errors import EmulatorsMissing, EngineError, InvalidPlatform
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger

_LIMIT = 120


def register(
    engine: Engine,
    book: Callable[[], Ledger],
    platforms: Sequence[Platform],
    image: str,
    *,
    binfmt: Path = KERNEL,
    descriptions: Sequence[Path] = (),
) -> None:
    """Register emulators for platforms that do not run on a daemon's machine.

    ``image`` does it, with all privileges; where it cannot be had, or does not get there, and the daemon is on this machine,
    what this machine's own packages describe is registered. Raises `EmulatorsMissing`.
    """
    lacking = list(platforms)
    try:
        supported = _register_by_image(engine, book(), image, platforms)
    except EngineError as error:
        found = error.headline
    except ValueError as error:
        found = str(error)
    else:
        lacking = [one for one in platforms if not any(offer.accepts(one) for offer in supported)]
        found = f"it reports {', '.join(map(str, supported)) or 'nothing'} as supported"
    if engine.shares_kernel:
        lacking = [one for one in lacking if not register_described(one, binfmt=binfmt, descriptions=descriptions)]
    if lacking:
        raise EmulatorsMissing(
            f"registering emulators for {', '.join(map(str, lacking))} with {image}",
            found,
            "Install QEMU on the daemon's machine (on Debian: apt-get install qemu-user-static), name another image with "
            "--multiarch-emulators-image, or run them elsewhere with --multiarch-node.",
        )


def register_described(platform: Platform, *, binfmt: Path = KERNEL, descriptions: Sequence[Path] = ()) -> bool:
    """Register what a package on this machine describes for a platform, and say whether it is there now.

    Needs root: else, and where no package has it, nothing changes.
    """
    program = probe_program(platform)
    found = next(
        (one for one in read_descriptions(*descriptions) if program is not None and one.takes(program)),
        None,
    )
    if program is None or found is None or not found.works_in_containers:
        return False
    try:
        if not (binfmt / "register").exists():
            _mount(binfmt)
        known = read_registrations(binfmt).taking(program)
        if known is not None and known.enabled and known.works_in_containers:
            return True  # somebody else was faster, or has registered another emulator for it
        if known is not None:
            (binfmt / known.name).write_text("-1")  # switched off, or of no use in containers
        (binfmt / "register").write_text(found.line)
    except (FileExistsError, ProcessLookupError):
        pass  # another process of this run has registered it at the same time
    except (OSError, subprocess.SubprocessError):
        return False
    now = read_registrations(binfmt).taking(program)
    return now is not None and now.enabled and now.works_in_containers


def parse_report(text: str) -> tuple[Platform, ...]:
    """Return the platforms of the emulators image's own report. Raises ValueError: it is none.

    Its log is before it, and its exit code is 0 also where nothing has worked (tonistiigi/binfmt, ``cmd/binfmt/main.go``).
    """
    start = text.find("{")
    try:
        report, _ = json.JSONDecoder().raw_decode(text[start:] if start >= 0 else "")
        names = [str(name) for name in report["supported"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"it gave no report, but: {text.strip()[-500:] or 'nothing'}") from None
    found = []
    for name in names:
        try:
            found.append(Platform.parse(name))
        except InvalidPlatform:  # noqa: PERF203 - newer than what is known here
            continue
    return tuple(found)


def _register_by_image(
    engine: Engine, ledger: Ledger, image: str, platforms: Sequence[Platform]
) -> tuple[Platform, ...]:
    """Run the image as its documentation says and return what it reports."""
    tried = f"running {image}"
    if not claim_image(engine, ledger, image):
        engine.pull(image, platform=engine.facts.platform)
    name = ledger.new_name("emulators")
    owned = ledger.add("container", name, engine.endpoint)
    api = engine.api
    wanted = ",".join(dict.fromkeys(platform.architecture for platform in platforms))
    try:
        with translated(tried):
            api.create_container(
                image,
                ["--install", wanted],
                name=name,
                labels=ledger.labels,
                host_config=api.create_host_config(privileged=True),
            )
            api.start(name)
            exit_code = int(api.wait(name, timeout=_LIMIT)["StatusCode"])
            stdout = api.logs(name, stdout=True, stderr=False).decode(errors="replace")
            stderr = api.logs(name, stdout=False, stderr=True).decode(errors="replace")
    finally:
        remove(engine, ledger, [owned])
    if exit_code != 0:
        raise EngineError(tried, f"exit code {exit_code}: {stderr.strip()[-500:]}")
    return parse_report(stdout)


def _mount(binfmt: Path) -> None:
    subprocess.run(
        ["mount", "-t", "binfmt_misc", "binfmt_misc", str(binfmt)],
        check=True,
        capture_output=True,
        timeout=_LIMIT,
        env={"PATH": os.environ.get("PATH", os.defpath)},
    )
