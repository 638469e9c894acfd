"""What follows the collection: a look at whether all that the tests need is there, and the start of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.plugin.order import ORDER, Order
from pytest_multiarch.plugin.selection import needs
from pytest_multiarch.plugin.state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_multiarch.engine.sources import ImageSource


def begin(session: pytest.Session) -> None:
    """Check that what the collected tests need is there, and start it without waiting; never for ``--collect-only``."""
    option = session.config.option
    if option.collectonly or (session.testsfailed and not option.continue_on_collection_errors):
        return
    items = session.items
    wanted = needs(items)
    state = State.of(session.config)
    if wanted.platforms and state.worker is not None:
        state.worker.tell_groups(items)
        for line in unnamed_platforms(session.config, items):
            state.worker.note(line.removeprefix("multiarch: "))
    if wanted.anything:
        from pytest_multiarch.plugin.support import announce

        is_there = state.preflight(wanted, [item for item in items if needs([item]).anything])
        announce(session.config, state)
        if is_there:
            source = state.prepare(items)
            if source is not None and source.is_awaited(None):
                _pass_over(session, source)


def _pass_over(session: pytest.Session, source: ImageSource) -> None:
    from pytest_multiarch.plugin.passing import Passing

    order = session.config.pluginmanager.get_plugin(ORDER)
    # Whoever has chosen another order after the plugin gets that one.
    if isinstance(order, Order) and order.is_kept(session.items):
        Passing(session, order.groups, State.of(session.config).settings.platforms, source.is_awaited).begin()


def unnamed_platforms(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Return a line on which platform is tested, where the user has named none and a test needs one."""
    if not needs(items).platforms:
        return []
    try:
        settings = State.of(config).settings
    except UsageProblem:
        return []  # already told: pytest comes here after an error, too
    if settings.platforms_given:
        return []
    platforms = ", ".join(map(str, settings.platforms))
    return [f"multiarch: {platforms}, this machine's own (choose others with --multiarch-platforms)"]
