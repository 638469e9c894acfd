"""The options about files of container-structure-test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.settings.options import STRUCTURE_OPTIONS, read_values

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_WILD: Final = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class StructureSettings:
    """Say which files are container-structure-test's, and whose verdict counts where the two differ."""

    patterns: tuple[str, ...]
    is_strict: bool
    root: Path

    def matches(self, path: Path) -> bool:
        """Tell whether a file is named by a pattern: as `Path.glob` of the rootdir would find it."""
        try:
            relative = path.relative_to(self.root).as_posix()
        except ValueError:
            return False
        return any(_pattern(text).fullmatch(relative) for text in self.patterns)


def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern of paths as a regular expression: ``**/`` is any number of folders, ``*`` and ``?`` are within a name."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text.removeprefix("./"))
    return re.compile("".join(_WILD.get(part, re.escape(part)) for part in parts))


def read_structure_settings(config: pytest.Config) -> StructureSettings:
    """Read the options about files of container-structure-test."""
    values = read_values(config, STRUCTURE_OPTIONS)
    return StructureSettings(tuple(values["structure-tests"]), values["structure-strict"], config.rootpath)
