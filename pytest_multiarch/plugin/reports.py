"""What a failed test shows: each command it ran with exit code, duration and outputs; a shared fault in full only once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.wording import neutral

if TYPE_CHECKING:
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.plugin.state import State
    from pytest_multiarch.results import CommandResult

_COMMANDS_SHOWN = 10
_OUTPUT_SHOWN = 20_000


class Commands:
    """Keep the commands that the current test has run, the last ones."""

    def __init__(self) -> None:
        self._nodeid = ""
        self.started = 0.0
        """When the current test did, on ``time.monotonic()``'s clock."""
        self._results: list[CommandResult] = []

    def start(self, nodeid: str) -> None:
        """Forget the last test's commands."""
        self._nodeid = nodeid
        self.started = time.monotonic()
        self._results.clear()

    def add(self, result: CommandResult) -> None:
        """Remember a command."""
        self._results.append(result)
        del self._results[:-_COMMANDS_SHOWN]

    @property
    def results(self) -> tuple[CommandResult, ...]:
        """Return what the current test has run so far, in order."""
        return tuple(self._results)


def complete(report: pytest.TestReport, call: pytest.CallInfo[None], state: State, platform: Platform | None) -> None:
    """Add to a failed report what its reader needs, and take out what an earlier report has told already.

    ``platform`` is that of the test, None where it has none: of services, only those of its platform are shown.
    """
    for number, result in enumerate(state.commands.results, 1):
        text = neutral(result.describe())
        if len(text) > _OUTPUT_SHOWN:
            half, left_out = _OUTPUT_SHOWN // 2, len(text) - _OUTPUT_SHOWN
            text = f"{text[:half]}\n… {left_out} characters left out …\n{text[-half:]}"
        report.sections.append((f"multiarch command {number} on {result.platform}", text))
    for log in state.service_logs():
        if platform in (None, log.platform):
            report.sections.append((f"multiarch log of {log.name} on {log.platform}", log.text))
    error = call.excinfo.value if call.excinfo is not None else None
    # A test's own code gets its traceback; what a fixture could not give has its reason elsewhere.
    if call.excinfo is None or not isinstance(error, MultiArchError) or call.when != "setup":
        return
    told_at = state.told_at(str(error), report.nodeid)
    report.longrepr = without_traceback(call.excinfo if told_at == report.nodeid else _in_short(error, told_at))


def _in_short(error: MultiArchError, told_at: str) -> pytest.ExceptionInfo[BaseException]:
    try:
        raise type(error)(error.headline, hint=f"(in full at {told_at})")
    except MultiArchError:
        return pytest.ExceptionInfo.from_current()


def without_traceback(info: pytest.ExceptionInfo[BaseException]) -> Any:
    """Return the message without a traceback, and for the summary its first line only.

    In CI pytest does not cut the summary's lines, and a message of many lines would be told a second time there.
    """
    shown = info.getrepr(style="value", chain=False)
    crash = getattr(shown, "reprcrash", None)
    if crash is not None and crash.message:
        crash.message = str(info.value).splitlines()[0]
    return shown
