"""Our own acceptance files, ``*.multiarch.yaml``: what container-structure-test's cannot say."""

from __future__ import annotations

from pytest_multiarch.acceptance.suite.json_schema import json_schema
from pytest_multiarch.acceptance.suite.reading import read_suite

__all__ = ["json_schema", "read_suite"]
