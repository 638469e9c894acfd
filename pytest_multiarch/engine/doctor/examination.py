"""All checks in their order: what needs nothing first, what starts something last."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from pytest_multiarch.engine.docker import Engine
from pytest_multiarch.engine.doctor.check import Check
from pytest_multiarch.engine.doctor.client import check_buildx
from pytest_multiarch.engine.doctor.daemon import check_docker, check_store, read_info
from pytest_multiarch.engine.doctor.disk import check_daemon_space, check_temporary_space
from pytest_multiarch.engine.doctor.images import check_buildkit_image, check_registry_image
from pytest_multiarch.engine.doctor.leftovers import check_leftovers
from pytest_multiarch.engine.doctor.logins import check_credentials
from pytest_multiarch.engine.doctor.mirrors import check_mirrors
from pytest_multiarch.engine.doctor.platforms import check_platforms
from pytest_multiarch.engine.doctor.trial import Notes, clear_up, try_main_job
from pytest_multiarch.engine.environment import Environment
from pytest_multiarch.errors import EngineError, EngineUnavailable
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_multiarch.engine.options import EngineOptions

_USUAL = ("linux/amd64", "linux/arm64")


def examine(options: EngineOptions, platforms: Sequence[Platform], working: Callable[[str], None]) -> Iterator[Check]:
    """Yield what each check finds; ``working`` hears what is looked at next.

    ``platforms`` are those that have to run; without any, the usual ones are looked at. What needs something that is not there
    is left out: the check before says why.
    """
    working("asking the Docker daemon")
    try:
        engine = Engine.connect()
    except EngineUnavailable as error:
        yield Check.of_error("docker", error)
        yield check_buildx(os.environ)
        yield from _local()
        working("looking for leftovers")
        yield check_leftovers(None)
        return
    can_be_tried = True
    with closing(engine):
        for check in _with_engine(engine, options, working):
            yield check
            can_be_tried = can_be_tried and check.status != "failure"
        wanted = tuple(platforms) or tuple(dict.fromkeys([engine.facts.platform, *map(Platform.parse, _USUAL)]))
    notes = Notes()
    environment = Environment(options, notes, lambda result: None)
    try:
        working("trying how platforms run")
        yield from check_platforms(environment.supports.of, wanted, are_wanted=bool(platforms))
        if can_be_tried:
            yield from try_main_job(environment, notes, working)
    finally:
        working("clearing up")
        cleared = clear_up(environment)
    yield cleared


def _with_engine(engine: Engine, options: EngineOptions, working: Callable[[str], None]) -> Iterator[Check]:
    try:
        info = read_info(engine)
    except EngineError as error:
        yield Check.of_error("docker", error)
        return
    yield check_docker(engine, info)
    yield check_store(engine.facts)
    working("asking buildx")
    yield check_buildx(engine.environ)
    working("looking for images")
    yield check_registry_image(engine, options.registry_image)
    yield check_buildkit_image(engine, options.buildkit_image)
    working("asking the mirrors")
    yield check_mirrors(engine)
    yield from _local()
    space = check_daemon_space(engine, info)
    if space is not None:
        yield space
    working("looking for leftovers")
    yield check_leftovers(engine)


def _local() -> Iterator[Check]:
    yield check_credentials()
    yield check_temporary_space()
