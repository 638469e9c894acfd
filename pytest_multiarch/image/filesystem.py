"""The files of one platform's image: a read-only tree after all layers. Nothing runs, no file is unpacked by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from pytest_multiarch.errors import DocumentError, FileProblem, LinkLoop, NotInImage
from pytest_multiarch.image.changeset import implied_directory
from pytest_multiarch.image.entries import NO_XATTRS, FileEntry
from pytest_multiarch.image.globbing import glob
from pytest_multiarch.image.limits import READ_LIMIT, EntryBudget
from pytest_multiarch.image.members import FileKind
from pytest_multiarch.image.tree import Directory, apply_layer, below, find
from pytest_multiarch.image.wording import plain
from pytest_multiarch.oci.mapping import FrozenBytesMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.image.entries import Who
    from pytest_multiarch.image.layers import Layer
    from pytest_multiarch.image.members import Member
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.roles import Layers
    from pytest_multiarch.image.tree import Found
    from pytest_multiarch.oci import Descriptor


class ImageFiles:
    """Read the files of an image as its processes would see them, without running any.

    Paths are absolute inside the image; one without a leading slash begins at the root, too. Symbolic links are followed
    inside the image and never outside it, at most 40 of them, as the kernel does.

    Args:
        what: names the image in errors.
        layers: the lowest first.
        foreign: layers that may not be distributed and are not read; what they bring is missing here.

    Raises LayerError: the layers cannot be applied.

    """

    def __init__(self, what: str, layers: Sequence[Layer], foreign: Sequence[Descriptor] = ()) -> None:
        self.layers = tuple(layers)
        self.foreign = tuple(foreign)
        self._what = what
        self._places = {layer.digest: index for index, layer in enumerate(layers)}
        self._root = Directory(implied_directory(layers[0].digest if layers else ""))
        for layer in layers:
            apply_layer(self._root, layer.tree, EntryBudget(layer.what, layer.entry_limit))

    def __repr__(self) -> str:
        return f"<ImageFiles of {self._what}>"

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at a path; a link that leads nowhere, or in a circle, is nothing."""
        return self._seek(path) is not None

    def is_file(self, path: str) -> bool:
        """Tell whether a path is a regular file, or a link to one."""
        return self._is(path, FileKind.FILE)

    def is_dir(self, path: str) -> bool:
        """Tell whether a path is a directory, or a link to one."""
        return self._is(path, FileKind.DIRECTORY)

    def is_symlink(self, path: str) -> bool:
        """Tell whether a path is a symbolic link, wherever it leads."""
        return self._is(path, FileKind.SYMLINK, follow=False)

    def stat(self, path: str, *, follow: bool = True) -> FileEntry:
        """Return what is at a path; ``follow`` is about a link at its end.

        Raises NotInImage: there is nothing. Raises LinkLoop: the links lead in a circle.
        """
        found = self._find(path, "look for", follow=follow)
        return self._entry(found.path, found.member)

    def searched(self, path: str) -> list[FileEntry]:
        """Return the directories that looking for a path goes through, those on the ways of links among them, in that order.

        A process needs the permission to execute each of them (path_resolution(7)). Raises what ``stat`` raises.
        """
        members: dict[str, Member] = {}
        find(self._root, path, follow=True, tried=self._tried("look for", path), searched=members)
        return [self._entry(place, member) for place, member in members.items()]

    def mode(self, path: str) -> int:
        """Return the permission bits of a path, links followed; raises what ``stat`` raises."""
        return self._find(path, "look for").member.mode

    def uid(self, path: str) -> int:
        """Return the owner's number, links followed; raises what ``stat`` raises."""
        return self._find(path, "look for").member.uid

    def gid(self, path: str) -> int:
        """Return the group's number, links followed; raises what ``stat`` raises."""
        return self._find(path, "look for").member.gid

    def is_executable_by(self, path: str, who: Who = "any") -> bool:
        """Tell whether a path is a regular file that so may be executed; raises what ``stat`` raises."""
        return self.stat(path).is_executable_by(who)

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points, as written. Raises FileProblem: no link; else what ``stat`` raises."""
        found = self._find(path, "read the link", follow=False)
        if found.member.kind is not FileKind.SYMLINK:
            raise FileProblem(self._tried("read the link", path), f"it is a {found.member.kind.value}")
        return found.member.target

    def read_bytes(self, path: str, limit: int | None = READ_LIMIT) -> bytes:
        """Return a file's content.

        Raises FileProblem: no regular file, or one of more than ``limit`` bytes; None reads any.
        Raises NotInImage or LinkLoop: as ``stat`` does.
        """
        member = self._regular(path, "read")
        if limit is not None and member.size > limit:
            raise FileProblem(
                self._tried("read", path),
                f"it has {member.size} bytes, more than the {limit} that are read",
                "Give a limit, or read it piece by piece with open()",
            )
        return member.read(member.size)

    def read_text(self, path: str, encoding: str = "utf-8", limit: int | None = READ_LIMIT) -> str:
        """Return a file's content as text, its line ends as they are.

        Raises FileProblem: it is not in that encoding; else as ``read_bytes`` does.
        """
        try:
            return self.read_bytes(path, limit).decode(encoding)
        except UnicodeDecodeError as error:
            raise FileProblem(
                self._tried("read", path), f"it is no {encoding} text: {error.reason} at byte {error.start}"
            ) from None

    def read_start(self, path: str, size: int) -> bytes:
        """Return the first ``size`` bytes of a file, all of a shorter one; raises what ``open`` raises."""
        return self._regular(path, "read").read(size)

    def open(self, path: str) -> BinaryIO:
        """Return a file's content as a binary stream that can seek, to be closed by the caller.

        Raises FileProblem: no regular file. Raises NotInImage or LinkLoop: as ``stat`` does.
        """
        return self._regular(path, "open").open()

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that a pattern matches, sorted: ``/usr/lib/**/*.so*``.

        ``*``, ``?`` and ``[…]`` stay within one name and match hidden ones, ``**`` is any number of directories and does
        not follow links; at the pattern's end it is everything below, as in Python 3.13's ``pathlib``.
        """
        return glob(self._root, pattern)

    def walk(self, top: str = "/") -> Iterator[FileEntry]:
        """Yield everything below a directory, links not followed, each directory before what it holds, in order of name.

        Raises FileProblem: ``top`` is no directory; else what ``stat`` raises.
        """
        for path, member in self._below(top):
            yield self._entry(path, member)

    def files_beginning(self, magic: bytes, top: str = "/") -> Iterator[tuple[FileEntry, Member]]:
        """Yield the regular files below a directory that begin with some bytes, at most four, as ``walk`` does.

        Each comes with what reads it, so that it need not be looked for by its path again.
        """
        for path, member in self._below(top):
            if member.kind is FileKind.FILE and member.begins_with(magic):
                yield self._entry(path, member), member

    def _below(self, top: str) -> Iterator[tuple[str, Member]]:
        found = self._find(top, "walk")
        if not isinstance(found.node, Directory):
            raise FileProblem(self._tried("walk", top), f"it is a {found.member.kind.value}")
        for path, node in below(found.path.rstrip("/"), found.node):
            yield path, node.member if isinstance(node, Directory) else node

    def _is(self, path: str, kind: FileKind, *, follow: bool = True) -> bool:
        found = self._seek(path, follow=follow)
        return found is not None and found.member.kind is kind

    def _seek(self, path: str, *, follow: bool = True) -> Found | None:
        try:
            return find(self._root, path, follow=follow, tried=path)
        except (NotInImage, LinkLoop):
            return None

    def _find(self, path: str, verb: str, *, follow: bool = True) -> Found:
        try:
            return find(self._root, path, follow=follow, tried=self._tried(verb, path))
        except NotInImage as error:
            if not self.foreign:
                raise
            hint = f"{len(self.foreign)} foreign layers were not read: {', '.join(one.digest for one in self.foreign)}"
            raise NotInImage(error.tried, error.found, hint) from None

    def _regular(self, path: str, verb: str) -> Member:
        member = self._find(path, verb).member
        if member.kind is not FileKind.FILE:
            raise FileProblem(
                self._tried(verb, path), f"it is a {member.kind.value}", "Only regular files have content"
            )
        return member

    def _tried(self, verb: str, path: str) -> str:
        return f"{verb} {plain(path)} of {self._what}"

    def _entry(self, path: str, member: Member) -> FileEntry:
        return FileEntry(
            path=path,
            kind=member.kind,
            mode=member.mode,
            uid=member.uid,
            gid=member.gid,
            user=member.user,
            group=member.group,
            size=member.size,
            mtime=member.mtime,
            target=member.target,
            layer=member.layer,
            layer_index=self._places.get(member.layer, 0),
            device=member.device,
            xattrs=FrozenBytesMap(member.xattrs) if member.xattrs else NO_XATTRS,
        )


def open_files(image: PlatformImage, store: Layers) -> ImageFiles:
    """Return the files of an image; its layers are fetched unless the store has them.

    Raises DocumentError: manifest and config do not name the same number of layers.
    Raises IntegrityError: a layer's content is not what its digest, or the config's diff id, says.
    Raises LayerError: a layer is broken or too large. Raises RegistryError: one cannot be had.
    """
    diff_ids = image.config.diff_ids
    if len(diff_ids) != len(image.layers):
        raise DocumentError(
            f"read the files of {image}",
            f"its manifest names {len(image.layers)} layers, its config {len(diff_ids)}",
            "Config and manifest do not belong together: it was published so",
        )
    own = [(layer, diff_id) for layer, diff_id in zip(image.layers, diff_ids, strict=True) if not layer.is_foreign]
    layers = store.all(image.client, image.reference, [layer for layer, _ in own])
    for layer, (_, diff_id) in zip(layers, own, strict=True):
        layer.check(diff_id)
    return ImageFiles(str(image), layers, [layer for layer in image.layers if layer.is_foreign])
