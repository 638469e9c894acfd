"""The image configuration: what a container of this image starts with, and how the image came to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_multiarch.oci.mapping import FrozenMap
from pytest_multiarch.oci.reading import Node, parse
from pytest_multiarch.oci.times import time_at
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from datetime import datetime

_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class History:
    """Tell how one step of the build came about; ``empty_layer`` steps changed no files."""

    created: datetime | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """Hold Docker's HEALTHCHECK; times are in seconds, 0 inherits the default."""

    test: tuple[str, ...] = ()
    interval: float = 0.0
    timeout: float = 0.0
    start_period: float = 0.0
    start_interval: float = 0.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """Hold an image's configuration (image-spec ``config.md``), with the text of every field as it was written.

    What the specification reserves and Docker writes is here as well: limits in bytes, a swap of -1 is without a limit;
    ``comment`` and ``docker_version`` are the builder's.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    created: datetime | None = None
    author: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: FrozenMap = field(default_factory=FrozenMap)
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    args_escaped: bool = False
    hostname: str = ""
    domain_name: str = ""
    memory: int = 0
    memory_swap: int = 0
    cpu_shares: int = 0
    comment: str = ""
    docker_version: str = ""
    history: tuple[History, ...] = ()
    diff_ids: tuple[str, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "image config") -> ImageConfig:
        """Read a configuration; ``what`` names it in errors.

        Raises DocumentError: these bytes are no image configuration.
        """
        root = parse(data, what)
        container = root.child("config") or Node(what, {}, "/config")
        history = root.child("history")
        health = container.child("Healthcheck")
        features = root.child("os.features")
        return cls(
            os=root.need("os").word(),
            architecture=root.need("architecture").word(),
            variant=root.word_at("variant"),
            os_version=root.word_at("os.version"),
            os_features=tuple(item.word() for item in features.items()) if features else (),
            created=time_at(root, "created"),
            author=root.text_at("author"),
            env=container.texts_at("Env"),
            entrypoint=_command_at(container, "Entrypoint"),
            cmd=_command_at(container, "Cmd"),
            user=container.text_at("User"),
            working_dir=container.text_at("WorkingDir"),
            exposed_ports=container.keys_at("ExposedPorts"),
            volumes=container.keys_at("Volumes"),
            labels=container.text_map_at("Labels"),
            stop_signal=container.text_at("StopSignal"),
            shell=_command_at(container, "Shell"),
            on_build=container.texts_at("OnBuild"),
            healthcheck=None if health is None else _healthcheck(health),
            args_escaped=_flag_at(container, "ArgsEscaped"),
            hostname=container.text_at("Hostname"),
            domain_name=container.text_at("Domainname"),
            memory=_whole_at(container, "Memory"),
            memory_swap=_whole_at(container, "MemorySwap", least=-1),
            cpu_shares=_whole_at(container, "CpuShares"),
            comment=root.text_at("comment"),
            docker_version=root.text_at("docker_version"),
            history=tuple(_history(item) for item in history.items()) if history else (),
            diff_ids=_diff_ids(root.need("rootfs")),
        )

    @property
    def platform(self) -> Platform:
        """Return the platform that the configuration names, in its normal form."""
        return Platform.from_fields(
            self.os,
            self.architecture,
            variant=self.variant,
            os_version=self.os_version,
            os_features=self.os_features,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Return ``env`` as names and values; of a repeated name the last one, as the kernel's caller sees it."""
        return {name: value for name, _, value in (entry.partition("=") for entry in self.env)}


def _command_at(node: Node, key: str) -> tuple[str, ...]:
    """Return a command line; Docker also reads one string (moby ``strslice``), which early versions wrote."""
    child = node.child(key)
    if child is None:
        return ()
    return (child.text(),) if isinstance(child.value, str) else child.texts()


def _flag_at(node: Node, key: str) -> bool:
    child = node.child(key)
    return child.flag() if child else False


def _whole_at(node: Node, key: str, least: int = 0) -> int:
    child = node.child(key)
    return child.whole(least=least) if child else 0


def _history(node: Node) -> History:
    return History(
        created=time_at(node, "created"),
        created_by=node.text_at("created_by"),
        author=node.text_at("author"),
        comment=node.text_at("comment"),
        empty_layer=_flag_at(node, "empty_layer"),
    )


def _healthcheck(node: Node) -> Healthcheck:
    return Healthcheck(
        test=node.texts_at("Test"),
        interval=_seconds_at(node, "Interval"),
        timeout=_seconds_at(node, "Timeout"),
        start_period=_seconds_at(node, "StartPeriod"),
        start_interval=_seconds_at(node, "StartInterval"),
        retries=_whole_at(node, "Retries"),
    )


def _seconds_at(node: Node, key: str) -> float:
    child = node.child(key)
    return child.whole() / _NANOSECONDS if child else 0.0


def _diff_ids(rootfs: Node) -> tuple[str, ...]:
    digests = rootfs.child("diff_ids")
    return tuple(item.digest() for item in digests.items()) if digests else ()
