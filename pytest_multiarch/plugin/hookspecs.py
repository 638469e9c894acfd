"""The hooks that projects and other plugins may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.audit import Rule


@pytest.hookspec
def pytest_multiarch_audit_rules(config: pytest.Config) -> Sequence[Rule]:  # type: ignore[empty-body]
    """Return rules of your own, to be audited by beside those that come with the plugin.

    Called once a run: before collection with ``--multiarch-audit``, else when a test audits an image. Implemented in the
    rootdir's conftest or in a plugin. Each rule is an instance of a class derived from
    `pytest_multiarch.audit.PlatformRule`, `IndexRule`, `ImageRule` or `ContextRule`, with a code and a name that no other
    has; codes that begin with ``MA`` are the plugin's.
    """
