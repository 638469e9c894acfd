"""Files and directories in memory: of one layer with what it takes away, and of an image once all layers are applied.

What a layer adds lies in one tree, as in the upper directory of an overlay; it is made once and shared by all images
that have the layer. An image's tree has its own directories and the layers' members.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_multiarch.errors import LayerError, LinkLoop, NotInImage
from pytest_multiarch.image.members import FileKind, Member
from pytest_multiarch.image.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.image.limits import EntryBudget

STEPS_AN_ENTRY: Final = 16
"""How many steps along links count as one entry, where a layer is made of links to bind time."""

_MOST_LINKS: Final = 40  # the kernel's MAXSYMLINKS


class Whiteout(Enum):
    """Stand in a layer's tree for what the layer takes away from those below it."""

    WHITEOUT = "whiteout"


WHITEOUT: Final = Whiteout.WHITEOUT


@dataclass(slots=True, eq=False, repr=False)
class Directory:
    """Hold a directory's entries.

    ``implied`` ones are in the layer only as part of longer paths: they leave an existing directory's attributes alone.
    ``opaque`` ones hide what the layers below have in them.
    """

    member: Member
    children: dict[str, Node] = field(default_factory=dict)
    implied: bool = False
    opaque: bool = False


@dataclass(slots=True, eq=False, repr=False)
class LowerLink:
    """Stand in a layer's tree for a hard link to a file of a layer below."""

    name: str
    target: str
    member: Member


_IN_IMAGES: Final = (Directory, Member)  # made once: this is asked of every file, again and again
Node: TypeAlias = "Directory | Member | LowerLink | Whiteout"


@dataclass(frozen=True, slots=True)
class LayerTree:
    """Hold what one layer does: its files, its whiteouts in their place, and its hard links to layers below."""

    what: str
    root: Directory
    lower_links: tuple[LowerLink, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what is at a path, and the path without links: its parents, the root first, each with the name in it."""

    parents: tuple[tuple[Directory, str], ...]
    node: Directory | Member

    @property
    def path(self) -> str:
        """Return the absolute path."""
        return "/" + "/".join(name for _, name in self.parents)

    @property
    def member(self) -> Member:
        """Return what the archive says of it."""
        return self.node.member if isinstance(self.node, Directory) else self.node


def apply_layer(root: Directory, layer: LayerTree, budget: EntryBudget) -> None:
    """Change an image's tree by one more layer (image-spec ``layer.md``, "Applying Changesets").

    Hard links are found in the tree as it was: a layer may link to what it takes away. ``budget`` bounds how many
    symbolic links that takes.

    Raises LayerError: a hard link to nothing.
    """
    linked = {id(link): _lower_file(root, link, layer.what, budget) for link in layer.lower_links}
    waiting = [(root, layer.root)]
    while waiting:
        lower, upper = waiting.pop()
        if not upper.implied:
            lower.member = upper.member
        if upper.opaque:
            lower.children.clear()
        for name, node in upper.children.items():
            if node is WHITEOUT:
                lower.children.pop(name, None)
            elif isinstance(node, Directory):
                below = lower.children.get(name)
                if not isinstance(below, Directory):
                    below = lower.children[name] = Directory(node.member)
                waiting.append((below, node))
            elif isinstance(node, LowerLink):
                lower.children[name] = linked[id(node)]
            else:
                lower.children[name] = node


def find(
    root: Directory,
    path: str,
    *,
    follow: bool,
    tried: str,
    budget: EntryBudget | None = None,
    searched: dict[str, Member] | None = None,
) -> Found:
    """Return what is at a path of an image's tree, as the kernel would with the image as its root.

    Links are resolved inside the tree: absolute ones begin at its root, and ``..`` of the root is the root. ``follow``
    is about a link at the path's end; those on the way are always followed. ``searched`` takes the directories that a name is
    looked for in, those on the ways of links among them.

    Raises NotInImage: there is nothing. Raises LinkLoop: the links lead in a circle.
    """
    parents: list[tuple[Directory, str]] = []
    node: Directory | Member = root
    waiting = parts_of(path)[::-1]
    last_link = ""
    links = 0
    while waiting:
        part = waiting.pop()
        if not isinstance(node, Directory):
            raise NotInImage(tried, f"{plain(_joined(parents))} is a {node.kind.value}, no directory{last_link}")
        if searched is not None:
            searched.setdefault(_joined(parents), node.member)
        if part == "..":
            node = parents.pop()[0] if parents else root
            continue
        child = node.children.get(part)
        if child is None:
            raise NotInImage(tried, _nothing(parents, node, part, waiting) + last_link)
        if isinstance(child, Member) and child.kind is FileKind.SYMLINK and (waiting or follow):
            links += 1
            if links > _MOST_LINKS:
                raise LinkLoop(tried, f"more than {_MOST_LINKS} symbolic links, the last from {_joined(parents, part)}")
            last_link = f", where {plain(_joined(parents, part))} → {plain(child.target)} leads"
            if child.target.startswith("/"):
                parents, node = [], root
            steps = parts_of(child.target)[::-1]
            if budget is not None:
                budget.spend(1 + len(steps) // STEPS_AN_ENTRY)
            waiting += steps
            continue
        parents.append((node, part))
        assert isinstance(child, _IN_IMAGES)  # layers' marks do not come into an image's tree
        node = child
    return Found(tuple(parents), node)


def below(path: str, node: Directory) -> Iterator[tuple[str, Directory | Member]]:
    """Yield the path of everything below a directory, and what it is, each directory before what it holds, by name.

    ``path`` is the directory's, without a slash at its end.
    """
    waiting = _entries(path, node)
    while waiting:
        inner_path, inner = waiting.pop()
        yield inner_path, inner
        if isinstance(inner, Directory):
            waiting += _entries(inner_path, inner)


def _entries(path: str, node: Directory) -> list[tuple[str, Directory | Member]]:
    children = node.children
    return [
        (f"{path}/{name}", child)
        for name in sorted(children, reverse=True)
        if isinstance(child := children[name], _IN_IMAGES)
    ]


def parts_of(path: str) -> list[str]:
    """Return the names of a path, ``..`` among them."""
    return [part for part in path.split("/") if part not in ("", ".")]


def _joined(parents: Sequence[tuple[Directory, str]], *more: str) -> str:
    return "/" + "/".join([*(name for _, name in parents), *more])


def _nothing(parents: Sequence[tuple[Directory, str]], node: Directory, part: str, waiting: Sequence[str]) -> str:
    missing = plain(_joined(parents, part))
    kind = "directory" if waiting else "file"
    near = [name for name in node.children if name.lower() == part.lower()]
    return f"there is no {kind} {missing}" + (f", only {plain(near[0])}" if near else "")


def _lower_file(root: Directory, link: LowerLink, what: str, budget: EntryBudget) -> Member:
    """Return a link's target with the attributes that the link's own header gives it."""
    tried = f"apply {what}: find what {plain(link.name)} is a hard link to"
    try:
        found = find(root, link.target, follow=False, tried=tried, budget=budget)
    except (NotInImage, LinkLoop) as error:
        raise LayerError(tried, error.found, "No engine unpacks this layer") from None
    if isinstance(found.node, Directory):
        raise LayerError(tried, f"{plain(found.path)} is a directory", "No engine unpacks this layer")
    return linked_member(found.node, link.member)


def linked_member(target: Member, link: Member) -> Member:
    """Return a member with one file's content and another header's attributes."""
    return Member(
        kind=target.kind,
        mode=link.mode,
        uid=link.uid,
        gid=link.gid,
        user=link.user,
        group=link.group,
        mtime=link.mtime,
        size=target.size,
        target=target.target,
        device=target.device,
        xattrs=target.xattrs if link.xattrs is None else {**(target.xattrs or {}), **link.xattrs},
        offset=target.offset,
        extents=target.extents,
        content=target.content,
        layer=link.layer,
        begins=target.begins,
    )
