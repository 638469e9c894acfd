"""What all of the project's own tests share."""

from __future__ import annotations

import sys
from pathlib import Path

pytest_plugins = ["pytester"]

# For `lab` and `tests`, which are not installed. Last, so that the installed pytest_multiarch is what is tested.
sys.path.append(str(Path(__file__).parent))
