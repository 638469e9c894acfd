"""Which files hold acceptance tests: by their names, by the settings, or named on the command line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_multiarch.settings import read_structure_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_OWN = (".multiarch.yaml", ".multiarch.yml")
_STRUCTURE = (".structure.yaml", ".structure.yml", ".structure.json")


def collect(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Return the tests of a file, None where it is somebody else's."""
    is_own = path.name.endswith(_OWN)
    if not is_own and not _is_structure_file(path, parent):
        return None
    from pytest_multiarch.plugin.acceptance_items import AcceptanceFile, AcceptancePlugin

    manager = parent.config.pluginmanager
    if not manager.has_plugin("multiarch-acceptance"):
        manager.register(AcceptancePlugin(), "multiarch-acceptance")
    if is_own:
        from pytest_multiarch.acceptance.suite import read_suite

        return AcceptanceFile.of(parent, path, partial(read_suite, folder=path.parent))
    from pytest_multiarch.acceptance.structure import read_structure_file

    read = partial(read_structure_file, is_strict=read_structure_settings(parent.config).is_strict)
    return AcceptanceFile.of(parent, path, read)


def _is_structure_file(path: Path, parent: pytest.Collector) -> bool:
    if path.name.endswith(_STRUCTURE) or read_structure_settings(parent.config).matches(path):
        return True
    # Named on the command line it may still be meant for another plugin.
    if not parent.session.isinitpath(path):
        return False
    from pytest_multiarch.acceptance.structure import is_structure_file

    try:
        return is_structure_file(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False
