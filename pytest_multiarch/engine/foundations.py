"""Let the daemon have what images stand on while they are built: of most images that is nearly all, and takes seconds to unpack."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_multiarch.engine.builds import Build
    from pytest_multiarch.engine.coming_bases import ComingBases
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.platforms import Platform


class Foundation(NamedTuple):
    """Name the image that a platform's own stands on, by its manifest's digest, and the digest of its config."""

    reference: str
    config: str


def bring_foundations(
    build: Build,
    bases: ComingBases,
    platforms: Sequence[Platform],
    engine_for: Callable[[Platform], Engine],
    fetch: Callable[[str, Platform], None],
) -> None:
    """Pull what the platforms of a build stand on, each once the one before is built.

    Unpacking takes processors from the builds, and the first platform's tests come first. A platform that is built comes as a
    whole. What fails here does so again where the image itself is pulled, and is told there.
    """
    for platform in platforms:
        with suppress(MultiArchError):
            below = bases.of(platform).below(platform) if build.is_awaited(platform) else None
            # Again: it may have been built while its base was copied.
            if below is not None and build.is_awaited(platform) and not _is_there(engine_for(platform), below):
                fetch(below.reference, platform)
        with suppress(MultiArchError):
            build.platform(platform)


def _is_there(engine: Engine, foundation: Foundation) -> bool:
    """Say whether the daemon has the image under some name, or under none.

    The classic store, which knows images by their config, removes one together with the last name that it was given, also
    where it had none before: a multi-platform pull leaves such, and they are somebody's.
    """
    return engine.has_image(foundation.config)
