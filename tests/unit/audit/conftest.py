from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.audit.common import Images

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """Return what puts an image together."""
    return Images(tmp_path / "image")
