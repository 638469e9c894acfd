"""Read our own files: strictly, with the place of what is wrong. Nothing that a file says is executed by reading it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_multiarch.acceptance.cases import Case, Needs, Suite, lines_of
from pytest_multiarch.acceptance.documents import Listing, Mapping, read_document
from pytest_multiarch.acceptance.places import BadFile, Problem
from pytest_multiarch.acceptance.suite.making import make_check, make_whole_check
from pytest_multiarch.acceptance.suite.schema import SUITE, TESTS, WHOLE
from pytest_multiarch.acceptance.suite.templates import VARIANTS, for_platform, platforms_named
from pytest_multiarch.acceptance.suite.values import CONTAINER_OPTIONS
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from pytest_multiarch.acceptance.checks import Check, WholeCheck
    from pytest_multiarch.acceptance.documents import Value
    from pytest_multiarch.acceptance.objects import Record

_ANY = Platform.parse("linux/amd64")


def read_suite(text: str, file: str, *, folder: Path | None = None) -> Suite:
    """Return the tests of a file; ``file`` names it in messages, paths in it are relative to ``folder``.

    Raises BadFile: it cannot be read, or says what is not known.
    """
    document = read_document(text, file)
    problems: list[Problem] = []
    tests = _tests_of(document)
    named = [tuple(platforms_named(test, problems)) for test in tests]
    record: Record = SUITE.read(_for_any_platform(document), problems)
    for test, platforms in zip(tests, named, strict=True):
        kind = next((kind for kind in TESTS if test.get(kind) is not None), None)
        if kind in WHOLE and (variants := test.get(VARIANTS)) is not None:
            problems.append(Problem(variants.place, f"{kind} looks at all platforms at once: there is no per_platform"))
        elif kind is not None:
            for platform in platforms:
                TESTS[kind].read(for_platform(test, platform), problems)
    if problems:
        raise BadFile(file, problems)
    of_file = _platforms(record.get("platforms"))
    cases = (
        _case(kind, found, test, text, of_file) for (kind, found), test in zip(record.get("tests"), tests, strict=True)
    )
    return Suite(file=file, cases=tuple(cases), image=_image(record.get("image"), folder or Path()))


@dataclass(frozen=True, slots=True)
class _Making:
    """Make a test's check for a platform."""

    kind: str
    test: Mapping

    def __call__(self, platform: Platform) -> Check:
        problems: list[Problem] = []
        record = TESTS[self.kind].read(for_platform(self.test, platform), problems)
        if problems:
            raise BadFile(self.test.place.file, problems)
        return make_check(self.kind, record)


def _case(kind: str, found: Record, test: Mapping, text: str, of_file: tuple[Platform, ...] | None) -> Case:
    whole: WholeCheck | None = make_whole_check(kind, found) if kind in WHOLE else None
    kept_to = (of_file, _platforms(found.get("platforms")))
    return Case(
        group="",
        name=found.get("name"),
        place=test.place,
        source=lines_of(text, test.place.line, test.end),
        needs=Needs.WHOLE if whole is not None else _needs(kind, found),
        make=_Making(kind, test),
        whole=whole,
        platforms=() if whole is not None else tuple(one for one in kept_to if one is not None),
    )


def _needs(kind: str, found: Record) -> Needs:
    if kind == "exec":
        what: Record = found.get("exec")
        has_own = any(what.get(key) for key in ("fresh", "setup", *CONTAINER_OPTIONS))
        return Needs.RUNNING if has_own else Needs.WARM
    if kind in ("run", "service"):
        return Needs.RUNNING
    return Needs.CONFIG if kind == "config" else Needs.FILES


def _tests_of(document: Value) -> list[Mapping]:
    listed = document.get("tests") if isinstance(document, Mapping) else None
    return [test for test in listed.items if isinstance(test, Mapping)] if isinstance(listed, Listing) else []


def _for_any_platform(value: Value, key: str = "") -> Value:
    """Return the file with its tests as they stand where ``per_platform`` says nothing."""
    if isinstance(value, Mapping) and not key:
        entries = (replace(entry, value=_for_any_platform(entry.value, entry.key)) for entry in value.entries)
        return replace(value, entries=tuple(entries))
    if isinstance(value, Listing) and key == "tests":
        return replace(value, items=tuple(_for_any_platform(item, "test") for item in value.items))
    if isinstance(value, Mapping) and key == "test":
        own = replace(value, entries=tuple(entry for entry in value.entries if entry.key != VARIANTS))
        return for_platform(own, _ANY)
    return value


def _platforms(texts: tuple[str, ...] | None) -> tuple[Platform, ...] | None:
    return None if texts is None else tuple(map(Platform.parse, texts))


def _image(image: Record | None, folder: Path) -> BuildSpec | str | None:
    if image is None:
        return None
    build: Record | None = image.get("build")
    if build is None:
        return str(image.get("reference"))
    dockerfile = build.get("dockerfile")
    return BuildSpec(
        context=(folder / build.get("context", ".")).absolute(),
        dockerfile=None if dockerfile is None else (folder / dockerfile).absolute(),
        target=build.get("target"),
        args=build.get("args") or {},
    )
