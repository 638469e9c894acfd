"""In which order tests run: the machine's own platform first, and what needs all platforms after what needs one.

pytest puts tests together by a session's parameters, so that nothing is set up twice: platform by platform, within a
platform by file. While an emulated build still goes on, all files' tests of the platforms that are ready run. To this order
only one thing is added: a test of the whole image would wait for the slowest build where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.platforms import Platform

_WHOLE = "multiarch_image"
_OURS = "pytest_multiarch.plugin"


class Order:
    """Put what needs the whole image last.

    Registered after conftests are loaded and before pytest's own order is: so it comes behind the latter, and before
    whatever a project or another plugin chooses.
    """

    @pytest.hookimpl
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Move tests of the whole image to the end, in their order, where that sets nothing up twice."""
        late = [item for item in items if _WHOLE in getattr(item, "fixturenames", ()) and _may_move(item)]
        if late:
            moved = set(map(id, late))
            items[:] = [*(item for item in items if id(item) not in moved), *late]


def native_first(platforms: Sequence[Platform]) -> list[Platform]:
    """Return the platforms with the one that this machine would choose first: its image is there long before the others."""
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.platforms import Platform

    try:
        own = Platform.host().best(platforms)
    except UsageProblem:
        own = None  # a machine of no known kind
    return sorted(platforms, key=lambda platform: platform != own)


def _may_move(item: pytest.Item) -> bool:
    """Say whether a test uses no fixture of the user's that pytest keeps for its neighbours only.

    That is one of a class, module or package, and one of the session where the test has parameters.
    """
    is_parametrized = hasattr(item, "callspec")
    # Not a public attribute, but the only place where pytest says which fixtures a test gets.
    found: dict[str, Sequence[Any]] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for definitions in found.values():
        definition = definitions[-1]
        if getattr(definition.func, "__module__", "").startswith(_OURS) or definition.scope == "function":
            continue
        if definition.scope != "session" or (is_parametrized and not _is_pytests(definition)):
            return False
    return True


def _is_pytests(definition: Any) -> bool:
    return not definition.baseid and str(getattr(definition.func, "__module__", "")).startswith("_pytest.")
