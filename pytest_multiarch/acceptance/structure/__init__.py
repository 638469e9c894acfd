"""container-structure-test's files, read unchanged."""

from __future__ import annotations

from pytest_multiarch.acceptance.structure.reading import SUFFIXES, is_structure_file, read_structure_file

__all__ = ["SUFFIXES", "is_structure_file", "read_structure_file"]
