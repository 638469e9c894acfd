"""The daemons' configuration files: the main one is shared with whoever else set this machine up.

The format: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import files
from lab.api import LABEL
from lab.console import LabError
from lab.paths import MIRROR_URL, RUN

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN_FILE = Path("/etc/docker/daemon.json")
RECORD = RUN / "daemon.json.record"

# JSON has no comments, and dockerd refuses keys it does not know: the file says by a label whose it is.
_LABELS = {True: f"{LABEL}=written-by-python3-m-lab-up", False: f"{LABEL}=extended-by-python3-m-lab-up"}


def settings(*, containerd_store: bool) -> dict[str, Any]:
    """Return a configuration of the lab's own."""
    return {
        "features": {"containerd-snapshotter": containerd_store},
        "labels": [_LABELS[True]],
        "registry-mirrors": [MIRROR_URL],
    }


def merge(before: Mapping[str, Any]) -> dict[str, Any]:
    """Return an existing configuration with the mirror and the containerd store added; what it says itself stays.

    Raises `LabError` where the file means another kind of value than dockerd does.
    """
    own = settings(containerd_store=True)
    if not before:
        return own
    for key, kind in (("features", dict), ("labels", list), ("registry-mirrors", list)):
        if not isinstance(before.get(key, kind()), kind):
            raise LabError(
                f"adding the lab's mirror to {MAIN_FILE}",
                f"its {key!r} is {before[key]!r}, which dockerd does not take",
                "Mend or move that file, then run the same lab command again.",
            )
    # The mirror comes first: one of the user's that does not answer would cost seconds on each pull.
    mirrors = [MIRROR_URL, *(url for url in before.get("registry-mirrors", []) if url != MIRROR_URL)]
    labels = [label for label in before.get("labels", []) if label.partition("=")[0] != LABEL]
    return {
        **before,
        "features": {**own["features"], **before.get("features", {})},
        "labels": [*labels, _LABELS[False]],
        "registry-mirrors": mirrors,
    }


def ensure_main(path: Path = MAIN_FILE, record: Path = RECORD) -> None:
    """Write the main daemon's configuration, and keep what was there for `restore_main`."""
    before = path.read_text() if path.exists() else None
    known = files.read_json(record)
    if before is not None and before == known.get("written"):
        return
    try:
        parsed = json.loads(before) if before and before.strip() else {}
    except ValueError as error:
        raise LabError(
            f"reading {path}", str(error), "Mend or move that file; dockerd does not start with it."
        ) from None
    if not isinstance(parsed, dict):
        raise LabError(f"reading {path}", "it is not a JSON object", "Mend or move that file.")
    if list(parsed.get("labels") or ()) == [_LABELS[True]]:
        before, parsed = known.get("before"), {}  # the lab's own file, for another port or of an earlier version
    written = files.as_json(merge(parsed))
    if written == before:
        return
    # The record first: killed between the two, the next `lab up` finds the user's file again and writes both.
    files.write(record, files.as_json({"before": before, "written": written}))
    files.write(path, written)


def restore_main(path: Path = MAIN_FILE, record: Path = RECORD) -> bool:
    """Bring back what was there before `ensure_main`; return False, and touch nothing, where it was edited since."""
    known = files.read_json(record)
    if not known:
        return True
    now = path.read_text() if path.exists() else None
    if now not in {known["written"], known["before"]}:
        return False
    if known["before"] is None:
        path.unlink(missing_ok=True)
    else:
        files.write(path, known["before"])
    record.unlink()
    return True
