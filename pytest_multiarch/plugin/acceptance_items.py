"""Acceptance files as tests: a module for each file, with a function for each case, parametrized as any test of a user's is."""

from __future__ import annotations

import re
import types
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.acceptance import BadFile, Needs, describe_failure, harmless
from pytest_multiarch.acceptance.checks import Subject, WholeSubject
from pytest_multiarch.errors import MultiArchError
from pytest_multiarch.image.wording import plain
from pytest_multiarch.plugin.ahead import FILES, WARM, Ahead
from pytest_multiarch.plugin.reports import without_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytest_multiarch.acceptance import Case, Suite
    from pytest_multiarch.acceptance.checks import Outcome
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform

# What pytest takes for something else than a test where a module or a class has it.
_TAKEN = re.compile(
    r"__\w+__|pytest\w*|multiarch_build|(setup|teardown)(_module|_class|_method|_function)?|setUp\w*|tearDown\w*"
)


class AcceptanceFailure(AssertionError):
    """Say that an image is not as a case expects it."""

    def __init__(self, case: Case, platform: Platform | None, outcome: Outcome) -> None:
        super().__init__(describe_failure(case, platform, outcome))
        self.case = case
        self.outcome = outcome


class AcceptanceFile(pytest.Module):
    """Hold the tests of one file. One that is bad holds a single test, which fails with all that is wrong: others still run."""

    read: Callable[[str, str], Suite]
    has_own_image = False

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, read: Callable[[str, str], Suite]) -> AcceptanceFile:
        """Return the tests of a file; ``read`` takes its text and its name."""
        node: AcceptanceFile = cls.from_parent(parent, path=path)
        node.read = read
        return node

    def _getobj(self) -> types.ModuleType:
        """Return the module, which is made here and not imported."""
        module = types.ModuleType(self.path.name)
        name = self.nodeid
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
            suite = self.read(text, name)
        except (BadFile, OSError, UnicodeDecodeError) as error:
            problem = error if isinstance(error, BadFile) else BadFile.of_error(name, error)
            module.file_is_valid = _test_of_problem(problem, self.path)  # type: ignore[attr-defined]
            return module
        if suite.image is not None:
            self.has_own_image = True
            module.__dict__["multiarch_build"] = _fixture_of_image(suite.image)
        groups: dict[str, Any] = {}
        for case in suite.cases:
            groups.setdefault(case.group, {})
        for group, names in groups.items():
            for case in suite.cases:
                if case.group == group:
                    own = _unique(case.name, names)
                    names[own] = _test_of_case(case, own, self.path, in_class=bool(group))
            target = {group: type(group, (), {**names, "__test__": True})} if group else names
            module.__dict__.update(target)
        return module

    def istestfunction(self, obj: object, name: str) -> bool:
        """Tell that all functions are tests, whatever the names of the user's are."""
        return isinstance(obj, types.FunctionType)

    def istestclass(self, obj: object, name: str) -> bool:
        """Tell that all classes hold tests."""
        return isinstance(obj, type)


class AcceptancePlugin:
    """Prepare what cases need, and show failed ones as they stand in their files; registered with the first file."""

    def __init__(self) -> None:
        self._wanted: dict[AcceptanceFile | None, list[tuple[Platform, str]]] = {}
        self._ahead: dict[AcceptanceFile | None, Ahead] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Look at what all cases will need; not in a worker of pytest-xdist, which gets some of them only."""
        if hasattr(session.config, "workerinput"):
            return
        for item in getattr(session, "items", []):
            if (wanted := _wanted(item)) is not None:
                self._wanted.setdefault(_image_key(item), []).append(wanted)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Begin to prepare, at the first case of an image that is there already, and wait for what this case needs."""
        wanted = _wanted(item)
        source = getattr(item, "funcargs", {}).get("_multiarch_source")
        if wanted is None or source is None or not getattr(source, "is_published", False):
            return
        key = _image_key(item)
        if key not in self._ahead:
            self._ahead[key] = Ahead(source, self._wanted.get(key, ()))
        self._ahead[key].wait(*wanted)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Begin nothing more: all is removed after this."""
        for ahead in self._ahead.values():
            ahead.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show what was found, or why the image cannot be read, without a traceback: no code of the user's is in it."""
        report = yield
        if item.getparent(AcceptanceFile) is None or call.when != "call" or call.excinfo is None:
            return report
        if isinstance(call.excinfo.value, AcceptanceFailure | MultiArchError):
            report.longrepr = without_traceback(call.excinfo)
        report.sections = [(name, harmless(text)) for name, text in report.sections]
        return report


def _wanted(item: pytest.Item) -> tuple[Platform, str] | None:
    """Return what a case needs that can be prepared, and of which platform."""
    what = getattr(getattr(item, "function", None), "wants", None)
    callspec = getattr(item, "callspec", None)
    if item.getparent(AcceptanceFile) is None or what is None or callspec is None:
        return None
    return callspec.params["target_platform"], what


def _image_key(item: pytest.Item) -> AcceptanceFile | None:
    """Return the file that a case stands in where that has an image of its own, None for the run's."""
    file = item.getparent(AcceptanceFile)
    return file if file is not None and file.has_own_image else None


def _unique(name: str, taken: dict[str, Any]) -> str:
    """Return a name that can be part of a test's id, and that no other test of the file has."""
    own = plain(name).replace("::", ":") or "unnamed"
    if _TAKEN.fullmatch(own):
        own = f"{own} (test)"
    number = 1
    while own in taken:
        number += 1
        own = f"{plain(name).replace('::', ':')} ({number})"
    return own


def _test_of_case(case: Case, name: str, path: Path, *, in_class: bool) -> Any:
    """Return a case as a test. Its arguments decide what is waited for: files, containers, or the image as a whole."""

    def reading(platform_image: PlatformImage, _multiarch_source: ImageSource) -> None:
        _judge(case, platform_image, _multiarch_source)

    def running(platform_image: PlatformImage, _multiarch_source: ImageSource, _multiarch_runs: None) -> None:
        _judge(case, platform_image, _multiarch_source)

    def whole(multiarch_image: MultiArchImage, multiarch_platforms: tuple[Platform, ...]) -> None:
        assert case.whole is not None
        _raise(case, None, case.whole.check(WholeSubject(multiarch_image, multiarch_platforms)))

    function: Any = reading
    if case.needs in (Needs.WARM, Needs.RUNNING):
        function = running
    elif case.needs is Needs.WHOLE:
        function = whole
    function.wants = {Needs.WARM: WARM, Needs.FILES: FILES}.get(case.needs)
    _stand_at(function, name, path, case.place.line)
    for platforms in case.platforms:
        function = pytest.mark.platforms(*map(str, platforms))(function)
    if not in_class:
        return function
    method: Any = staticmethod(function)
    method.__test__ = True
    return method


def _fixture_of_image(image: BuildSpec | str) -> Any:
    """Return the fixture that puts a file's own image in the place of the run's."""

    def multiarch_build() -> BuildSpec | str:
        """Return what this file is about."""
        return image

    multiarch_build.names_reference = isinstance(image, str)  # type: ignore[attr-defined]
    return pytest.fixture(scope="session")(multiarch_build)


def _test_of_problem(problem: BadFile, path: Path) -> Any:
    def fail() -> None:
        raise problem

    _stand_at(fail, "file_is_valid", path, problem.problems[0].place.line)
    return fail


def _stand_at(function: Any, name: str, path: Path, line: int) -> None:
    function.__test__ = True
    function.__name__ = function.__qualname__ = name
    # Reports name the place where a function was written: ours would be the plugin's.
    function.__code__ = function.__code__.replace(co_filename=str(path), co_name=name, co_firstlineno=line)


def _judge(case: Case, image: PlatformImage, source: ImageSource) -> None:
    subject = Subject(
        image,
        warm=lambda: source.running.warm_container(image),
        fresh=lambda **options: source.running.fresh_container(image, **options),
    )
    _raise(case, image.platform, case.make(image.platform).check(subject))


def _raise(case: Case, platform: Platform | None, outcome: Outcome) -> None:
    if outcome.mismatches:
        raise AcceptanceFailure(case, platform, outcome)
