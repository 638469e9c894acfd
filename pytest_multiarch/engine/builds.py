"""One build of a run: its platforms side by side, each on its own, and their index."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pytest_multiarch.engine.assembly import assemble
from pytest_multiarch.engine.sources import platform_pushed
from pytest_multiarch.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from pytest_multiarch.engine.build import BuiltPlatform
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.platforms import Platform


class Build:
    """Hold the platforms of one build as they come. Thread-safe.

    ``home`` gives the client of the registry that it is pushed to, and the tag there, once the registry is up.
    """

    def __init__(
        self,
        name: str,
        platforms: Mapping[Platform, Future[BuiltPlatform]],
        home: Callable[[], tuple[RegistryClient, Reference]],
    ) -> None:
        self.name = name
        self.platforms = platforms
        self._home = home
        self._index = ""
        self._lock = threading.Lock()

    def platform(self, platform: Platform) -> BuiltPlatform:
        """Return what one platform's build has pushed, once it has; its siblings may go on. Raises `BuildError`."""
        if platform not in self.platforms:
            raise BuildError(
                f"looking for {platform} in {self.name}",
                f"this run builds {', '.join(map(str, self.platforms))}",
                "Name it with --multiarch-platforms.",
            )
        return self.platforms[platform].result()

    def reference(self, platform: Platform) -> str:
        """Return the reference by which a daemon pulls a platform, once it is pushed: by its image's own digest."""
        built = self.platform(platform)
        client, tag = self._home()
        return str(platform_pushed(client, tag.with_digest(built.digest), platform).reference)

    def index(self) -> str:
        """Put the index together once all platforms are pushed, and return its digest. Raises `BuildError`: one failed."""
        pushed = [(platform, future.result().digest) for platform, future in self.platforms.items()]
        with self._lock:
            if not self._index:
                client, tag = self._home()
                self._index = assemble(client, tag, pushed, None).digest
            return self._index
