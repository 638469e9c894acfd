"""How each platform runs, told to people: before the first test, at the end, in skips and in every test's properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import EmulatorCrash, PlatformUnavailable, RunningDisabled
from pytest_multiarch.plugin.selection import platform_of, uses_containers, uses_image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.engine.support import Support
    from pytest_multiarch.errors import MultiArchError
    from pytest_multiarch.plugin.state import State

_OUTCOME = "multiarch_outcome"
_CRASHED = "emulator crash"
_WORKER = "multiarch_supports"
_KEPT_FROM_RUNNING = (PlatformUnavailable, RunningDisabled)


def describe(supports: Iterable[Support]) -> str:
    """Return one line: each platform and how it runs; empty for none."""
    return "; ".join(map(str, supports))


def announce(config: pytest.Config, state: State) -> None:
    """Write the engine, and how platforms run on it, before the first test; of pytest-xdist's workers, their controller does."""
    texts = [text for text in (state.engine, describe(state.supports)) if text]
    if state.worker is not None:
        for text in texts:
            state.worker.note(text)
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    if texts and reporter is not None and config.getoption("verbose", 0) >= 0:
        reporter.ensure_newline()
        for text in texts:
            reporter.write_line(f"multiarch: {text}")


def summarize(reporter: Any, config: pytest.Config, state: State) -> None:
    """Write the line at the end of the run, and which tests an emulator's crash has failed."""
    text = state.workers_supports or describe(state.supports)
    if text and config.getoption("verbose", 0) >= 0:
        reporter.write_line(f"multiarch: {text}")
    failed = [*reporter.stats.get("failed", ()), *reporter.stats.get("error", ())]
    crashed = [report.nodeid for report in failed if (_OUTCOME, _CRASHED) in getattr(report, "user_properties", ())]
    if crashed:
        reporter.write_line(
            f"multiarch: the emulator has crashed in {len(crashed)} of the failed tests, which says nothing about the image: "
            + ", ".join(crashed)
        )


def tell_controller(config: pytest.Config, state: State) -> None:
    """Hand the line to pytest-xdist's controller, which runs no test itself and writes the summary."""
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output[_WORKER] = describe(state.supports)


def hear_worker(output: dict[str, Any], state: State) -> None:
    """Take the line of one of pytest-xdist's workers; they all share one machine, so any one's will do."""
    state.workers_supports = state.workers_supports or str(output.get(_WORKER, ""))


def prepare(item: pytest.Item, state: State) -> None:
    """Note how the test's platform runs, and raise `PlatformUnavailable` for a test that needs it to run where it does not."""
    platform = platform_of(item)
    if platform is None or not uses_image(item):
        return
    support = state.support_of(platform)
    if support is None:
        return
    for name, value in (("multiarch_platform", str(platform)), ("multiarch_how", support.how)):
        # In a second run of a test, other plugins keep what the first has noted.
        if (name, value) not in item.user_properties:
            item.user_properties.append((name, value))
    if uses_containers(item):
        support.check()


def as_skip(error: MultiArchError, state: State) -> BaseException | None:
    """Return the skip that an error of a test is to the user, None where the test fails with it."""
    skips = isinstance(error, RunningDisabled) or (
        isinstance(error, PlatformUnavailable) and state.settings.skips_unavailable
    )
    return pytest.skip.Exception(error.headline) if skips else None


def complete_report(report: pytest.TestReport, call: pytest.CallInfo[None], item: pytest.Item) -> None:
    """Mark an emulator's crash as such, and lead a skip of ours to the test and not to this file."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, EmulatorCrash):
        report.user_properties.append((_OUTCOME, _CRASHED))
    if report.skipped and error is not None and isinstance(error.__cause__, _KEPT_FROM_RUNNING):
        line = item.location[1]
        report.longrepr = (str(item.path), (line or 0) + 1, f"Skipped: {error}")
