"""The mirror: a registry on loopback that holds the stand-ins, and that the daemon asks before Docker Hub.

It is Debian's docker-registry in a process of its own that outlives the command; its data stays in the lab's state.
"""

from __future__ import annotations

import http.client
import shutil
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab import files, namespaces, pids
from lab.console import LabError
from lab.paths import LOGS, MIRROR_PORT, MIRROR_URL, RUN, STATE
from lab.process import tail

if TYPE_CHECKING:
    from pathlib import Path

    from lab.namespaces import Namespace

PROGRAM = "docker-registry"

_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  cache: {{blobdescriptor: inmemory}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}", secret: loopback-only}}
"""


def ensure(space: Namespace | None = None) -> None:
    """Start the mirror unless it answers, and wait until it does. Raises `LabError` with its log where it does not.

    In a namespace it is a second one, over the same data: what runs there finds the mirror on its own loopback.
    """
    if is_up(space):
        return
    program = shutil.which(PROGRAM)
    if program is None:
        raise LabError(f"starting the mirror on {MIRROR_URL}", f"no program {PROGRAM} here", _install_hint())
    stop(space)  # one that runs and does not answer
    config = RUN / "mirror.yml"
    files.write(config, _CONFIG.format(storage=STATE / "mirror", port=MIRROR_PORT))
    LOGS.mkdir(parents=True, exist_ok=True)
    with namespaces.entered(space), _log(space).open("ab") as log:
        started = subprocess.Popen(
            [program, "serve", str(config)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    files.write(_pid_file(space), f"{started.pid}\n")
    deadline = time.monotonic() + 20
    while not is_up(space):
        if started.poll() is not None or time.monotonic() > deadline:
            state = "it did not answer" if started.poll() is None else f"it ended with exit code {started.returncode}"
            raise LabError(
                f"starting the mirror on {MIRROR_URL}", f"{state}\n{tail(_log(space).read_bytes())}", _PORT_HINT
            )
        time.sleep(0.02)


def is_up(space: Namespace | None = None) -> bool:
    """Tell whether a registry answers on the mirror's port."""
    place = urlsplit(MIRROR_URL)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=5)
    try:
        with namespaces.entered(space):
            connection.connect()
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        return answer.status == 200 and answer.headers.get("Docker-Distribution-Api-Version") == "registry/2.0"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(space: Namespace | None = None) -> None:
    """End the mirror if the lab started it; its data stays."""
    process = pids.holder(_pid_file(space), PROGRAM)
    if process is not None:
        pids.stop(process, timeout=10)
    _pid_file(space).unlink(missing_ok=True)


def _pid_file(space: Namespace | None) -> Path:
    return RUN / f"{_name(space)}.pid"


def _log(space: Namespace | None) -> Path:
    return LOGS / f"{_name(space)}.log"


def _name(space: Namespace | None) -> str:
    return "mirror" if space is None else f"mirror-{space.name}"


_PORT_HINT = "Is the port another program's? MULTIARCH_LAB_MIRROR_PORT names another one."


def _install_hint() -> str:
    return f"`lab up` installs it; by hand: apt-get install --no-install-recommends {PROGRAM}."
