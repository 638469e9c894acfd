"""One build of a run: its platforms side by side, each on its own, and their index."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_multiarch.engine.assembly import assemble
from pytest_multiarch.engine.sources import platform_pushed
from pytest_multiarch.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.platforms import Platform


class Build:
    """Hold the platforms of one build as they come. Thread-safe.

    ``start`` begins a platform's build, at its first use unless ``begin`` names it before. ``home`` gives the client of the
    registry that it is pushed to, and the tag there, once the registry is up.
    """

    def __init__(
        self,
        name: str,
        platforms: Sequence[Platform],
        start: Callable[[Platform], Future[BuiltPlatform]],
        home: Callable[[], tuple[RegistryClient, Reference]],
    ) -> None:
        self.name = name
        self.platforms = tuple(platforms)
        self._start = start
        self._home = home
        self._begun: dict[Platform, Future[BuiltPlatform]] = {}
        self._index = ""
        self._lock = threading.Lock()
        self._beginning = threading.Lock()

    @property
    def begun(self) -> tuple[Future[BuiltPlatform], ...]:
        """Return the platforms whose builds have begun."""
        with self._beginning:
            return tuple(self._begun.values())

    def begin(self, platforms: Iterable[Platform]) -> None:
        """Start building these of its platforms, and do not wait for them."""
        with self._beginning:
            for platform in platforms:
                if platform in self.platforms and platform not in self._begun:
                    self._begun[platform] = self._start(platform)

    def is_awaited(self, platform: Platform | None) -> bool:
        """Say whether a platform's build has begun and goes on; with None, that of any."""
        with self._beginning:
            return any(not future.done() for one, future in self._begun.items() if platform in (None, one))

    def platform(self, platform: Platform) -> BuiltPlatform:
        """Return what one platform's build has pushed, once it has; its siblings may go on. Raises `BuildError`."""
        if platform not in self.platforms:
            raise BuildError(
                f"looking for {platform} in {self.name}",
                f"this run builds {', '.join(map(str, self.platforms))}",
                "Name it with --multiarch-platforms.",
            )
        self.begin([platform])
        return self._begun[platform].result()

    def reference(self, platform: Platform) -> str:
        """Return the reference by which a daemon pulls a platform, once it is pushed: by its image's own digest."""
        built = self.platform(platform)
        client, tag = self._home()
        return str(platform_pushed(client, tag.with_digest(built.digest), platform).reference)

    def index(self) -> str:
        """Put the index together once all platforms are pushed, and return its digest. Raises `BuildError`: one failed."""
        self.begin(self.platforms)
        pushed = [(platform, self._begun[platform].result().digest) for platform in self.platforms]
        with self._lock:
            if not self._index:
                client, tag = self._home()
                self._index = assemble(client, tag, pushed, None).digest
            return self._index
