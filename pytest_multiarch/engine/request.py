"""What is asked of a container, as a value: what it runs, as whom, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_multiarch.engine.mounts import as_mounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker import APIClient

    from pytest_multiarch.engine.mounts import Mount, Mounts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Hold how an image is run; ``args`` and ``entrypoint`` are None where the image's own count.

    ``ports`` are published on the loopback interface, as ``8000/tcp``. ``init`` has docker's own init as the first process,
    as ``docker run --init`` does. With ``tty`` a terminal stands in the place of both outputs. ``is_spoken_to`` keeps its
    input open, for whoever attaches to it, and nothing of what it writes on the daemon's disk.
    """

    args: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None
    stdin: bytes | None = None
    mounts: tuple[Mount, ...] = ()
    network: str | None = None
    entrypoint: tuple[str, ...] | None = None
    ports: tuple[str, ...] = ()
    init: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    tty: bool = False
    is_spoken_to: bool = False

    @classmethod
    def of(
        cls,
        args: Sequence[str] | None,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        stdin: str | bytes | None = None,
        mounts: Mounts = (),
        network: str | None = None,
        entrypoint: Sequence[str] | None = None,
        ports: Sequence[int | str] = (),
        privileged: bool = False,
        cap_add: Sequence[str] = (),
        tty: bool = False,
    ) -> RunRequest:
        """Return what a caller asks. Raises TypeError and ValueError where it cannot be meant so."""
        check_terminal(stdin, tty=tty)
        return cls(
            args=None if args is None else argument_list(args),
            env=dict(env or {}),
            user=user,
            workdir=workdir,
            stdin=input_bytes(stdin),
            mounts=as_mounts(mounts),
            network=network,
            entrypoint=None if entrypoint is None else argument_list(entrypoint),
            ports=tuple(port if "/" in port else f"{port}/tcp" for port in map(str, ports)),
            privileged=privileged,
            cap_add=_capabilities(cap_add),
            tty=tty,
        )

    def create_arguments(self, api: APIClient) -> dict[str, Any]:
        """Return the arguments of the SDK's ``create_container``."""
        host: dict[str, Any] = {}
        if self.is_spoken_to:
            host["log_config"] = {"Type": "none"}
        if self.mounts:
            host["mounts"] = [mount.to_docker() for mount in self.mounts]
        if self.network is not None:
            host["network_mode"] = self.network
        if self.init:
            host["init"] = True
        if self.privileged:
            host["privileged"] = True
        if self.cap_add:
            host["cap_add"] = list(self.cap_add)
        if self.ports:
            host["port_bindings"] = dict.fromkeys(self.ports, ("127.0.0.1",))
        return {
            "command": None if self.args is None else list(self.args),
            "entrypoint": None if self.entrypoint is None else list(self.entrypoint),
            "environment": dict(self.env),
            "user": self.user,
            "working_dir": self.workdir,
            "stdin_open": self.stdin is not None or self.is_spoken_to,
            # Else the daemon closes the input with the first connection that ends.
            "detach": self.is_spoken_to,
            "tty": self.tty,
            "ports": [tuple(port.split("/")) for port in self.ports] or None,
            "host_config": api.create_host_config(**host) if host else None,
        }


def argument_list(args: Sequence[str]) -> tuple[str, ...]:
    """Return arguments as texts. Raises TypeError for one text: no shell reads it."""
    if isinstance(args, str):
        raise TypeError(f"expected a list of arguments, not the text {args!r}: no shell reads it; write [{args!r}, …]")
    return tuple(str(arg) for arg in args)


def check_terminal(stdin: str | bytes | None, *, tty: bool) -> None:
    """Raise ValueError where a command is to read something from a terminal: its input has no end, and would be echoed."""
    if tty and stdin is not None:
        raise ValueError(
            "stdin and tty exclude each other: nothing ends a terminal's input, and a command would wait for it"
        )


def _capabilities(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"expected a list of capabilities, not the text {names!r}: write [{names!r}]")
    return tuple(names)


def input_bytes(stdin: str | bytes | None) -> bytes | None:
    """Return what a command reads as bytes, None where that is nothing; text is UTF-8.

    Without input it reads an end at once, as with an empty one. But an input that ends before its command has begun may stay
    open for ever: seen once with `exec`.
    """
    return (stdin.encode() if isinstance(stdin, str) else stdin) or None
