"""What a test sees of one file of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pytest_multiarch.image.members import FileKind
from pytest_multiarch.oci.mapping import FrozenBytesMap

Who: TypeAlias = Literal["owner", "group", "other", "any"]
"""Whose permission is asked for."""

_EXECUTE: Final = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111}
NO_XATTRS: Final = FrozenBytesMap()


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Describe what is at a path of an image.

    Args:
        path: absolute, without links on the way; with the link's own name where it was not followed.
        kind: file, directory, link, device or fifo.
        mode: permission bits, with set-user-id, set-group-id and sticky bits; no type bits.
        uid: the owner's number.
        gid: the group's number.
        user: the owner's name in the archive, often empty; the image's /etc/passwd may have another.
        group: the same of the group.
        size: bytes of the content; 0 for what has none.
        mtime: seconds since the epoch.
        target: where a symbolic link points, as written.
        layer: the digest of the layer that brought this path, as it is; empty for the root of an image without layers.
        layer_index: that layer's place in the image, 0 being the lowest.
        device: major and minor number of a device.
        xattrs: extended attributes, ``security.capability`` among them, as the kernel stores them.

    """

    path: str
    kind: FileKind
    mode: int
    uid: int
    gid: int
    user: str = ""
    group: str = ""
    size: int = 0
    mtime: float = 0.0
    target: str = ""
    layer: str = ""
    layer_index: int = 0
    device: tuple[int, int] | None = None
    xattrs: FrozenBytesMap = NO_XATTRS

    @property
    def name(self) -> str:
        """Return the path's last part, empty for the root."""
        return self.path.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        """Tell whether this is a regular file."""
        return self.kind is FileKind.FILE

    @property
    def is_dir(self) -> bool:
        """Tell whether this is a directory."""
        return self.kind is FileKind.DIRECTORY

    @property
    def is_symlink(self) -> bool:
        """Tell whether this is a symbolic link, which is the case only where it was not followed."""
        return self.kind is FileKind.SYMLINK

    @property
    def capabilities(self) -> bytes:
        """Return the file capabilities, ``struct vfs_cap_data`` of linux/capability.h; empty where it has none."""
        return self.xattrs.get("security.capability", b"")

    def is_executable_by(self, who: Who = "any") -> bool:
        """Tell whether this is a regular file that its owner, its group, all others, or any of them may execute."""
        return self.is_file and bool(self.mode & _EXECUTE[who])

    def is_searchable_by(self, who: Who = "any") -> bool:
        """Tell whether this is a directory whose files its owner, its group, all others, or any of them may come to."""
        return self.is_dir and bool(self.mode & _EXECUTE[who])
