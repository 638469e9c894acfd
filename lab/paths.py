"""Where the lab keeps things, and the one port it is told of. Nothing here touches the machine."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Outside the checkout: several checkouts on one machine share one daemon, and so one lab.
STATE = Path(os.environ.get("MULTIARCH_LAB_STATE", "/var/lib/pytest-multiarch-lab"))
CACHE = STATE / "cache"
LOGS = STATE / "logs"
RUN = STATE / "run"

# Fixed, because the daemon's configuration names it. Not 5000 (AirPlay, and everybody's own registry).
MIRROR_PORT = int(os.environ.get("MULTIARCH_LAB_MIRROR_PORT", "5590"))
MIRROR_URL = f"http://127.0.0.1:{MIRROR_PORT}"
