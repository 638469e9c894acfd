"""The main job in small, for real: a registry, a builder, an image of one file that is built, pushed, read back and run.

It stands on nothing (``FROM scratch``), so it works without any base image.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.engine.probe import probe_program
from pytest_multiarch.engine.progress import Silent
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.platforms import Platform

T = TypeVar("T")
_FILE = "program"


class Notes(Silent):
    """Listen to an environment, and keep what the user is to see once."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Hear a line that the user should see."""
        self.texts.append(text)

    def wait(self, future: Future[T], what: str = "") -> T:
        """Return the future's result."""
        return future.result()


def try_main_job(environment: Environment, notes: Notes, working: Callable[[str], None]) -> Iterator[Check]:
    """Yield a check for each step, up to the first that fails; ``working`` hears what comes next.

    ``notes`` is what the environment tells. It is left to the caller to close it.
    """
    name = "registry"
    try:
        working("starting a registry")
        yield _registry(environment)
        name = "builder"
        working("starting a builder")
        yield _builder(environment, notes)
        name = "build"
        platform = environment.engine().facts.platform
        program = probe_program(platform)
        working("building an image of one file")
        with tempfile.TemporaryDirectory(prefix="pytest-multiarch-doctor-") as folder:
            source, check = _build(environment, platform, Path(folder, "doctor"), program or b"no program is known")
            yield check
        if program is not None:
            name = "run"
            working("running that image")
            yield _run(source, platform)
    except MultiArchError as error:
        yield Check.of_error(name, error)


def clear_up(environment: Environment) -> Check:
    """Close an environment, and say what could not be removed."""
    problems = environment.close()
    if problems:
        return Check("clearing-up", "failure", problems[0], "\n".join(problems[1:]), {"left": len(problems)})
    return Check("clearing-up", "ok", "nothing is left", facts={"left": 0})


def _registry(environment: Environment) -> Check:
    started = time.monotonic()
    registry = environment.registry()
    facts = {"host": registry.host, "url": registry.url, "seconds": _since(started)}
    return Check("registry", "ok", f"the daemon reaches it at {registry.host}, tests at {registry.url}", facts=facts)


def _builder(environment: Environment, notes: Notes) -> Check:
    started = time.monotonic()
    builder = environment.builder()
    facts = {"driver": builder.driver, "seconds": _since(started)}
    if notes.texts:
        return Check("builder", "warning", f"driver {builder.driver}: {'; '.join(notes.texts)}", facts=facts)
    return Check("builder", "ok", f"driver {builder.driver}", facts=facts)


def _build(environment: Environment, platform: Platform, context: Path, content: bytes) -> tuple[ImageSource, Check]:
    started = time.monotonic()
    context.mkdir()
    (context / _FILE).write_bytes(content)
    (context / _FILE).chmod(0o755)
    (context / "Dockerfile").write_text(f"FROM scratch\nCOPY {_FILE} /\n", encoding="utf-8")
    source = environment.build(BuildSpec(context=context), (platform,))
    image = source.image()
    found = source.platform(platform).files.read_bytes(f"/{_FILE}")
    facts = {"platform": str(platform), "digest": image.digest, "seconds": _since(started)}
    if found != content:
        return source, Check("build", "failure", "what was pushed is not what was built", facts=facts)
    return source, Check("build", "ok", "an image was built, pushed, and read back", facts=facts)


def _run(source: ImageSource, platform: Platform) -> Check:
    started = time.monotonic()
    result = source.platform(platform).run([f"/{_FILE}"])
    facts = {"exit_code": result.exit_code, "seconds": _since(started)}
    if result.exit_code != 0:
        return Check("run", "failure", f"the image's program ended with exit code {result.exit_code}", facts=facts)
    return Check("run", "ok", "the daemon has pulled it by its digest, and run it", facts=facts)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
