"""What pytest sees: options, parametrization, the marker, the check before the first test, and reports.

The fixtures are in `fixtures`; everything heavier is imported inside the hooks that need it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.plugin.fixtures import (
    _multiarch_audit_run,
    _multiarch_default_build,
    _multiarch_runs,
    _multiarch_source,
    fresh_container,
    multiarch_build,
    multiarch_builder,
    multiarch_image,
    multiarch_image_factory,
    multiarch_platforms,
    multiarch_registry,
    platform_container,
    platform_image,
    target_platform,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytest_multiarch.plugin.state import State

__all__ = [
    "_multiarch_audit_run",
    "_multiarch_default_build",
    "_multiarch_runs",
    "_multiarch_source",
    "fresh_container",
    "multiarch_build",
    "multiarch_builder",
    "multiarch_image",
    "multiarch_image_factory",
    "multiarch_platforms",
    "multiarch_registry",
    "platform_container",
    "platform_image",
    "target_platform",
]


def _state_so_far(config: pytest.Config) -> State | None:
    """Return the run's state, None where nothing has used it: then its module is not loaded either."""
    if "pytest_multiarch.plugin.state" not in sys.modules:
        return None
    from pytest_multiarch.plugin.state import State

    return State.of_any(config)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options and their ini twins."""
    from pytest_multiarch.settings import add_options

    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks that projects may implement."""
    from pytest_multiarch.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and check what the user has set before anything is collected."""
    from pytest_multiarch.plugin.order import ORDER, Order
    from pytest_multiarch.settings import is_audit_wanted, is_configured

    config.addinivalue_line(
        "markers", "platforms(platform, ...): keep a test to these of the run's platforms, such as 'linux/arm64'"
    )
    order = Order()
    config.pluginmanager.register(order.collected, f"{ORDER}-collected")
    config.pluginmanager.register(order, ORDER)
    if is_configured(config):
        from pytest_multiarch.plugin.state import State

        State.of(config).check_settings()
    if is_audit_wanted(config):
        from pytest_multiarch.plugin.audit_items import AuditPlugin
        from pytest_multiarch.plugin.state import State

        State.of(config).check_audit()
        config.pluginmanager.register(AuditPlugin(), "multiarch-audit")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist how to ask this process for what all of them share."""
    from pytest_multiarch.plugin.state import State

    State.of(node.config).controller.introduce(node)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove all that was started, where the session's end did not get to it."""
    state = _state_so_far(config)
    if state is not None:
        state.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove all that was started, before the summary is printed."""
    state = _state_so_far(session.config)
    if state is not None and state.supports:
        from pytest_multiarch.plugin.support import tell_controller

        tell_controller(session.config, state)
    if state is not None and not state.close() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect acceptance files; every other one costs a look at its name."""
    if file_path.suffix not in (".yaml", ".yml", ".json"):
        return None
    from pytest_multiarch.plugin.acceptance_files import collect

    return collect(file_path, parent)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the platforms that the user asked for."""
    from pytest_multiarch.settings import is_configured

    if not is_configured(config):
        return []
    from pytest_multiarch.plugin.state import State

    return [f"multiarch: {State.of(config).settings.describe()}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize what uses `target_platform`, with the full list always.

    pytest shares a session's fixtures between tests only where all have the same parameters in the same order; what a marker
    excludes is deselected afterwards.
    """
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.plugin.order import native_first
    from pytest_multiarch.plugin.selection import grouped, is_parametrized_by_user, overriding_build
    from pytest_multiarch.plugin.state import State

    override = overriding_build(metafunc)
    if override is not None:
        # Else a session's image would be that of the first test which asks for it, whatever another folder's conftest says.
        metafunc.parametrize("_multiarch_source", [override], indirect=True, scope="session", ids=[pytest.HIDDEN_PARAM])
    if "target_platform" not in metafunc.fixturenames or is_parametrized_by_user(metafunc):
        return
    try:
        platforms = native_first(State.of(metafunc.config).settings.platforms)
    except UsageProblem:
        platforms = []  # Raised here, it would be one module's collection error: the end of the collection tells it.
    metafunc.parametrize("target_platform", grouped(platforms, metafunc), indirect=True, scope="session")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a test's platform as everybody does: `test_x[linux/arm64]`."""
    if argname != "target_platform":
        return None
    from pytest_multiarch.platforms import Platform

    return str(val) if isinstance(val, Platform) else None


# Last, so that a marker counts only on a test that is still selected.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what `@pytest.mark.platforms` or `--multiarch-no-run` excludes, and refuse tests whose platforms cannot be said."""
    if not items:
        return
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.plugin.selection import needs, split_by_marker, uses_containers
    from pytest_multiarch.plugin.state import State

    state = State.of(config)
    wanting = [item for item in items if needs([item]).platforms]
    try:
        _ = state.settings if wanting else None
    except UsageProblem as problem:
        state.refuse(problem, wanting)
    kept, dropped = split_by_marker(items, state.refuse)
    if wanting and state.runs_nothing:
        dropped += [item for item in kept if uses_containers(item)]
        kept = [item for item in kept if not uses_containers(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say which platform is tested where the user named none."""
    if not items:
        return []
    from pytest_multiarch.plugin.beginning import unnamed_platforms

    return unnamed_platforms(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, look ahead before its controller hears that it is ready, and so can still end the run."""
    if hasattr(session.config, "workerinput"):
        _begin(session)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Look ahead before the first test, and never for --collect-only."""
    if not hasattr(session.config, "workerinput"):
        _begin(session)


def _begin(session: pytest.Session) -> None:
    # None in pytest-xdist's controller, which runs no tests itself; and then nothing more is loaded.
    if getattr(session, "items", []):
        from pytest_multiarch.plugin.beginning import begin

        begin(session)


# The innermost wrapper: the others, such as pytest's own logging, have begun when this raises.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Start the item's own list of commands, and fail or skip at once what cannot run."""
    from pytest_multiarch.errors import MultiArchError
    from pytest_multiarch.plugin.state import State
    from pytest_multiarch.plugin.support import as_skip, prepare

    state = State.of(item.config)
    state.commands.start(item.nodeid)
    try:
        state.raise_for(item)
        prepare(item, state)
        return (yield)
    except MultiArchError as error:
        skip = as_skip(error, state)
        if skip is None:
            raise
        raise skip from error


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip what turns out to need running, where the user wants it skipped."""
    from pytest_multiarch.errors import PlatformUnavailable, RunningDisabled

    try:
        return (yield)
    except (PlatformUnavailable, RunningDisabled) as error:
        from pytest_multiarch.plugin.state import State
        from pytest_multiarch.plugin.support import as_skip

        skip = as_skip(error, State.of(item.config))
        if skip is None:
            raise
        raise skip from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the commands of a failed test with their outputs, and a fault that many tests share only once in full."""
    report = yield
    if call.excinfo is not None:
        from pytest_multiarch.plugin.support import complete_report

        complete_report(report, call, item)
    if report.failed:
        from pytest_multiarch.plugin.reports import complete
        from pytest_multiarch.plugin.selection import platform_of
        from pytest_multiarch.plugin.state import State

        complete(report, call, State.of(item.config), platform_of(item))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how each platform ran, and which failures are an emulator's."""
    state = _state_so_far(config)
    if state is not None and (state.supports or state.workers_supports):
        from pytest_multiarch.plugin.support import summarize

        summarize(terminalreporter, config, state)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear in pytest-xdist's controller how the platforms ran in a worker."""
    from pytest_multiarch.plugin.state import State
    from pytest_multiarch.plugin.support import hear_worker

    hear_worker(getattr(node, "workeroutput", {}), State.of(node.config))
