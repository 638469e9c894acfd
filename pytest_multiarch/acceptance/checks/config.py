"""Checks on the image's configuration: what a container of it starts with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.acceptance.checks.outcome import Mismatch, Outcome
from pytest_multiarch.acceptance.regex import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_multiarch.acceptance.checks.outcome import Subject
    from pytest_multiarch.oci import ImageConfig


@dataclass(frozen=True, slots=True)
class Named:
    """Expect a value under a name: exactly this, or one that a pattern of RE2 matches."""

    name: str
    value: str
    is_pattern: bool = False

    def mismatch(self, what: str, values: Mapping[str, str]) -> Mismatch | None:
        """Return what is not as expected among the values."""
        wanted = f"matches {self.value!r}" if self.is_pattern else f"is {self.value!r}"
        if self.name not in values:
            return Mismatch(f"{what} {self.name}", wanted, "it is not set")
        came = values[self.name]
        good = compile_pattern(self.value).found_in(came) if self.is_pattern else came == self.value
        return None if good else Mismatch(f"{what} {self.name}", wanted, repr(came))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCheck:
    """Look at the image's configuration; what is not said is not looked at.

    Ports are numbers, of any protocol unless one is said: ``53`` is there as 53/udp, too. With ``any_protocol`` a port
    that says its protocol is never there.
    """

    env: tuple[Named, ...] = ()
    no_env: tuple[str, ...] = ()
    labels: tuple[Named, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    ports: tuple[str, ...] = ()
    no_ports: tuple[str, ...] = ()
    any_protocol: bool = False
    volumes: tuple[str, ...] = ()
    no_volumes: tuple[str, ...] = ()
    workdir: str | None = None
    user: str | None = None
    stop_signal: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os: str | None = None

    def check(self, subject: Subject) -> Outcome:
        """Return what is not as expected."""
        return Outcome(tuple(self._mismatches(subject.image.config)))

    def _mismatches(self, config: ImageConfig) -> Iterator[Mismatch]:
        environment = config.environment
        for named in self.env:
            if (found := named.mismatch("variable", environment)) is not None:
                yield found
        for name in self.no_env:
            if name in environment:
                yield Mismatch(f"variable {name}", "is not set", repr(environment[name]))
        for named in self.labels:
            if (found := named.mismatch("label", config.labels)) is not None:
                yield found
        for name, wanted, came in (
            ("entrypoint", self.entrypoint, config.entrypoint),
            ("cmd", self.cmd, config.cmd),
        ):
            if wanted is not None and wanted != came:
                yield Mismatch(name, f"is {list(wanted)}", str(list(came)))
        for name, text, shown in (
            ("workdir", self.workdir, config.working_dir),
            ("user", self.user, config.user),
            ("stop signal", self.stop_signal, config.stop_signal),
            ("os", self.os, config.os),
            ("architecture", self.architecture, config.architecture),
            ("variant", self.variant, config.variant),
        ):
            if text is not None and text != shown:
                yield Mismatch(name, f"is {text!r}", repr(shown))
        exposed = config.exposed_ports
        numbers = [port.partition("/")[0] for port in exposed]
        there = numbers if self.any_protocol else [*exposed, *numbers]
        yield from _members("port", self.ports, self.no_ports, there, exposed)
        yield from _members("volume", self.volumes, self.no_volumes, config.volumes, config.volumes)


def _members(
    what: str, wanted: Sequence[str], unwanted: Sequence[str], there: Sequence[str], came: Sequence[str]
) -> Iterator[Mismatch]:
    shown = ", ".join(came) or f"no {what}s"
    for one in wanted:
        if one not in there:
            yield Mismatch(f"{what} {one}", "is among them", shown)
    for one in unwanted:
        if one in there:
            yield Mismatch(f"{what} {one}", "is not among them", shown)
