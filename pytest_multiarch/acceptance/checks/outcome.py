"""What a check found, and what it may look at and run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.engine.mounts import Mounts
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult


class Executor(Protocol):
    """Run commands in a container that is up."""

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        tty: bool = False,
        timeout: float | None = None,
    ) -> CommandResult:
        """Run a command and return its result, whatever its exit code."""
        ...


class Fresh(Protocol):
    """Give containers of the caller's own."""

    def __call__(
        self,
        *,
        mounts: Mounts = (),
        network: str | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
    ) -> AbstractContextManager[Executor]:
        """Give one that has what is asked for, in the words of `PlatformImage.run`, for as long as the block is."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """Hold what a check is made on: one platform's image, and how commands run in it.

    ``warm`` gives the container that all share, ``fresh`` one of the caller's own; each is asked for only by checks that
    need it.
    """

    image: PlatformImage
    warm: Callable[[], Executor]
    fresh: Fresh

    @property
    def platform(self) -> Platform:
        """Return the platform that is looked at."""
        return self.image.platform


@dataclass(frozen=True, slots=True)
class WholeSubject:
    """Hold what a check of an image as a whole is made on, and which of its platforms this run tests."""

    image: MultiArchImage
    platforms: tuple[Platform, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Say what is not as expected. ``came`` may have several lines; ``differs`` is a diff, where that reads better."""

    what: str
    expected: str
    came: str = ""
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a check found. ``how`` says how the commands of ``results`` were run; the last one is what was judged."""

    mismatches: tuple[Mismatch, ...] = ()
    results: tuple[CommandResult, ...] = ()
    how: str = ""


class Check(Protocol):
    """Look at one platform's image."""

    def check(self, subject: Subject) -> Outcome:
        """Return what is not as expected. Raises MultiArchError: the image cannot be read or run."""
        ...


class WholeCheck(Protocol):
    """Look at an image as a whole."""

    def check(self, subject: WholeSubject) -> Outcome:
        """Return what is not as expected. Raises MultiArchError: the image cannot be read."""
        ...
