"""The stages of a Dockerfile: what each stands on, for which platform, and what it takes from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.dockerfile.reading import (
    declare,
    predefined,
    read_from,
    read_instructions,
    sources_of,
    split_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stage:
    """Describe one stage.

    ``base`` is the image that it stands on, empty for a stage on a stage, whose place is then ``parent``. ``platform`` is
    what ``FROM --platform=`` says, empty for the target's own; BuildKit's variables stay as they are written
    (``$BUILDPLATFORM``). ``line`` is its FROM's, from 1. ``takes_from`` are the places of the stages that it copies from
    or mounts.
    """

    place: int
    name: str
    base: str
    parent: int | None
    platform: str
    line: int
    takes_from: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """Describe an ARG: its name, its default (None where it has none), its line, and its stage, None before the first FROM."""

    name: str
    default: str | None
    line: int
    stage: int | None


def read_arguments(path: Path) -> tuple[Argument, ...]:
    """Return a Dockerfile's ARG instructions in its order; defaults as they are written, without quotes.

    Raises `UsageProblem` where it cannot be read.
    """
    found = []
    stage: int | None = None
    for instruction in read_instructions(path):
        if instruction.name == "FROM":
            stage = 0 if stage is None else stage + 1
        elif instruction.name == "ARG":
            for name, default in split_arguments(instruction.value):
                found.append(Argument(name, default, instruction.line, stage))
    return tuple(found)


def read_stages(path: Path, args: Mapping[str, str]) -> tuple[Stage, ...]:
    """Return a Dockerfile's stages in its order. Raises `UsageProblem` where it cannot be read."""
    values = predefined(args)
    found: list[Stage] = []
    taken: list[list[str]] = []
    places: dict[str, int] = {}
    for instruction in read_instructions(path):
        if instruction.name == "ARG" and not found:
            declare(instruction.value, values, args)
        elif instruction.name == "FROM":
            image, name = read_from(instruction.value, instruction.line, values)
            # FROM knows the stages above it.
            parent = places.get(image.reference.lower())
            base = image.reference if parent is None else ""
            found.append(Stage(len(found), name, base, parent, image.platform, instruction.line))
            taken.append([])
            if name:
                places[name.lower()] = len(found) - 1
        elif instruction.name in ("COPY", "ADD", "RUN") and found:
            taken[-1] += sources_of(instruction.value)
    return tuple(_with_sources(stage, names, places) for stage, names in zip(found, taken, strict=True))


def needed_stages(stages: Sequence[Stage], target: str | None) -> tuple[Stage, ...]:
    """Return the stages that building ``target`` needs, itself last; the last stage where None is given.

    Empty where there is no such stage: the build will say so.
    """
    last = len(stages) - 1 if target is None else _place(target, stages)
    if last is None or not 0 <= last < len(stages):
        return ()
    needed: set[int] = set()
    waiting = [last]
    while waiting:
        place = waiting.pop()
        if place in needed:
            continue
        needed.add(place)
        stage = stages[place]
        waiting += [*stage.takes_from, *([stage.parent] if stage.parent is not None else [])]
    return (*(stages[place] for place in sorted(needed - {last})), stages[last])


def stands_on(stages: Sequence[Stage], target: str | None) -> tuple[Stage, ...]:
    """Return ``target`` and, in turn, the stage that each stands on; the last one stands on an image.

    ``target`` as in `needed_stages`; empty where there is no such stage.
    """
    found = list(needed_stages(stages, target)[-1:])
    while found and found[-1].parent is not None:
        found.append(stages[found[-1].parent])
    return tuple(found)


def _with_sources(stage: Stage, names: Sequence[str], places: Mapping[str, int]) -> Stage:
    found = []
    for name in names:
        place = int(name) if name.isdecimal() else places.get(name.lower())
        # A number means a stage above; whatever else is no stage is an image.
        if place is not None and place != stage.place and (not name.isdecimal() or place < stage.place):
            found.append(place)
    return Stage(
        stage.place, stage.name, stage.base, stage.parent, stage.platform, stage.line, tuple(dict.fromkeys(found))
    )


def _place(target: str, stages: Sequence[Stage]) -> int | None:
    if target.isdecimal():
        return int(target)
    return next((stage.place for stage in reversed(stages) if stage.name.lower() == target.lower()), None)
