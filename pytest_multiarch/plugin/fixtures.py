"""The fixtures. Each hands on what `Environment` owns; nothing is started here before a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_multiarch.audit import AuditRun
    from pytest_multiarch.engine.builder import Builder
    from pytest_multiarch.engine.container import Container
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.plugin.state import State


def _state(config: pytest.Config) -> State:
    from pytest_multiarch.plugin.state import State

    return State.of(config)


def _audited(config: pytest.Config, image: MultiArchImage) -> MultiArchImage:
    image.auditor = lambda: _state(config).audit  # late: most tests audit nothing
    return image


@pytest.fixture(scope="session")
def multiarch_platforms(pytestconfig: pytest.Config) -> tuple[Platform, ...]:
    """Return the platforms of this run, in the order asked for."""
    return _state(pytestconfig).checked_settings().platforms


@pytest.fixture(scope="session")
def _multiarch_default_build(pytestconfig: pytest.Config) -> BuildSpec:
    """Return what the options say is to be built."""
    return _state(pytestconfig).checked_settings().build


@pytest.fixture(scope="session")
def multiarch_build(_multiarch_default_build: BuildSpec) -> BuildSpec:
    """Return what is built: override this fixture in a conftest to build something else."""
    return _multiarch_default_build


@pytest.fixture(scope="session")
def multiarch_registry(pytestconfig: pytest.Config) -> Registry:
    """Return the throwaway registry: its two addresses and its credentials."""
    state = _state(pytestconfig)
    return state.environment.registry()


@pytest.fixture(scope="session")
def multiarch_builder(pytestconfig: pytest.Config) -> Builder:
    """Return the buildx builder of this run."""
    state = _state(pytestconfig)
    return state.environment.builder()


@pytest.fixture(scope="session")
def _multiarch_source(pytestconfig: pytest.Config, multiarch_build: BuildSpec | str) -> ImageSource:
    """Return the image of this run: the reference that is tested, or the build that has been started.

    An acceptance file that names a reference has it in the place of what is built.
    """
    from pytest_multiarch.settings import resolve_image

    state = _state(pytestconfig)
    settings = state.checked_settings()
    if isinstance(multiarch_build, str):
        return state.environment.published(resolve_image(pytestconfig, multiarch_build))
    if settings.image:
        return state.environment.published(settings.image)
    return state.environment.build(multiarch_build, settings.platforms)


@pytest.fixture(scope="session")
def multiarch_image(pytestconfig: pytest.Config, _multiarch_source: ImageSource) -> MultiArchImage:
    """Return the image under one tag, with all its platforms."""
    return _audited(pytestconfig, _multiarch_source.image())


@pytest.fixture(scope="session")
def _multiarch_audit_run(
    pytestconfig: pytest.Config, _multiarch_source: ImageSource, multiarch_build: BuildSpec
) -> AuditRun:
    """Return the audit of this run's image, which the audit's items share."""
    return _state(pytestconfig).audit_run(_multiarch_source, multiarch_build)


@pytest.fixture(scope="session")
def _multiarch_runs() -> None:
    """Tell that a test runs commands, though it may not use the warm container: see `pytest_multiarch.plugin.selection`."""


@pytest.fixture(scope="session")
def multiarch_image_factory(
    pytestconfig: pytest.Config, multiarch_platforms: tuple[Platform, ...]
) -> Callable[[BuildSpec | str], MultiArchImage]:
    """Return a function that gives more images in one run: from a `BuildSpec`, built for the run's platforms, or a reference.

    References are those that ``--multiarch-image`` takes.
    """
    from pytest_multiarch.settings import resolve_image

    state = _state(pytestconfig)

    def make(what: BuildSpec | str) -> MultiArchImage:
        if isinstance(what, str):
            return _audited(pytestconfig, state.environment.published(resolve_image(pytestconfig, what)).image())
        return _audited(pytestconfig, state.environment.build(what, multiarch_platforms).image())

    return make


@pytest.fixture(scope="session")
def target_platform(request: pytest.FixtureRequest) -> Platform:
    """Return the platform of this test; tests that use it run once per platform."""
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.platforms import Platform

    if not hasattr(request, "param"):
        raise UsageProblem(
            "choosing the platform of this test",
            "pytest could not see that the test runs once per platform",
            "Name target_platform, or a fixture that uses it, among the arguments of a test function: getfixturevalue and "
            "methods of unittest.TestCase come too late for that.",
        )
    # A test that parametrizes this fixture itself may write platforms as text.
    param = request.param
    return param if isinstance(param, Platform) else Platform.parse(str(param))


@pytest.fixture(scope="session")
def platform_image(
    pytestconfig: pytest.Config, _multiarch_source: ImageSource, target_platform: Platform
) -> PlatformImage:
    """Return this platform's image: digest, config, layers, and `run` for a fresh container each."""
    image = _multiarch_source.platform(target_platform)
    image.auditor = lambda: _state(pytestconfig).audit
    return image


@pytest.fixture(scope="session")
def platform_container(
    pytestconfig: pytest.Config, _multiarch_source: ImageSource, platform_image: PlatformImage
) -> Container:
    """Return the one warm container of this platform: `exec` runs a command in it."""
    return _multiarch_source.running.warm_container(platform_image)


@pytest.fixture
def fresh_container(
    pytestconfig: pytest.Config, _multiarch_source: ImageSource, platform_image: PlatformImage
) -> Iterator[Container]:
    """Return a container of this platform for this test alone, to be changed at will."""
    with _multiarch_source.running.fresh_container(platform_image) as container:
        yield container
