"""Under pytest-xdist: the controller owns what is made once, its workers ask it for that, and it speaks for all of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_multiarch.engine.remote import Line, RemoteWorkshop, Server
from pytest_multiarch.errors import MultiArchError, UsageProblem
from pytest_multiarch.plugin.order import native_first
from pytest_multiarch.plugin.progress import Announcements
from pytest_multiarch.plugin.selection import lost_groups

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Future

    from pytest_multiarch.engine.local_workshop import LocalWorkshop
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.plugin.state import State

T = TypeVar("T")
_INPUT = "multiarch"
#: Ways of pytest-xdist's to give tests to workers in which each gets some of all; in the others, neighbours stay together.
_SPREADING = ("load", "worksteal")
_GROUPING = "loadgroup"


class Controller:
    """Own the workshop, which is made at a worker's first request; registered as a plugin in the controller."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self._state = state
        self._mode = str(config.getoption("dist", "no"))
        self._homes = _homes_of(state) if self._mode == "load" else ()
        self._reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        if config.getoption("verbose", 0) < 0:
            self._reporter = None
        self._workshop: LocalWorkshop | None = None
        self._problem: UsageProblem | None = None
        self._checked: dict[tuple[object, ...], UsageProblem | str] = {}
        self._told: dict[str, str] = {}
        self._groups: dict[str, str] = {}
        self._said: set[str] = set()
        self._nodes: list[Any] = []
        self._down: list[Any] = []
        self._ending: Future[list[str]] | None = None
        self._lock = threading.Lock()
        self._checking = threading.Lock()
        self._terminal = threading.RLock()
        calls = RemoteWorkshop.functions_of(self._made)
        self._server = Server(
            {
                **calls,
                "check": self._check,
                "refuse": self._refuse,
                "say": self.say,
                "told": self.told_at,
                "groups": self._groups.update,
            }
        )

    def introduce(self, node: Any) -> None:
        """Tell a worker on this machine how to ask: through its own pipe, so that nobody else learns the key."""
        if not self._nodes and _names_something(self._state):
            threading.Thread(target=_load, name="multiarch-loading", daemon=True).start()
        self._nodes.append(node)
        if node.gateway.spec.popen:
            home = self._home_of(node)
            node.workerinput[_INPUT] = (self._server.line.port, self._server.line.key, self._mode, home)

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Generator[None, object, object]:
        """Let workers begin with one platform each, where they would get some of all and nothing is built; keep groups together.

        What a project or another plugin has chosen instead of pytest-xdist's own scheduler counts.
        """
        chosen = yield
        from pytest_multiarch.plugin.scheduling import improved

        return improved(chosen, config, log, self._homes, self._groups)

    def _home_of(self, node: Any) -> str:
        if not self._homes:
            return ""
        from pytest_multiarch.plugin.scheduling import home_of

        return home_of(node.gateway.id, self._homes)

    def say(self, text: str) -> None:
        """Write a line that workers have to say, once."""
        with self._lock:
            if text in self._said:
                return
            self._said.add(text)
        self._write(f"multiarch: {text}")

    def told_at(self, text: str, nodeid: str) -> str:
        """Return which test tells an error in full: the first that asks."""
        with self._lock:
            return self._told.setdefault(text, nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Begin to remove what was started when the last worker has told its last result: its process takes time to end."""
        self._down.append(node)
        # After an error pytest-xdist may put another worker in its place.
        if error is None and all(one in self._down for one in self._nodes):
            self._ending = ThreadPoolExecutor(1, thread_name_prefix="multiarch-ending").submit(self._close)

    def close(self) -> list[str]:
        """Take no more requests, remove all that was started, and return what could not be removed."""
        return self._ending.result() if self._ending is not None else self._close()

    def _close(self) -> list[str]:
        self._server.close()
        with self._lock:
            workshop, self._workshop = self._workshop, None
        return workshop.close() if workshop is not None else []

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """End the run where a worker has found that it cannot be made."""
        if self._problem is not None:
            for node in self._nodes:
                node.shutdown()  # else they are waited for, for as long as they may take to notice
            raise pytest.UsageError(str(self._problem))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self) -> Generator[None, None, None]:
        """Keep other threads' lines out of the middle of what is written."""
        with self._terminal:
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, None, None]:
        """Keep other threads' lines out of the middle of what is written."""
        with self._terminal:
            return (yield)

    def _made(self) -> LocalWorkshop:
        with self._lock:
            if self._workshop is None:
                from pytest_multiarch.engine import local_workshop

                self._workshop = local_workshop.LocalWorkshop(self._state.settings.engine, Announcements(self._write))
            return self._workshop

    def _check(self, **wanted: Any) -> str:
        """Look for what a run needs, once for all workers, and let the run end where it is not there."""
        with self._checking:
            key = tuple(sorted(wanted.items()))
            if key not in self._checked:
                try:
                    self._checked[key] = self._made().check(**wanted)
                except UsageProblem as error:
                    self._checked[key] = error
            found = self._checked[key]
        if isinstance(found, UsageProblem):
            raise found
        return found

    def _refuse(self, problem: UsageProblem) -> None:
        self._problem = self._problem or problem

    def _write(self, line: str) -> None:
        if self._reporter is None:
            return
        with self._terminal:
            self._reporter.ensure_newline()
            self._reporter.write_line(line)
            self._reporter.flush()


def _load() -> None:
    """Load what the first request will take, while workers start: this process waits for them meanwhile."""
    from pytest_multiarch.engine import local_workshop

    local_workshop.load()


def _names_something(state: State) -> bool:
    """Say whether the user has named platforms or an image, so that tests will ask for them in all likelihood."""
    try:
        return state.settings.platforms_given or bool(state.settings.image)
    except UsageProblem:
        return False


def _homes_of(state: State) -> tuple[str, ...]:
    """Return the platforms that workers are to begin with, none where they are built: then all begin with the first one."""
    try:
        settings = state.settings
    except UsageProblem:
        return ()  # told elsewhere
    platforms = native_first(settings.platforms) if settings.image else []
    return tuple(map(str, platforms)) if len(platforms) > 1 else ()


class Worker:
    """Ask the controller. Implements the engine's `Listener` for a process that has no terminal."""

    def __init__(self, line: Line, share: int | None, home: str = "", *, keeps_groups: bool = False) -> None:
        self._line = line
        self._home = home
        self._keeps_groups = keeps_groups
        self.share = share
        """Of how many tests that are alike this process will get one; None where nobody knows."""
        self.workshop = RemoteWorkshop(line)

    @classmethod
    def of(cls, config: pytest.Config) -> Worker | None:
        """Return what asks the controller, None where this process is no worker of one on this machine."""
        about = getattr(config, "workerinput", {})
        if _INPUT not in about:
            return None
        port, key, mode, home = about[_INPUT]
        share = 1 if mode == "each" else about.get("workercount") if mode in _SPREADING else None
        return cls(Line(port, key), share, home, keeps_groups=mode == _GROUPING)

    def begins_with(self, platform: Platform) -> bool:
        """Say whether this process gets tests of a platform before it helps other processes with theirs."""
        return self._home in ("", str(platform))

    def check_ahead(self, **wanted: Any) -> None:
        """Let the controller begin to look for what the run needs, while this process loads what it needs itself.

        Whoever asks for the same afterwards gets what was found, or waits for it.
        """

        def ask() -> None:
            with suppress(MultiArchError, UsageProblem):  # whoever asks afterwards is told
                self._line.call("check", **wanted)

        threading.Thread(target=ask, name="multiarch-check", daemon=True).start()

    def tell_groups(self, items: Iterable[pytest.Item]) -> None:
        """Tell the controller the tests' groups that it does not see by itself, where it gives out tests by them."""
        if self._keeps_groups and (groups := lost_groups(items)):
            with suppress(MultiArchError):  # it is gone, and the run with it
                self._line.call("groups", groups)

    def build_started(self, platform: object) -> None:
        """Hear nothing: no builds go on here."""

    def build_step(self, platform: object, step: object) -> None:
        """Hear nothing: no builds go on here."""

    def build_ended(self, platform: object, seconds: float, *, failed: bool) -> None:
        """Hear nothing: no builds go on here."""

    def note(self, text: str) -> None:
        """Let the controller write a line, once for all workers."""
        with suppress(MultiArchError):  # it is gone, and the run with it
            self._line.call("say", text)

    def wait(self, future: Future[T], what: str = "") -> T:
        """Return the future's result."""
        return future.result()

    def refuse(self, problem: UsageProblem) -> None:
        """Let the controller end the run."""
        with suppress(MultiArchError):
            self._line.call("refuse", problem)

    def told_at(self, text: str, nodeid: str) -> str:
        """Return which test of all workers tells an error in full."""
        try:
            return str(self._line.call("told", text, nodeid))
        except MultiArchError:
            return nodeid
