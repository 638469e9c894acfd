"""Make a check from Python: what YAML says of an image, a test may say as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pytest_multiarch.acceptance.checks.outcome import Subject
from pytest_multiarch.acceptance.failure import describe_outcome
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_multiarch.acceptance.checks import Check
    from pytest_multiarch.acceptance.checks.outcome import Executor
    from pytest_multiarch.image.platform_image import PlatformImage


def assert_passes(check: Check, image: PlatformImage, container: Executor | None = None) -> None:
    """Raise AssertionError with all that is not as a check expects it, unless there is nothing.

    Args:
        check: one of `pytest_multiarch.acceptance.checks`.
        image: what it is made on.
        container: where commands run that need one that is up: the ``platform_container`` or the ``fresh_container``.

    Raises MultiArchError: the image cannot be read or run, or a command has no container.

    """
    subject = Subject(image, warm=lambda: _container(container), fresh=_fresh)
    outcome = check.check(subject)
    if outcome.mismatches:
        raise AssertionError(describe_outcome(image.platform, outcome))


def _container(container: Executor | None) -> Executor:
    if container is None:
        raise MultiArchError(
            "run a command", "no container is given", "Give assert_passes the platform_container, too."
        )
    return container


def _fresh(**_: Any) -> AbstractContextManager[NoReturn]:
    raise MultiArchError(
        "run a command in a fresh container",
        "there is none to be had here",
        "Give assert_passes the fresh_container, and leave way, setup and options out: commands before it are its own exec.",
    )
