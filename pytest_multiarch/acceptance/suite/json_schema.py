"""Our own format as JSON Schema, for editors."""

from __future__ import annotations

from typing import Any

from pytest_multiarch.acceptance.suite.schema import SUITE


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``*.multiarch.yaml``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-multiarch acceptance tests",
        **SUITE.schema(),
    }
