"""What runs of an image, pulled once by its manifest's digest: one warm container per platform, fresh ones, services."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.engine.agent.line import AgentLine
from pytest_multiarch.engine.cleanup import remove
from pytest_multiarch.engine.container import Container
from pytest_multiarch.engine.crashes import Judge, with_init
from pytest_multiarch.engine.launch import ImageGone, Subject, keep_up, run_once
from pytest_multiarch.engine.ledger import Owned
from pytest_multiarch.engine.request import RunRequest
from pytest_multiarch.engine.revival import Revival, never
from pytest_multiarch.engine.services import ServiceBook, start_service
from pytest_multiarch.engine.support import Support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_multiarch.engine.crashes import OnCrash
    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.ledger import Ledger
    from pytest_multiarch.engine.mounts import Mounts
    from pytest_multiarch.engine.services import Service
    from pytest_multiarch.engine.waiting import WaitFor
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult

T = TypeVar("T")


def as_read(image: PlatformImage) -> Reference:
    """Return where an image was read from: most daemons get it from there."""
    return image.reference


def as_native(platform: Platform) -> Judge:
    """Take every platform for the machine's own."""
    return Judge(Support(platform, "native"))


class Running:
    """Run images of one kind of origin: ``fetch`` brings one to the daemon of its platform, and may be asked again.

    ``find`` says where the daemon gets an image that it cannot get from where it was read, and may bring it there.
    ``judge`` gives what judges a platform's commands, and raises `PlatformUnavailable` where it does not run. ``note`` hears
    what the user should know of.

    A platform is addressed by its manifest's digest, never by the tag: on the classic image store a tag holds one platform
    and pulling another moves it (moby/moby#40520). Implements `pytest_multiarch.image.roles.Runner`.
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
        services: ServiceBook | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._judge = judge
        self._engine_for = engine_for
        self._find = find
        self._ledger = ledger
        self._fetch = fetch
        self._limit = limit
        self._on_result = on_result
        self._services = services if services is not None else ServiceBook()
        self._note = note
        self._lock = threading.RLock()
        self._fetched: dict[str, str] = {}
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
        stdin: str | bytes | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        tty: bool = False,
        timeout: float | None = None,
        emulator_crash: OnCrash = "raise",
    ) -> CommandResult:
        """Run the image in a fresh container and return the result; ``timeout`` is in seconds."""
        judge = self._judge(image.platform)
        request = RunRequest.of(
            args,
            env=env,
            user=user,
            workdir=workdir,
            stdin=stdin,
            mounts=mounts,
            network=network,
            entrypoint=entrypoint,
            privileged=privileged,
            cap_add=cap_add,
            tty=tty,
        )
        limit = judge.limit(self._limit if timeout is None else timeout)

        def once(init: bool) -> CommandResult:
            asked = replace(request, init=init)
            return self._with(
                image, lambda subject: run_once(subject, asked, name=self._ledger.new_name("run"), limit=limit)
            )

        result = judge.attempt(lambda: with_init(once, judge), emulator_crash)
        self._on_result(result)
        return result

    @contextmanager
    def start(
        self,
        image: PlatformImage,
        args: Sequence[str] | None = None,
        *,
        ports: Sequence[int | str] = (),
        wait_for: WaitFor | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Iterator[Service]:
        """Give the image's own program running, once it is ready; it is removed at the end of the block.

        ``timeout`` is in seconds, until it is ready.
        """
        judge = self._judge(image.platform)
        request = RunRequest.of(
            args,
            env=env,
            user=user,
            workdir=workdir,
            mounts=mounts,
            network=network,
            entrypoint=entrypoint,
            ports=ports,
            privileged=privileged,
            cap_add=cap_add,
        )
        name = self._ledger.new_name("service")
        ready_limit = judge.limit(self._limit if timeout is None else timeout)

        def start(init: bool) -> Service:
            return self._with(
                image,
                lambda subject: start_service(
                    subject,
                    replace(request, init=init),
                    name=name,
                    wait_for=wait_for,
                    limit=self._limit,
                    ready_limit=ready_limit,
                    on_result=self._on_result,
                    judge=judge,
                ),
            )

        try:
            service = with_init(start, judge)
            self._services.add(service)
            try:
                yield service
            finally:
                self._services.end(service)
        finally:
            self._remove(image, name)

    def warm_container(self, image: PlatformImage) -> Container:
        """Return the one container of this image that stays up until the run ends."""
        with self._lock:
            own = self._starting[image.digest]
        with own:  # one image's, so that a slow platform does not hold up the others
            if image.digest not in self._warm:
                self._warm[image.digest], _ = self._keep_up(image, self._ledger.new_name("warm"), is_shared=True)
            return self._warm[image.digest]

    @contextmanager
    def fresh_container(
        self,
        image: PlatformImage,
        *,
        mounts: Mounts = (),
        network: str | None = None,
        privileged: bool = False,
        cap_add: Sequence[str] = (),
    ) -> Iterator[Container]:
        """Give a container of the caller's own, removed at the end of the block; what it gets is as in ``run``."""
        request = RunRequest.of(None, mounts=mounts, network=network, privileged=privileged, cap_add=cap_add)
        name = self._ledger.new_name("fresh")
        try:
            container, agent = self._keep_up(image, name, request)
            with closing(agent) if agent is not None else nullcontext():
                yield container
        finally:
            self._remove(image, name)

    def _keep_up(
        self, image: PlatformImage, name: str, request: RunRequest | None = None, *, is_shared: bool = False
    ) -> tuple[Container, AgentLine | None]:
        """Return a container that stays up, and the line to its agent, which is closed with the engine at the latest."""
        judge, engine = self._judge(image.platform), self._engine_for(image.platform)
        # One test's own container fails that test only, which may have counted on more than the files in it.
        revive = Revival(engine, name, image.platform, self._note) if is_shared else never
        has_agent = self._with(image, lambda subject: keep_up(subject, name, request))
        agent = AgentLine(engine, name) if has_agent else None
        return Container(engine, name, image.platform, self._limit, self._on_result, judge, revive, agent), agent

    def _remove(self, image: PlatformImage, name: str) -> None:
        # What cannot be removed now stays in the book, and is tried again at the run's end.
        engine = self._engine_for(image.platform)
        remove(engine, self._ledger, [Owned("container", name, engine.endpoint)])

    def bring(self, image: PlatformImage) -> None:
        """Let the daemon that runs this image's platform have the image."""
        self._subject(image)

    def _with(self, image: PlatformImage, act: Callable[[Subject], T]) -> T:
        """Do something with an image that the daemon has; once more where somebody has removed it in the meantime.

        Asked of the daemon each time, that would cost more than most of its answers.
        """
        try:
            return act(self._subject(image))
        except ImageGone:
            self._fetched.pop(image.digest, None)
            return act(self._subject(image))

    def _subject(self, image: PlatformImage) -> Subject:
        """Return an image and the daemon that runs its platform, once it has the image, and what it calls the image."""
        reference = self._fetched.get(image.digest)
        if reference is None:
            reference = str(self._find(image))
            self._fetch(reference, image.platform)
            self._fetched[image.digest] = reference
        return Subject(self._engine_for(image.platform), self._ledger, image, reference)
