"""Acceptance tests in YAML: what files may say, and the checks that they turn into.

Nothing here knows pytest: `plugin/acceptance_items.py` makes tests of the cases. The checks are plain values, so that Python
says the same with them: ``assert_passes(FileCheck(path="/etc/passwd", uid=0), platform_image)``.
"""

from __future__ import annotations

from pytest_multiarch.acceptance.asserting import assert_passes
from pytest_multiarch.acceptance.cases import Case, Needs, Suite
from pytest_multiarch.acceptance.failure import describe_failure, harmless
from pytest_multiarch.acceptance.places import BadFile

__all__ = ["BadFile", "Case", "Needs", "Suite", "assert_passes", "describe_failure", "harmless"]
