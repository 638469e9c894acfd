"""Checks on an image as a whole: its index, the audit's rules, and what is to be the same on all platforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_multiarch.acceptance.checks.outcome import Mismatch, Outcome
from pytest_multiarch.errors import FileProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_multiarch.acceptance.checks.config import Named
    from pytest_multiarch.acceptance.checks.outcome import WholeSubject
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.oci import ImageConfig
    from pytest_multiarch.platforms import Platform

_PARTS: Final = {
    "env": "env",
    "labels": "labels",
    "entrypoint": "entrypoint",
    "cmd": "cmd",
    "ports": "exposed_ports",
    "volumes": "volumes",
    "workdir": "working_dir",
    "user": "user",
    "stop_signal": "stop_signal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCheck:
    """Look at the index: what it offers, its annotations, and what is attested of each of the run's platforms."""

    platforms: Sequence[Platform] | None = None
    includes: Sequence[Platform] = ()
    annotations: tuple[Named, ...] = ()
    provenance: bool | None = None
    sbom: bool | None = None

    def check(self, subject: WholeSubject) -> Outcome:
        """Return what is not as expected."""
        return Outcome(tuple(self._mismatches(subject)))

    def _mismatches(self, subject: WholeSubject) -> Iterator[Mismatch]:
        offered = subject.image.platforms
        shown = _names(offered)
        if self.platforms is not None and set(self.platforms) != set(offered):
            yield Mismatch("platforms of the index", f"are {_names(self.platforms)}", shown)
        for platform in self.includes:
            if platform not in offered:
                yield Mismatch("platforms of the index", f"have {platform} among them", shown)
        for named in self.annotations:
            if (found := named.mismatch("annotation", subject.image.annotations)) is not None:
                yield found
        for platform in subject.platforms:
            image = subject.image.for_platform(platform)
            for what, wanted in (("provenance", self.provenance), ("sbom", self.sbom)):
                if wanted is not None and (getattr(image, what) is not None) != wanted:
                    expected, came = ("is attested", "it is not") if wanted else ("is not attested", "it is")
                    yield Mismatch(f"{what} of {platform}", expected, came)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck:
    """Hold the image against the audit's rules; what is not said is as the run's own settings have it."""

    select: Sequence[str] | None = None
    ignore: Sequence[str] | None = None
    allow: Sequence[str] | None = None

    def check(self, subject: WholeSubject) -> Outcome:
        """Return the findings. Raises UsageProblem: there is no such rule, or an allowance has no reason."""
        # Here: all rules are loaded with it, and most files audit nothing.
        from pytest_multiarch.audit.auditing import findings_of
        from pytest_multiarch.audit.finding import describe

        findings = findings_of(
            subject.image, select=self.select, ignore=self.ignore, allow=self.allow, platforms=subject.platforms
        )
        if not findings:
            return Outcome()
        return Outcome((Mismatch("audit", "finds nothing", f"{len(findings)} findings:\n{describe(findings)}"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityCheck:
    """Hold the run's platforms against each other.

    Args:
        config: parts of the configuration that are to be the same: env, labels, cmd, ….
        paths: patterns of paths (as `ImageFiles.glob` has them) that are to be there on all platforms or on none.
        content: patterns of files that are to be there, and the same, on all platforms.

    """

    config: Sequence[str] = ()
    paths: Sequence[str] = ()
    content: Sequence[str] = ()

    def check(self, subject: WholeSubject) -> Outcome:
        """Return where platforms differ from the first one. Raises PlatformMissing: one is not offered."""
        images = [subject.image.for_platform(platform) for platform in subject.platforms]
        first, *others = images
        return Outcome(tuple(found for other in others for found in self._mismatches(first, other)))

    def _mismatches(self, one: PlatformImage, other: PlatformImage) -> Iterator[Mismatch]:
        for part in self.config:
            mine, its = _part(one.config, part), _part(other.config, part)
            if mine != its:
                yield Mismatch(f"{part} on {other.platform}", f"is {mine}, as on {one.platform}", its)
        for pattern in (*self.paths, *self.content):
            mine_paths, its_paths = set(one.files.glob(pattern)), set(other.files.glob(pattern))
            for path in sorted(mine_paths ^ its_paths):
                there, not_there = (one, other) if path in mine_paths else (other, one)
                yield Mismatch(path, f"is there, as on {there.platform}", f"it is not there on {not_there.platform}")
        for pattern in self.content:
            yield from self._contents(pattern, one, other)

    def _contents(self, pattern: str, one: PlatformImage, other: PlatformImage) -> Iterator[Mismatch]:
        found = False
        for path in one.files.glob(pattern):
            if one.files.is_dir(path) or not other.files.exists(path):
                found = True
                continue
            found = True
            try:
                mine, its = one.files.read_bytes(path), other.files.read_bytes(path)
            except FileProblem as error:
                yield Mismatch(path, "can be read on all platforms", error.found)
                continue
            if mine != its:
                differs = f"{len(mine)} bytes on {one.platform}, {len(its)} bytes on {other.platform}"
                yield Mismatch(path, f"is the same on {one.platform} and {other.platform}", differs)
        if not found:
            yield Mismatch(pattern, "names files", f"there is none on {one.platform}")


def _part(config: ImageConfig, part: str) -> str:
    value: Mapping[str, str] | Sequence[str] | str = getattr(config, _PARTS[part])
    if isinstance(value, str):
        return repr(value)
    return str(
        dict(value) if hasattr(value, "keys") else sorted(value) if part in ("ports", "volumes") else list(value)
    )


def _names(platforms: Sequence[Platform]) -> str:
    return ", ".join(map(str, platforms)) or "none"
