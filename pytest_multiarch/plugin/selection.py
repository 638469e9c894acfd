"""Which tests run for which platforms, and what the collected tests will need. Looks at items only, never at Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_multiarch.errors import InvalidPlatform, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_multiarch.platforms import Platform

_PER_PLATFORM_FIXTURES = frozenset({"platform_image", "platform_container", "fresh_container"})
_PLATFORM_FIXTURES = frozenset({"multiarch_platforms", "target_platform"})
_READING_FIXTURES = frozenset({"multiarch_image", "multiarch_image_factory", "platform_image", "_multiarch_audit_run"})
_BUILDING_FIXTURES = frozenset({"multiarch_registry", "multiarch_builder"})
_CONTAINER_FIXTURES = frozenset({"platform_container", "fresh_container", "_multiarch_runs"})
_ENGINE_FIXTURES = _BUILDING_FIXTURES | _CONTAINER_FIXTURES
_DEFAULT_BUILD = "_multiarch_default_build"


class Needs(NamedTuple):
    """Say what the collected tests ask for.

    Not a dataclass: making one takes a millisecond, which every pytest run that has the plugin installed would pay.
    """

    platforms: bool
    image: bool
    engine: bool
    registry_or_builder: bool
    default_build: bool
    """Whether what is built is what the options say: no conftest has put another `multiarch_build` in its place."""
    builds: bool = True
    """Whether any test that uses the image needs it built: an acceptance file may name a reference instead."""

    @property
    def anything(self) -> bool:
        """Say whether any test uses the plugin beyond the list of platforms."""
        return self.image or self.engine


def needs(items: Sequence[pytest.Item]) -> Needs:
    """Return what these tests ask for, from the names of their fixtures."""
    names: set[str] = set()
    default_build = builds = False
    for item in items:
        default_build = default_build or _builds_default(item)
        own = set(getattr(item, "fixturenames", ()))
        if isinstance(given_platform(item), str):
            own.discard("target_platform")  # the test's own, see `is_parametrized_by_user`
        builds = builds or not _names_reference(item)
        names |= own
    image = bool(names & _READING_FIXTURES)
    engine = bool(names & _ENGINE_FIXTURES)
    return Needs(
        platforms=image or engine or bool(names & _PLATFORM_FIXTURES),
        image=image,
        engine=engine,
        registry_or_builder=bool(names & _BUILDING_FIXTURES),
        default_build=default_build,
        builds=builds,
    )


def is_parametrized_by_user(metafunc: pytest.Metafunc) -> bool:
    """Say whether the test names its own platforms with `pytest.mark.parametrize`, and see to it that the fixture gets them.

    Without ``indirect`` they take the fixture's place: as text, and of function scope, which `platform_image` cannot use.
    A test that uses no image may mean something else by the name; there they stay what the test has written.
    """
    uses_image = not _PER_PLATFORM_FIXTURES.isdisjoint(metafunc.fixturenames)
    found = False
    for node, mark in list(metafunc.definition.iter_markers_with_node("parametrize")):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        names = names.replace(",", " ").split() if isinstance(names, str) else list(names)
        if "target_platform" not in names:
            continue
        found = True
        options = {**dict(zip(("argnames", "argvalues", "indirect"), mark.args, strict=False)), **mark.kwargs}
        indirect = options.get("indirect", False)
        if not uses_image or indirect is True:
            continue
        options["indirect"] = list({*(indirect or ()), "target_platform"})
        options["scope"] = options.get("scope") or "session"
        # In place: pytest reads the marks after this. By identity: an equal mark may stand on another node.
        place = next(index for index, own in enumerate(node.own_markers) if own is mark)
        node.own_markers[place] = pytest.mark.parametrize(**options).mark
    return found


def grouped(platforms: Sequence[Platform], metafunc: pytest.Metafunc) -> list[Any]:
    """Return a test's platforms, each with the group by which ``--dist loadgroup`` keeps a platform's tests together.

    Only where pytest-xdist is there, whose mark it is, and not where the test has a group of its own.
    """
    has_groups = metafunc.config.pluginmanager.hasplugin("xdist")
    if not has_groups or metafunc.definition.get_closest_marker("xdist_group") is not None:
        return list(platforms)
    return [pytest.param(platform, marks=pytest.mark.xdist_group(str(platform))) for platform in platforms]


def lost_groups(items: Iterable[pytest.Item]) -> dict[str, str]:
    """Return the groups of tests that pytest-xdist's controller does not see, by the tests' ids.

    pytest-xdist puts a test's group into its id, and up to 3.8 where pytest 9.2 no longer looks (pytest-dev/pytest-xdist#1386).
    """
    found = {}
    for item in items:
        names = {
            str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
            for mark in item.iter_markers("xdist_group")
        }
        group = "_".join(sorted(names))
        if group and not item.nodeid.endswith(f"@{group}"):
            found[item.nodeid] = group
    return found


def overriding_build(metafunc: pytest.Metafunc) -> object | None:
    """Return what tells the `multiarch_build` of a test that uses the image from other tests' ones; None for the plugin's own."""
    if "_multiarch_source" not in metafunc.fixturenames:
        return None
    definitions = _build_definitions(metafunc.definition)
    return definitions[-1] if len(definitions) > 1 else None


def _builds_default(item: pytest.Item) -> bool:
    """Say whether a test's `multiarch_build` is the plugin's own, or an override that asks for it."""
    if _DEFAULT_BUILD in getattr(item, "fixturenames", ()):
        return True
    # The closure of older versions of pytest (8.4) leaves out what only an overridden fixture asks for.
    definitions = _build_definitions(item)
    return bool(definitions) and all("multiarch_build" in one.argnames for one in definitions[1:])


def _names_reference(item: pytest.Item) -> bool:
    """Say whether a test's own file names the reference that it is about."""
    definitions = _build_definitions(item)
    return bool(definitions) and bool(getattr(definitions[-1].func, "names_reference", False))


def builds_something_else(item: pytest.Item) -> bool:
    """Say whether a conftest has put another `multiarch_build` in the place of the plugin's own for this test."""
    return len(_build_definitions(item)) > 1


def _build_definitions(item: pytest.Item) -> Sequence[Any]:
    """Return the fixtures called `multiarch_build` that this test sees, the plugin's own first, the one that it gets last."""
    # Not a public attribute, but the only place where pytest says which of several fixtures of one name a test gets.
    found: Mapping[str, Sequence[Any]] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return found.get("multiarch_build", ())


def split_by_marker(
    items: Sequence[pytest.Item], refuse: Callable[[UsageProblem, Sequence[pytest.Item]], None]
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the items that stay and those that `@pytest.mark.platforms` excludes.

    ``refuse`` is called for an item whose marker names no platform; if it returns, the item stays.
    """
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        try:
            excluded = any(_excludes(mark, item) for mark in item.iter_markers("platforms"))
        except UsageProblem as problem:
            refuse(problem, [item])
            excluded = False
        (dropped if excluded else kept).append(item)
    return kept, dropped


def _excludes(mark: pytest.Mark, item: pytest.Item) -> bool:
    from pytest_multiarch.platforms import Platform

    given = given_platform(item)
    if given is None:
        return False
    # A test that parametrizes by itself may write platforms as text.
    return (given if isinstance(given, Platform) else Platform.parse(str(given))) not in _named(item, mark)


def platform_of(item: pytest.Item) -> Platform | None:
    """Return the platform of this test, None where it has none that can be told before it runs."""
    given = given_platform(item)
    if given is None:
        return None
    from pytest_multiarch.platforms import Platform

    if isinstance(given, Platform):
        return given
    try:
        return Platform.parse(str(given))
    except InvalidPlatform:
        return None  # its own fixture tells


def uses_image(item: pytest.Item) -> bool:
    """Say whether the test uses one platform's image, to read it or to run it."""
    return not _PER_PLATFORM_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def uses_containers(item: pytest.Item) -> bool:
    """Say whether the test runs something for certain; what `platform_image` is used for shows only when the test does."""
    return not _CONTAINER_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def given_platform(item: pytest.Item) -> object:
    """Return what a test is given as its platform: a `Platform`, what the test has written in its place, or None."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("target_platform") if callspec is not None else None


def _named(item: pytest.Item, mark: pytest.Mark) -> tuple[Platform, ...]:
    from pytest_multiarch.platforms import Platform

    where = f"@pytest.mark.platforms of {item.nodeid}"
    if not mark.args or mark.kwargs:
        raise UsageProblem(
            f"reading {where}", "it names no platform", "Write it as @pytest.mark.platforms('linux/arm64')."
        )
    try:
        return tuple(Platform.parse(str(text)) for text in mark.args)
    except InvalidPlatform as error:
        raise UsageProblem(f"{error.tried} in {where}", error.found, error.hint) from None
