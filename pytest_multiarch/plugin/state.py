"""What the plugin keeps for one pytest run: its settings, its environment once something asked for it, and what was told."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import MultiArchError, UsageProblem
from pytest_multiarch.plugin.reports import Commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.audit import Audit, AuditRun
    from pytest_multiarch.engine.environment import Environment, Listener
    from pytest_multiarch.engine.services import ServiceLog
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.engine.support import Support
    from pytest_multiarch.engine.workshop import Workshop
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.plugin.selection import Needs
    from pytest_multiarch.plugin.sharing import Controller, Worker
    from pytest_multiarch.settings import Settings

_KEY = pytest.StashKey["State"]()
_PROBLEM = pytest.StashKey[UsageProblem]()


class State:
    """Hold one run's state; kept in the configuration's stash."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings: Settings | None = None
        self._environment: Environment | None = None
        self._audit: Audit | None = None
        self._controller: Controller | None = None
        self._worker: Worker | None = None
        self._told: dict[str, str] = {}
        self.commands = Commands()
        self.workers_supports = ""
        """How the platforms run, as a worker of pytest-xdist has told it."""
        self._supports: tuple[Support, ...] = ()

    @classmethod
    def of(cls, config: pytest.Config) -> State:
        """Return the state of this run, made at the first use."""
        state = config.stash.get(_KEY, None)
        if state is None:
            state = config.stash[_KEY] = cls(config)
        return state

    @classmethod
    def of_any(cls, config: pytest.Config) -> State | None:
        """Return the state of this run, None where nothing has used it."""
        return config.stash.get(_KEY, None)

    @property
    def settings(self) -> Settings:
        """Return the settings; read at the first use. Raises `UsageProblem`."""
        if self._settings is None:
            from pytest_multiarch.settings import read_settings

            self._settings = read_settings(self._config)
        return self._settings

    def checked_settings(self) -> Settings:
        """Return the settings, or end the run with pytest's usage error."""
        try:
            return self.settings
        except UsageProblem as error:
            raise pytest.UsageError(str(error)) from None

    def check_settings(self) -> None:
        """End the run with pytest's usage error where a setting is wrong."""
        from pytest_multiarch.settings import is_audit_configured, read_audit_policy

        self.checked_settings()
        if is_audit_configured(self._config):
            try:
                read_audit_policy(self._config)
            except UsageProblem as error:
                raise pytest.UsageError(str(error)) from None

    @property
    def audit(self) -> Audit:
        """Return what images are audited by; made at the first use. Raises `UsageProblem`."""
        if self._audit is None:
            from pytest_multiarch.audit import Audit
            from pytest_multiarch.settings import read_audit_policy

            policy = read_audit_policy(self._config)
            given = self._config.hook.pytest_multiarch_audit_rules(config=self._config)
            self._audit = Audit.of(policy, [rule for rules in given for rule in rules or ()])
        return self._audit

    def audit_run(self, source: ImageSource, build: BuildSpec) -> AuditRun:
        """Return the audit of the image of this run; a published one has no Dockerfile to look at."""
        from pytest_multiarch.audit import AuditRun, BuildContext

        settings, environment = self.settings, self.environment

        def context() -> BuildContext:
            return BuildContext.read(
                build.dockerfile_path,
                settings.platforms,
                reader=environment.users_client,
                args=build.resolved_args(),
                target=build.target,
                replaced=frozenset(build.contexts),
            )

        return AuditRun(
            self.audit,
            source,
            settings.platforms,
            None if settings.image else context,
            environment.read_files,
        )

    def check_audit(self) -> None:
        """End the run with pytest's usage error where the audit's rules cannot be chosen: here, before workers are started."""
        try:
            _ = self.audit
        except UsageProblem as error:
            raise pytest.UsageError(str(error)) from None

    def service_logs(self) -> tuple[ServiceLog, ...]:
        """Return the logs of services that run, or have ended during the current test."""
        return () if self._environment is None else self._environment.service_logs(self.commands.started)

    @property
    def controller(self) -> Controller:
        """Return what owns for the workers of pytest-xdist; made, and registered, for the first of them."""
        if self._controller is None:
            from pytest_multiarch.plugin.sharing import Controller

            self._controller = Controller(self._config, self)
            self._config.pluginmanager.register(self._controller, "multiarch-controller")
        return self._controller

    @property
    def worker(self) -> Worker | None:
        """Return what asks the controller, None where this process runs the tests by itself."""
        if self._worker is None and hasattr(self._config, "workerinput"):
            from pytest_multiarch.plugin.sharing import Worker

            self._worker = Worker.of(self._config)
        return self._worker

    @property
    def environment(self) -> Environment:
        """Return what this process starts, and what it gets from the one that owns the run; its first use starts nothing yet."""
        if self._environment is None:
            from pytest_multiarch.engine import environment

            if self.worker is not None:
                listener: Listener = self.worker
                workshop: Workshop | None = self.worker.workshop
            else:
                from pytest_multiarch.plugin.progress import Progress

                listener, workshop = Progress(self._config), None
            self._environment = environment.Environment(self.settings.engine, listener, self.commands.add, workshop)
        return self._environment

    @property
    def runs_nothing(self) -> bool:
        """Say whether the user wants nothing of an image to be run; not where the settings are wrong, which is told elsewhere."""
        try:
            return not self.settings.engine.runs
        except UsageProblem:
            return False

    @property
    def supports(self) -> tuple[Support, ...]:
        """Return how the platforms run, as far as anybody has asked; also when all has been removed."""
        return self._environment.supports.known if self._environment is not None else self._supports

    @property
    def engine(self) -> str:
        """Return a line on the engine; empty where nothing has asked for one."""
        return self._environment.describe_engine() if self._environment is not None else ""

    def support_of(self, platform: Platform) -> Support | None:
        """Return how a platform runs, None where nobody has asked: a test that only reads takes no daemon."""
        return next((one for one in self.supports if one.platform == platform), None)

    def told_at(self, text: str, nodeid: str) -> str:
        """Return which test tells an error in full, by the error's text: the first that asks, in whichever process."""
        return self.worker.told_at(text, nodeid) if self.worker is not None else self._told.setdefault(text, nodeid)

    def refuse(self, problem: UsageProblem, items: Iterable[pytest.Item]) -> None:
        """End the run with pytest's usage error; a worker of pytest-xdist asks its controller to.

        A worker has no way to end the run by itself: its usage error is an internal error of the controller's. What it runs
        before the controller does so fails with the problem.
        """
        if not hasattr(self._config, "workerinput"):
            raise pytest.UsageError(str(problem)) from None
        if self.worker is not None:
            self.worker.refuse(problem)
        for item in items:
            item.stash.setdefault(_PROBLEM, problem)

    @staticmethod
    def raise_for(item: pytest.Item) -> None:
        """Raise the `UsageProblem` that this test has to fail with, where there is one."""
        problem = item.stash.get(_PROBLEM, None)
        if problem is not None:
            raise problem

    def preflight(self, wanted: Needs, items: Iterable[pytest.Item]) -> bool:
        """Refuse the tests where something that they need is not there; say whether all is."""
        try:
            settings = self.settings
            if wanted.default_build and not settings.image:
                settings.build.check()
            builds = (wanted.builds and not settings.image) or wanted.registry_or_builder
            if self.worker is not None:
                self.worker.check_ahead(builds=builds, runs=wanted.engine, image=settings.image)
            self.environment.check(builds=builds, runs=wanted.engine, image=settings.image)
            if (builds or wanted.engine) and settings.engine.runs:
                self.environment.supports.prepare(settings.platforms)
        except UsageProblem as error:
            if self._worker is None:
                self.close()
            self.refuse(error, items)
            return False
        return True

    def prepare(self, items: Sequence[pytest.Item]) -> ImageSource | None:
        """Start, without waiting, what these tests will ask for: the image they test, and what runs it.

        Returns the image, None where none of them uses the run's own, or it cannot be had.
        """
        from pytest_multiarch.plugin.forecast import forecast

        worker, settings = self.worker, self.settings
        ahead = forecast(items, worker.share if worker is not None else 1)
        source = None

        def soon(platforms: Iterable[Platform]) -> list[Platform]:
            return [platform for platform in platforms if worker is None or worker.begins_with(platform)]

        with suppress(MultiArchError):  # the tests that need it come to the same, and tell it
            if ahead.image:
                source = self.environment.prepare(
                    settings.image or settings.build,
                    settings.platforms,
                    first=soon(settings.platforms if ahead.whole else ahead.platforms),
                    warm=soon(ahead.warm),
                    run=soon(ahead.run),
                )
            if not settings.image and not ahead.more:
                self.environment.end_building()
            elif ahead.more:
                self.environment.start()
        return source

    def close(self) -> bool:
        """Remove all that was started; what could not be removed becomes a warning. Return False where warnings are errors."""
        self._supports = self.supports
        environment, self._environment = self._environment, None
        controller, self._controller = self._controller, None
        owners = [owner for owner in (environment, controller) if owner is not None]
        accepted = [_warn(f"multiarch: {problem}") for owner in owners for problem in owner.close()]
        return all(accepted)


def _warn(text: str) -> bool:
    try:
        warnings.warn(pytest.PytestWarning(text), stacklevel=3)
    except pytest.PytestWarning:
        # Raised while a run ends, it would take the run's summary with it.
        print(text, file=sys.stderr)
        return False
    return True
