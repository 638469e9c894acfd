"""Rules about what the platforms of one image have in common: configuration, packages, age and size."""

from __future__ import annotations

import re
import shlex
from statistics import median_low
from typing import TYPE_CHECKING, Final

from pytest_multiarch.audit.expected import EXPECTED_LABELS, EXPECTED_PACKAGES
from pytest_multiarch.audit.names import without_names
from pytest_multiarch.audit.rule import ImageRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.views import ImageView, PlatformView
    from pytest_multiarch.oci import ImageConfig
    from pytest_multiarch.platforms import Platform

#: A rebuild of the same source for one architecture only (Debian policy 5.6.12, "binNMU").
_BINARY_REBUILD: Final = re.compile(r"\+b[0-9]+$")
_REPRODUCIBLE: Final = 1980
"""Dates up to this year are no times of a build: reproducible ones begin at the epoch, or with zip's first year."""


class ConfigDiffersRule(ImageRule):
    """Find a configuration that differs between platforms.

    Environment, entrypoint, command, user, working directory, exposed ports and labels have to be the same. Names of the
    platform in a value (`/usr/lib/x86_64-linux-gnu`, `java-17-openjdk-amd64`) do not count, and neither do labels that
    say when a platform was built.

    Why: the same `docker run` starts another program, as another user, on another port. Manifests and charts that were
    written for one platform fail on the next.

    Seen in: getlago/lago-api#524 and dotnet/dotnet-buildtools-prereqs-docker#893: a Dockerfile for each architecture, of
    which one was forgotten.

    Mend: build all platforms from one Dockerfile, and derive what has to differ from `TARGETARCH`. What differs on purpose
    (a checksum in `ENV`) is allowed by its name: `MA501 Env.NODE_SHA256 because …`.
    """

    code = "MA501"
    name = "config-differs"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each field that is not the same on all platforms."""
        fields = {one.platform: _fields(one.config) for one in view.offered}
        for field in dict.fromkeys(name for values in fields.values() for name in values):
            values = {platform: own.get(field) for platform, own in fields.items()}
            if _differ(values):
                yield self.finding(item=field, expected="the same on all platforms", found=_spread(values))


class PackagesDifferRule(ImageRule):
    """Find packages whose version differs between platforms, or that only some platforms have.

    Packages of dpkg, apk, rpm and Python. Rebuilds of the same source (Debian's `+b1`) count as the same version; compiler
    libraries that only some processors have may be on some platforms only.

    Why: a bug is fixed on one platform and not on the other, and a scanner that reads one platform says that all is well.

    Seen in: dolthub/doltgresql#3034 (arm64 had the version before), getlago/lago-api#524 (a package that arm64 lacked).

    Mend: build all platforms at one time and from the same package lists; pin versions, or a snapshot of the archive.
    """

    code = "MA502"
    name = "packages-differ"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each package that is not the same on all platforms."""
        common = frozenset.intersection(*(_names(one) for one in view.offered)) if view.offered else frozenset()
        found = {one.platform: _versions(one, common) for one in view.offered}
        names = sorted({name for versions in found.values() for name in versions})
        for manager, name in names:
            values = {platform: versions.get((manager, name)) for platform, versions in found.items()}
            if None in values.values() and EXPECTED_PACKAGES.fullmatch(name):
                continue
            if _differ(values):
                yield self.finding(
                    path=_database(view, manager, name, common),
                    item=name,
                    expected="the same version on all platforms",
                    found=f"{manager}: {_spread(values)}",
                )


class StalePlatformRule(ImageRule):
    """Find a platform that is much older than its siblings.

    By the date of creation in the configs; 30 days before the newest are too many, unless set otherwise. Dates that
    reproducible builds write do not count.

    Why: the tag was pushed anew, and one platform's entry still is the last release's. Its users run old code under a new
    name.

    Seen in: aws/aws-sam-build-images#198, dolthub/doltgresql#3034, BOINC/boinc-client-docker#105.

    Mend: put the index together from this build's digests, not from tags that a failed job leaves as they were.
    """

    code = "MA505"
    name = "stale-platform"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each platform that is older than the newest by more than the limit."""
        dated = {
            one.platform: one.config.created
            for one in view.offered
            if one.config.created is not None and one.config.created.year > _REPRODUCIBLE
        }
        if not dated:
            return
        newest = max(dated, key=lambda platform: dated[platform])
        for platform, created in dated.items():
            behind = dated[newest] - created
            if behind > view.limits.age_gap:
                yield self.finding(
                    platform=platform,
                    item="created",
                    expected=f"at most {view.limits.age_gap.days} days before {newest} ({dated[newest]:%Y-%m-%d})",
                    found=f"created {created:%Y-%m-%d}, {behind.days} days before it",
                )


class SizeDiffersRule(ImageRule):
    """Find a platform that is much larger or smaller than its siblings.

    By the sizes of the compressed layers: twice or half of the platforms' median (of two platforms, of the first one's), and
    a difference of 1 MiB, unless set otherwise.

    Why: something is missing on one platform (a virtual environment that is empty there), or something came along that
    does not belong there (the compilers).

    Seen in: fluent/fluentd-docker-image#230 (79 and 332 MB), fedimint/fedimint#9075 (the toolchain, on arm64 only),
    linuxserver/docker-mastodon#21 (a tenth).

    Mend: compare the layers' sizes step by step; the first that differs is the one to look at.
    """

    code = "MA506"
    name = "size-differs"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each platform that is too far from most; of two, one for both."""
        sizes = {one.platform: sum(layer.size for layer in one.image.layers) for one in view.offered}
        if len(sizes) < 2:
            return  # nothing to compare with
        # One that many have, and no mean of two: among three platforms, the one that is apart must not move the others.
        first = next(iter(sizes))
        whose, usual = (
            ("the platforms' median of", median_low(sizes.values())) if len(sizes) > 2 else (f"{first}'s", sizes[first])
        )
        for platform, size in sizes.items():
            ratio = max(size, usual) / max(1, min(size, usual))
            if ratio > view.limits.size_ratio and abs(size - usual) >= view.limits.size_from:
                word = "larger" if size > usual else "smaller"
                yield self.finding(
                    platform=platform,
                    item="size",
                    expected=f"at most {view.limits.size_ratio:g} times from {whose} {_megabytes(usual)}",
                    found=f"{_megabytes(size)}, {ratio:.1f} times {word}",
                )


def _fields(config: ImageConfig) -> dict[str, str]:
    """Return what is compared, a name and a text each; what is not set is left out."""
    fields = {f"Env.{name}": value for name, value in config.environment.items()}
    fields |= {
        name: value
        for name, value in {
            "Entrypoint": shlex.join(config.entrypoint),
            "Cmd": shlex.join(config.cmd),
            "User": config.user,
            "WorkingDir": config.working_dir.rstrip("/"),
            "ExposedPorts": ", ".join(sorted(port if "/" in port else f"{port}/tcp" for port in config.exposed_ports)),
        }.items()
        if value
    }
    return fields | {f"Labels.{name}": value for name, value in config.labels.items() if name not in EXPECTED_LABELS}


def _names(view: PlatformView) -> frozenset[str]:
    return frozenset(package.name for package in view.packages)


def _compared(name: str, view: PlatformView, common: frozenset[str]) -> str:
    """Return the name that a package is compared by: its own where all platforms have it (a cross compiler for one of them)."""
    return name if name in common else without_names(name, view.platform)


def _versions(view: PlatformView, common: frozenset[str]) -> dict[tuple[str, str], str]:
    """Return the versions by manager and name; several of one name together."""
    found: dict[tuple[str, str], set[str]] = {}
    for package in view.packages:
        name = _compared(package.name, view, common)
        found.setdefault((package.manager, name), set()).add(_BINARY_REBUILD.sub("", package.version))
    for one in view.distributions:
        found.setdefault(("python", one.name), set()).add(one.version)
    return {key: " and ".join(sorted(versions)) for key, versions in found.items()}


def _database(view: ImageView, manager: str, name: str, common: frozenset[str]) -> str:
    for one in view.offered:
        for package in one.packages:
            if package.manager == manager and _compared(package.name, one, common) == name:
                return package.database
        for distribution in one.distributions:
            if manager == "python" and distribution.name == name:
                return distribution.path
    return ""


def _differ(values: Mapping[Platform, str | None]) -> bool:
    """Tell whether values differ beyond the names of their platforms."""
    if len(set(values.values())) <= 1:
        return False
    return len({None if text is None else without_names(text, platform) for platform, text in values.items()}) > 1


def _spread(values: Mapping[Platform, str | None]) -> str:
    """Return which platforms have which value, the most common first."""
    groups: dict[str | None, list[str]] = {}
    for platform, text in values.items():
        groups.setdefault(text, []).append(str(platform))
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return "; ".join(f"{'none' if text is None else repr(text)} on {', '.join(names)}" for text, names in ordered)


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
