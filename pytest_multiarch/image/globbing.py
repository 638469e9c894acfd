"""Patterns over an image's tree, as ``pathlib`` has them."""

from __future__ import annotations

import fnmatch
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pytest_multiarch.errors import LinkLoop, NotInImage
from pytest_multiarch.image.members import FileKind, Member
from pytest_multiarch.image.tree import Directory, below, find, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAGIC: Final = re.compile(r"[*?\[]")


def glob(root: Directory, pattern: str) -> list[str]:
    """Return the paths that a pattern matches, sorted.

    ``*``, ``?`` and ``[…]`` match within one name, hidden names included. ``**`` matches any number of directories,
    none included, and at the pattern's end everything below; it does not follow links. Names before the last may be
    links to directories, as in ``pathlib``. Patterns begin at the root, with or without a slash.
    """
    found: dict[str, Directory | Member] = {"": root}
    steps = _collapsed(parts_of(pattern))
    for position, step in enumerate(steps):
        is_last = position == len(steps) - 1
        matches = re.compile(fnmatch.translate(step)).match if _MAGIC.search(step) and step != "**" else None
        found = dict(
            pair
            for start, node in found.items()
            for pair in _step(root, start, node, step, matches=matches, is_last=is_last)
        )
    return sorted(path or "/" for path in found)


def _collapsed(steps: list[str]) -> list[str]:
    return [step for index, step in enumerate(steps) if step != "**" or steps[index - 1 : index] != ["**"]]


def _step(
    root: Directory,
    start: str,
    node: Directory | Member,
    step: str,
    *,
    matches: Callable[[str], object] | None,
    is_last: bool,
) -> Iterator[tuple[str, Directory | Member]]:
    if isinstance(node, Member) and node.kind is FileKind.SYMLINK:
        with suppress(NotInImage, LinkLoop):
            node = find(root, start, follow=True, tried="glob").node
    if not isinstance(node, Directory):
        return
    if step == "**":
        yield start, node
        yield from (pair for pair in below(start, node) if is_last or isinstance(pair[1], Directory))
    elif step == "..":
        with suppress(NotInImage, LinkLoop):
            yield f"{start}/..", find(root, f"{start}/..", follow=True, tried="glob").node
    elif matches is not None:
        for name, child in node.children.items():
            if isinstance(child, Directory | Member) and matches(name):
                yield f"{start}/{name}", child
    else:
        named = node.children.get(step)
        if isinstance(named, Directory | Member):
            yield f"{start}/{step}", named
