"""Mappings of text that cannot change: hashable and picklable, unlike ``MappingProxyType``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

_Value = TypeVar("_Value", str, bytes)


class _Frozen(Mapping[str, _Value], Generic[_Value]):
    __slots__ = ("_pairs",)

    def __init__(self, pairs: Mapping[str, _Value] | None = None) -> None:
        self._pairs: dict[str, _Value] = dict(pairs or {})

    def __getitem__(self, key: str) -> _Value:
        return self._pairs[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __hash__(self) -> int:
        return hash(frozenset(self._pairs.items()))

    def __reduce__(self) -> tuple[type[_Frozen[_Value]], tuple[dict[str, _Value]]]:
        return (type(self), (dict(self._pairs),))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"


class FrozenMap(_Frozen[str]):
    """Hold annotations or labels in the order in which they were written."""

    __slots__ = ()


class FrozenBytesMap(_Frozen[bytes]):
    """Hold extended attributes in the order in which they were written."""

    __slots__ = ()
