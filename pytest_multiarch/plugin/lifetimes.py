"""Which fixtures of the user's would be set up again if tests ran in another order than pytest's. Looks at items only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pytest

_OURS = "pytest_multiarch.plugin"
_OUR_PARAMETERS = frozenset({"target_platform", "_multiarch_source"})
_WIDE = ("session", "package")


def is_shared_with_other_files(item: pytest.Item) -> bool:
    """Say whether a test has parameters by which pytest puts tests of several files together, with something to gain by it.

    That is a parameter of the user's own for the whole session or a package, or a fixture of the user's that is kept as long
    and depends on a parameter: on the platform, say.
    """
    parameters = _wide_parameters(item)
    if not parameters <= _OUR_PARAMETERS:
        return True
    # What has no parameters is set up once, wherever it stands.
    return bool(parameters) and any(
        definition.scope in _WIDE and _depends(definition, parameters, _found(item)) for definition in _users_own(item)
    )


def may_leave_its_neighbours(item: pytest.Item) -> bool:
    """Say whether a test uses no fixture of the user's that pytest keeps for its neighbours only.

    That is one of a class, module or package, or one of the session that has parameters or depends on one.
    """
    parameters = _wide_parameters(item)
    return parameters <= _OUR_PARAMETERS and not any(
        definition.scope != "session" or _depends(definition, parameters, _found(item))
        for definition in _users_own(item)
        if definition.scope != "function"
    )


def _wide_parameters(item: pytest.Item) -> frozenset[str]:
    # Not a public attribute, but the only place where pytest says how long it keeps a parameter.
    scopes: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "_arg2scope", {})
    return frozenset(name for name, scope in scopes.items() if scope.value in _WIDE)


def _found(item: pytest.Item) -> Mapping[str, Sequence[Any]]:
    # As above: which fixtures a test gets, the one that it gets by its name last.
    found: Mapping[str, Sequence[Any]] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return found


def _users_own(item: pytest.Item) -> Iterator[Any]:
    for name, definitions in _found(item).items():
        if name not in _OUR_PARAMETERS and not _is_ours(definitions[-1]) and not _is_pytests(definitions[-1]):
            yield definitions[-1]


def _depends(definition: Any, parameters: Collection[str], found: Mapping[str, Sequence[Any]]) -> bool:
    """Say whether a fixture asks for one of the parameters, by its arguments and theirs."""
    todo, seen = list(definition.argnames), set[str]()
    while todo:
        name = todo.pop()
        if name in parameters:
            return True
        if name not in seen:
            seen.add(name)
            todo += [argument for one in found.get(name, ()) for argument in one.argnames]
    return False


def _is_ours(definition: Any) -> bool:
    return str(getattr(definition.func, "__module__", "")).startswith(_OURS)


def _is_pytests(definition: Any) -> bool:
    return not definition.baseid and str(getattr(definition.func, "__module__", "")).startswith("_pytest.")
