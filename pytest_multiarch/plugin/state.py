"""What the plugin keeps for one pytest run: its settings, its environment once something asked for it, and what was told."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import UsageProblem
from pytest_multiarch.plugin.reports import Commands

if TYPE_CHECKING:
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.plugin.selection import Needs
    from pytest_multiarch.settings import Settings

_KEY = pytest.StashKey["State"]()


class State:
    """Hold one run's state; kept in the configuration's stash."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings: Settings | None = None
        self._environment: Environment | None = None
        self.commands = Commands()
        self.told: dict[int, str] = {}
        """Which test has told an error in full, by the error's identity (the errors are kept by the fixtures that raised them)."""

    @classmethod
    def install(cls, config: pytest.Config) -> State:
        """Make the state of this run."""
        state = config.stash[_KEY] = cls(config)
        return state

    @classmethod
    def of(cls, config: pytest.Config) -> State:
        """Return the state of this run."""
        return config.stash[_KEY]

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
        self.checked_settings()

    @property
    def environment(self) -> Environment:
        """Return the one owner of all that is started; made at the first use, which starts nothing yet."""
        if self._environment is None:
            from pytest_multiarch.engine.environment import Environment
            from pytest_multiarch.plugin.progress import Progress

            self._environment = Environment(self.settings.engine, Progress(self._config), self.commands.add)
        return self._environment

    def preflight(self, wanted: Needs) -> None:
        """End the run with pytest's usage error where something that the tests need is not there."""
        try:
            settings = self.settings
            if wanted.default_build and not settings.image:
                settings.build.check()
            builds = not settings.image or wanted.registry_or_builder
            self.environment.check(builds=builds, runs=wanted.engine)
        except UsageProblem as error:
            self.close()
            raise pytest.UsageError(str(error)) from None

    def close(self) -> None:
        """Remove all that was started; what could not be removed becomes a warning."""
        environment, self._environment = self._environment, None
        if environment is None:
            return
        for problem in environment.close():
            warnings.warn(pytest.PytestWarning(f"multiarch: {problem}"), stacklevel=2)
