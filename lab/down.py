"""Take back what `lab up` did to the machine, by its own records."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import configuration, daemons, emulators, files, host, installation, mirror, remote
from lab.console import LabError, say, step
from lab.paths import STATE
from lab.process import run
from lab.up import LOCK


def down(*, purge: bool) -> None:
    """Stop the lab's daemons and mirror, and restore the machine's settings; with ``purge`` remove the lab's data, too."""
    if not STATE.exists():
        say("nothing to take down")
        return
    if not host.this().is_root:
        raise LabError("taking the lab down", "this takes root, as setting it up did", "sudo python3 -m lab down")
    with files.exclusive(LOCK, "another `lab up` or `lab down` is at work: waiting for it"):
        with step("stopping the lab's daemons"):
            stopped = [daemon.host for daemon in (daemons.RESTARTED, *reversed(daemons.ALL)) if daemons.stop(daemon)]
            remote.stop()
            mirror.stop()
        emulators.forget()
        installation.remove_sources()
        restored = configuration.restore_main()
        if purge:
            _unmount_below(STATE)
            shutil.rmtree(STATE)
    if stopped:
        say(f"stopped {', '.join(stopped)}")
    if not restored:
        say(
            f"{configuration.MAIN_FILE} was edited after the lab wrote it, so it stays: remove the lab's mirror there yourself"
        )
    say(f"packages stay installed, and so does what is in {daemons.MAIN.data_root} where it lay on disk")


def _unmount_below(folder: Path) -> None:
    """Unmount what daemons that were killed left mounted in their data: removal must not reach into a container."""
    mounts = (line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        run(["umount", "--lazy", mount], timeout=30)
