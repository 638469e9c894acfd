"""What runs of an image: pulled once by its manifest's digest, one warm container per platform, fresh ones on request."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.container import run_once, start_container
from pytest_multiarch.engine.crashes import Judge, with_init
from pytest_multiarch.engine.ledger import Owned
from pytest_multiarch.engine.support import Support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_multiarch.engine.container import Container
    from pytest_multiarch.engine.crashes import OnCrash
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult


def as_read(image: PlatformImage) -> Reference:
    """Return where an image was read from: most daemons get it from there."""
    return image.reference


def as_native(platform: Platform) -> Judge:
    """Take every platform for the machine's own."""
    return Judge(Support(platform, "native"))


class Running:
    """Run images of one kind of origin: ``fetch`` brings one to the daemon of its platform, and may be asked again.

    ``find`` says where the daemon gets an image that it cannot get from where it was read, and may bring it there.
    ``judge`` gives what judges a platform's commands, and raises `PlatformUnavailable` where it does not run.

    A platform is addressed by its manifest's digest, never by the tag: on the classic image store a tag holds one platform
    and pulling another moves it (moby/moby#40520). Implements `pytest_multiarch.image.platform_image.Runner`.
    """

    def __init__(
        self,
        engine_for: Callable[[Platform], Engine],
        ledger: Ledger,
        *,
        fetch: Callable[[str, Platform], None],
        limit: float,
        on_result: Callable[[CommandResult], None],
        find: Callable[[PlatformImage], Reference] = as_read,
        judge: Callable[[Platform], Judge] = as_native,
    ) -> None:
        self._judge = judge
        self._engine_for = engine_for
        self._find = find
        self._ledger = ledger
        self._fetch = fetch
        self._limit = limit
        self._on_result = on_result
        self._lock = threading.RLock()
        self._fetched: set[str] = set()
        self._warm: dict[str, Container] = {}
        self._starting: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def run(
        self,
        image: PlatformImage,
        args: Sequence[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        entrypoint: Sequence[str] | None = None,
        timeout: float | None = None,
        emulator_crash: OnCrash = "raise",
    ) -> CommandResult:
        """Run the image in a fresh container and return the result; ``timeout`` is in seconds."""
        judge = self._judge(image.platform)
        engine, reference = self.bring(image)

        def once(*, init: bool) -> CommandResult:
            return run_once(
                engine,
                self._ledger,
                reference,
                image.platform,
                args,
                name=self._ledger.new_name("run"),
                env=env,
                user=user,
                workdir=workdir,
                entrypoint=entrypoint,
                limit=judge.limit(self._limit if timeout is None else timeout),
                init=init,
            )

        result = judge.attempt(lambda: with_init(once, judge), emulator_crash)
        self._on_result(result)
        return result

    def warm_container(self, image: PlatformImage) -> Container:
        """Return the one container of this image that stays up until the run ends."""
        with self._lock:
            own = self._starting[image.digest]
        with own:  # one image's, so that a slow platform does not hold up the others
            if image.digest not in self._warm:
                self._warm[image.digest] = self._start(image, "warm")
            return self._warm[image.digest]

    @contextmanager
    def fresh_container(self, image: PlatformImage) -> Iterator[Container]:
        """Give a container of the caller's own, removed at the end of the block."""
        container = self._start(image, "fresh")
        try:
            yield container
        finally:
            engine = self._engine_for(image.platform)
            remove(engine, self._ledger, [Owned("container", container.name, engine.endpoint)])

    def _start(self, image: PlatformImage, what: str) -> Container:
        judge = self._judge(image.platform)
        engine, reference = self.bring(image)
        return start_container(
            engine,
            self._ledger,
            reference,
            image.platform,
            name=self._ledger.new_name(what),
            limit=self._limit,
            on_result=self._on_result,
            judge=judge,
        )

    def bring(self, image: PlatformImage) -> tuple[Engine, str]:
        """Return the daemon that runs this image's platform, once it has the image, and what it calls the image."""
        engine = self._engine_for(image.platform)
        reference = str(self._find(image))
        # Somebody may have removed it since: on the classic store, removing a tag takes the digests along.
        if reference not in self._fetched or not engine.has_image(reference):
            self._fetch(reference, image.platform)
            self._fetched.add(reference)
        return engine, reference
