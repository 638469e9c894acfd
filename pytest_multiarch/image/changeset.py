"""One layer's archive folded into a tree: what it adds, what it takes away, whatever the order of its entries.

Sources: image-spec ``layer.md``; where that is silent, what containerd does on an overlay (``pkg/archive/tar.go``,
``core/diff/apply/apply_linux.go``), because that is where images run:

- Names are cleaned first; ``..`` never leaves the root, absolute names begin there.
- A parent that is a symbolic link of the same layer is followed, inside the root. One of a layer below is not seen, and
  a directory takes its place.
- A parent that is missing becomes a directory with mode 0755 of root's, or keeps its attributes from the layers below.
- Of duplicate names the last wins, except that a directory over a directory keeps what is in it.
- A parent that is a file, a hard link to a directory, whiteouts of ``.`` and ``..`` make the layer unusable.

The specification wins in one thing: whiteouts never hide what their own layer brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from pytest_multiarch.errors import LayerError
from pytest_multiarch.image.members import FileKind, Member
from pytest_multiarch.image.tree import STEPS_AN_ENTRY, WHITEOUT, Directory, LayerTree, LowerLink, parts_of
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.image.limits import EntryBudget
    from pytest_multiarch.image.tar import TarEntry
    from pytest_multiarch.image.tree import Node

_PREFIX: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_AUFS: Final = ".wh..wh."
_MOST_LINKS: Final = 255  # continuity's fs.RootPath
_DEEPEST: Final = 2048  # PATH_MAX holds no more names


class Changeset:
    """Fold entries into a tree.

    Args:
        what: names the layer in errors.
        digest: the layer's digest, for the directories that it implies.
        budget: bounds the tree.

    """

    def __init__(self, what: str, digest: str, budget: EntryBudget) -> None:
        self._what = what
        self._budget = budget
        self._implied = implied_directory(digest)
        self._root = Directory(self._implied, implied=True)
        self._hidden: list[tuple[Directory, str]] = []
        self._lower_links: list[LowerLink] = []

    def fold(self, entries: Iterable[TarEntry]) -> LayerTree:
        """Return the tree of all entries.

        Raises LayerError: no engine could unpack them; else what reading the entries raises.
        """
        for name, member, links_to in entries:
            self._budget.spend(1)
            self._add(name, member, links_to)
        for name in [name for name in self._root.children if name.startswith(_AUFS)]:
            del self._root.children[name]  # AUFS kept its own files there, some of them linked to from elsewhere
        for directory, name in self._hidden:
            child = directory.children.get(name)
            if isinstance(child, Directory):
                child.opaque = True
            elif child is None:
                directory.children[name] = WHITEOUT
        return LayerTree(self._what, self._root, tuple(self._lower_links))

    def _add(self, name: str, member: Member, links_to: str) -> None:
        parts = _clean(name)
        if not parts:
            if member.kind is FileKind.DIRECTORY:
                self._root.member, self._root.implied = member, False
            return  # containerd passes over whatever else calls itself the root
        base = parts.pop()
        parent = self._directory(parts, name)
        if base.startswith(_PREFIX) and not (base.startswith(_AUFS) and parent is self._root and base != _OPAQUE):
            self._take_away(parent, base, name)
        elif links_to:
            parent.children[base] = self._linked(name, links_to, member)
        elif member.kind is not FileKind.DIRECTORY:
            parent.children[base] = member
        else:
            existing = parent.children.get(base)
            if isinstance(existing, Directory):
                existing.member, existing.implied = member, False
            else:
                parent.children[base] = Directory(member)

    def _take_away(self, parent: Directory, base: str, name: str) -> None:
        if base == _OPAQUE:
            parent.opaque = True
            return
        hidden = base[len(_PREFIX) :]
        if hidden in ("", ".", ".."):
            self._refuse(name, "it is a whiteout of no file")
        self._budget.spend(1)
        self._hidden.append((parent, hidden))

    def _directory(self, parts: list[str], name: str) -> Directory:
        """Return the directory that an entry goes to, made where it is not there."""
        directory = self._root
        for index, part in enumerate(parts):
            child = directory.children.get(part)
            if child is None:
                self._budget.spend(1)
                child = directory.children[part] = Directory(self._implied, implied=True)
            elif not isinstance(child, Directory):
                return self._directory_through(parts[:index], parts[index:], name)
            directory = child
        return directory

    def _directory_through(self, walked: list[str], rest: list[str], name: str) -> Directory:
        """Do the same where a link is on the way."""
        trail = [self._root]
        for part in walked:
            child = trail[-1].children[part]
            assert isinstance(child, Directory)
            trail.append(child)
        waiting = rest[::-1]
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                if len(trail) > 1:
                    trail.pop()
                continue
            node = trail[-1].children.get(part)
            if node is None:
                self._budget.spend(1)
                node = trail[-1].children[part] = Directory(self._implied, implied=True)
            if isinstance(node, Directory):
                trail.append(node)
                if len(trail) > _DEEPEST:
                    self._refuse(name, f"it would lie deeper than {_DEEPEST} directories")
                continue
            if not isinstance(node, Member) or node.kind is not FileKind.SYMLINK:
                self._refuse(name, f"{plain(part)!r}, where it should be, is no directory")
            links += 1
            if links > _MOST_LINKS:
                self._refuse(name, "symbolic links to where it should be lead in a circle")
            if node.target.startswith("/"):
                del trail[1:]
            waiting += self._steps(node)
        return trail[-1]

    def _linked(self, name: str, links_to: str, member: Member) -> Node:
        """Return what a hard link's target is, with the attributes of the link's header: so engines set them."""
        parts = _clean(links_to)
        found = self._lookup(parts)
        if isinstance(found, Directory) or not parts:
            self._refuse(name, f"it is a hard link to the directory {plain(links_to)!r}")
        if isinstance(found, Member):
            found.mode, found.uid, found.gid = member.mode, member.uid, member.gid
            found.user, found.group, found.mtime = member.user, member.group, member.mtime
            if member.xattrs is not None:
                found.xattrs = {**(found.xattrs or {}), **member.xattrs}
        if isinstance(found, LowerLink | Member):
            return found
        self._budget.spend(1)
        link = LowerLink(name, links_to, member)
        self._lower_links.append(link)
        return link

    def _lookup(self, parts: list[str]) -> Node | None:
        """Return what is at a path of this layer, links on the way followed, None where it is not in this layer."""
        trail: list[Node] = [self._root]
        waiting = parts[::-1]
        links = 0
        while waiting:
            part = waiting.pop()
            directory = trail[-1]
            if not isinstance(directory, Directory):
                return None
            if part == "..":
                if len(trail) > 1:
                    trail.pop()
                continue
            node = directory.children.get(part)
            if node is None:
                return None
            if waiting and isinstance(node, Member) and node.kind is FileKind.SYMLINK:
                links += 1
                if links > _MOST_LINKS:
                    return None
                if node.target.startswith("/"):
                    del trail[1:]
                waiting += self._steps(node)
                continue
            trail.append(node)
        return trail[-1]

    def _steps(self, link: Member) -> list[str]:
        """Return the parts of a link's target, the first last; the budget bounds the time that links take."""
        steps = parts_of(link.target)[::-1]
        self._budget.spend(1 + len(steps) // STEPS_AN_ENTRY)
        return steps

    def _refuse(self, name: str, found: str) -> NoReturn:
        raise LayerError(
            f"apply {self._what}: add {plain(name)!r}", found, "It was published so, and no engine unpacks it"
        )


def implied_directory(layer: str) -> Member:
    """Return the attributes of a directory that no archive describes: containerd's ``mkparent``."""
    return Member(
        kind=FileKind.DIRECTORY,
        mode=0o755,
        uid=0,
        gid=0,
        user="",
        group="",
        mtime=0.0,
        size=0,
        target="",
        device=None,
        xattrs=None,
        offset=0,
        extents=None,
        content=None,
        layer=layer,
    )


def _clean(name: str) -> list[str]:
    """Return a name's parts, as Go's ``filepath.Clean`` and then the root leave them."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts
