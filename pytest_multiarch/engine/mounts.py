"""What is mounted into a container: a folder or file of the daemon's machine, or memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import TypeAlias

    # Any, because a mapping is invariant in its keys: dict[Path, str] has to do as well as dict[str, str].
    Mounts: TypeAlias = "Iterable[Mount] | Mapping[Any, str]"


@dataclass(frozen=True, slots=True)
class Mount:
    """Describe one mount; made with `bind` or `tmpfs`. ``source`` is empty for memory, ``size`` in bytes, 0 for no limit."""

    target: str
    source: str = ""
    read_only: bool = False
    size: int = 0

    def __post_init__(self) -> None:
        if not self.target.startswith("/"):
            raise ValueError(f"mount at {self.target!r}: the place in the container has to be an absolute path")

    @classmethod
    def bind(cls, source: str | os.PathLike[str], target: str, *, read_only: bool = False) -> Mount:
        """Mount a folder or file of the machine where the daemon runs; a relative path begins at the working directory."""
        return cls(target, str(Path(source).absolute()), read_only)

    @classmethod
    def tmpfs(cls, target: str, *, size: int = 0, read_only: bool = False) -> Mount:
        """Mount an empty file system in memory."""
        return cls(target, read_only=read_only, size=size)

    def to_docker(self) -> Any:
        """Return it as the docker SDK has it."""
        from docker.types import Mount as DockerMount

        if self.source:
            return DockerMount(self.target, self.source, type="bind", read_only=self.read_only)
        size = self.size or None
        return DockerMount(self.target, None, type="tmpfs", read_only=self.read_only, tmpfs_size=size)


def as_mounts(mounts: Mounts) -> tuple[Mount, ...]:
    """Return mounts; of a mapping, each key is bound at its value: ``{"/host": "/container"}``."""
    if isinstance(mounts, Mapping):
        return tuple(Mount.bind(source, target) for source, target in mounts.items())
    return tuple(mounts)
