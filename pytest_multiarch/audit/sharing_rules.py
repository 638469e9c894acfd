"""Rules about layers that several platforms have: machine code is for one of them only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.rule import ImageRule
from pytest_multiarch.image.elf import expected, misfits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.survey import ElfEntry
    from pytest_multiarch.audit.views import ImageView, PlatformView


class SharedMachineCodeRule(ImageRule):
    """Find layers that two platforms share and that hold ELF files.

    Files that later layers took away or replaced do not count, nor do hard links to files of each platform's own layers,
    code that both platforms run (arm/v6 code in arm/v6 and arm/v7), and code that no processor is asked to run. Platforms
    that share all their layers are another rule's (MA211).

    Why: a layer with machine code is for one machine. Where two platforms have the same one, at least one of them has the
    other's programs.

    Seen in: cicd-sensor/cicd-sensor#171 and Turbootzz/Vaultwarden-API#47, whose platforms had one layer with one binary.

    Mend: look at the step: a stage on `--platform=$BUILDPLATFORM` has to cross-compile for `TARGETARCH`; a download has to
    name the target's architecture.
    """

    code = "MA210"
    name = "shared-machine-code"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each ELF file of a layer that several platforms share and not all of them run."""
        groups: dict[str, list[PlatformView]] = {}
        for one in view.offered:
            for digest in dict.fromkeys(layer.digest for layer in one.image.layers):
                groups.setdefault(digest, []).append(one)
        twins = _twins(view.offered)
        seen: set[tuple[str, str]] = set()
        for digest, sharing in groups.items():
            apart = [one for one in sharing if not all(_is_pair(one, other, twins) for other in sharing)]
            if len(apart) < 2:
                continue
            brought = {
                one.platform: {entry.path: entry for entry in one.elf_files if entry.entry.layer == digest}
                for one in apart
            }
            for platform in apart:
                for path, entry in brought[platform.platform].items():
                    having = [one for one in apart if _is_same(brought[one.platform].get(path), entry)]
                    if (
                        (digest, path) in seen
                        or all(_is_pair(one, platform, twins) for one in having)
                        or _runs_on_all(entry, having)
                    ):
                        continue
                    seen.add((digest, path))
                    yield self.finding(
                        path=path,
                        expected=f"a layer of its own for each of {_names(having)}",
                        found=f"one layer for all of them, with code for {entry.elf.machine_name}",
                        brought=platform.brought(path),
                    )


class SameBytesRule(ImageRule):
    """Find platforms that have the same bytes throughout.

    Every layer of two platforms is the same, and there is machine code in them that not both run. An image without machine
    code (data, web pages) may be the same everywhere and is not reported.

    Why: the index promises two platforms, and there is one image under both names.

    Seen in: BerriAI/litellm#27123 (arm64's layers byte for byte amd64's), envoyproxy/ratelimit#1131 and
    open-telemetry/opentelemetry-operator#5613: a base pinned to the digest of one platform's manifest.

    Mend: pin the digest of the index, not of a platform's manifest (`docker buildx imagetools inspect NAME:TAG` shows it).
    """

    code = "MA211"
    name = "same-bytes"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each group of platforms whose layers are all the same."""
        for group in _twins(view.offered):
            for one in group:
                entry = next((entry for entry in one.elf_files if not _runs_on_all(entry, group)), None)
                if entry is not None:
                    yield self.finding(
                        path=entry.path,
                        expected=f"other layers for each of {_names(group)}",
                        found=f"the same {len(one.image.layers)} layers, with code for {entry.elf.machine_name}",
                        brought=one.brought(entry.path),
                    )
                    break


def _twins(views: Sequence[PlatformView]) -> list[list[PlatformView]]:
    """Return the groups of platforms, two or more, that have the same layers in the same order."""
    groups: dict[tuple[str, ...], list[PlatformView]] = {}
    for one in views:
        # By what is in the layers: the same bytes may be compressed anew for each platform.
        groups.setdefault(one.config.diff_ids, []).append(one)
    return [group for layers, group in groups.items() if len(group) > 1 and layers]


def _is_pair(one: PlatformView, other: PlatformView, twins: Sequence[Sequence[PlatformView]]) -> bool:
    return one is other or any(one in group and other in group for group in twins)


def _is_same(one: ElfEntry | None, other: ElfEntry) -> bool:
    """Tell whether a file is the same; what a shared layer links to may be another file on each platform."""
    return one is not None and (one.elf, one.entry.size) == (other.elf, other.entry.size)


def _runs_on_all(entry: ElfEntry, views: Sequence[PlatformView]) -> bool:
    """Tell whether all of the platforms run a file; where nothing is known of a machine, only its own architecture does."""
    if len({one.platform.architecture for one in views}) > 1 and any(expected(one.platform) is None for one in views):
        return False
    return not any(misfits(entry.elf, one.platform) for one in views)


def _names(views: Sequence[PlatformView]) -> str:
    return ", ".join(str(one.platform) for one in views)
