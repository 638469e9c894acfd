"""The fake takes what the real engine takes: what a test proves with it holds for the engine as well."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pytest_multiarch.engine.container import Container
from pytest_multiarch.engine.environment import Environment
from pytest_multiarch.engine.local_workshop import LocalWorkshop
from pytest_multiarch.engine.remote import RemoteWorkshop
from pytest_multiarch.engine.running import Running
from pytest_multiarch.engine.sources import ImageSource
from pytest_multiarch.engine.workshop import Workshop
from tests.plugin.fake_environment import FakeContainer, FakeEnvironment, FakeRunning, FakeSource, FakeWorkshop


def methods(kind: type[Any]) -> dict[str, list[tuple[str, object, object]]]:
    """Return the public methods of a class with the names, kinds and defaults of what they take."""
    return {
        name: [(one.name, one.kind, one.default) for one in inspect.signature(member).parameters.values()]
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (Environment, FakeEnvironment),
        (LocalWorkshop, FakeWorkshop),
        (Workshop, FakeWorkshop),
        (Workshop, RemoteWorkshop),
        (ImageSource, FakeSource),
        (Running, FakeRunning),
        (Container, FakeContainer),
    ],
)
def test_the_fake_is_called_as_the_real_one_is(real: type[Any], fake: type[Any]) -> None:
    ours, theirs = methods(fake), methods(real)
    shared = ours.keys() & theirs.keys()
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


def test_the_fake_has_all_that_the_plugin_calls() -> None:
    called = {"prepare", "build", "published", "read_files", "service_logs", "users_client", "close", "describe_engine"}
    assert methods(FakeEnvironment).keys() == called
    assert methods(FakeEnvironment).keys() <= methods(Environment).keys()
    assert methods(FakeWorkshop).keys() - {"let"} == methods(LocalWorkshop).keys()
    assert methods(RemoteWorkshop).keys() - {"functions_of"} == methods(Workshop).keys()
    assert methods(FakeContainer).keys() == methods(Container).keys()
