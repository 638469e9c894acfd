"""Rules about the Dockerfile: what pins an image to one platform, whatever is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_multiarch.audit.rule import ContextRule
from pytest_multiarch.errors import InvalidPlatform, InvalidReference
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.audit.context import BuildContext
    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.dockerfile import Stage

_BUILD: Final = "$BUILD"


class SinglePlatformPinRule(ContextRule):
    """Find a FROM that is pinned to the digest of a single-platform manifest.

    Only where several platforms are built, and for stages that are built for each of them. Whether a digest is that of an
    index or of one platform's manifest, only its registry knows; it is asked, with the user's credentials.

    Why: the digest decides, not the platform that is asked for. Every platform gets the same base, and BuildKit says so in
    a warning only (`InvalidBaseImagePlatform`).

    Seen in: envoyproxy/ratelimit#1131, BerriAI/litellm#27123, open-telemetry/opentelemetry-operator#5613.

    Mend: pin the digest of the index: `docker buildx imagetools inspect NAME:TAG` shows it in its first lines.
    """

    code = "MA601"
    name = "single-platform-pin"

    def check(self, context: BuildContext) -> Iterator[Finding]:
        """Return a finding for each stage whose base is one platform's manifest."""
        if len(context.platforms) < 2:
            return
        for stage in context.stages:
            if stage.platform or stage.base in context.replaced or not _is_pinned(stage.base):
                continue
            base = context.base(stage.base)
            if base.index is None:
                platforms = ", ".join(map(str, base.platforms)) or "no platform"
                yield self.finding(
                    path=context.place(stage.line),
                    item=stage.base,
                    expected=f"the digest of an index with {', '.join(map(str, context.platforms))}",
                    found=f"the digest of a manifest for {platforms}",
                )


class PinnedLastStageRule(ContextRule):
    """Find a last stage that is built for another platform than the one asked for.

    `FROM --platform=$BUILDPLATFORM` on the stage that becomes the image, or on a stage that it stands on; and a platform
    written out (`--platform=linux/amd64`) where others are built as well. `FROM scratch` has no userland and does not count.

    Why: the userland of the build machine goes into every platform. BuildKit stamps the config from what was asked for,
    not from what is inside, so that no tool that reads configs sees it.

    Seen in: moby/buildkit#5677, unoconv/unoserver-docker#91, cloudposse/atmos#2931.

    Mend: leave `--platform=$BUILDPLATFORM` to stages that only compile, and copy their results into a stage without it.
    """

    code = "MA602"
    name = "pinned-last-stage"

    def check(self, context: BuildContext) -> Iterator[Finding]:
        """Return a finding for the stage that pins the image, with its line."""
        for stage in _stands_on(context.stages):
            if stage.base == "scratch" or not stage.platform:
                continue
            pinned = _pinned_to(stage.platform)
            if pinned is not None and all(pinned == platform for platform in context.platforms):
                continue
            if pinned is None and _BUILD not in stage.platform:
                continue  # of the target's own variables, or of others that differ by platform
            yield self.finding(
                path=context.place(stage.line),
                item=f"--platform={stage.platform}",
                expected="a last stage for the platform that is asked for: no --platform, or $TARGETPLATFORM",
                found="the build machine's platform" if pinned is None else f"{pinned}, whatever is asked for",
            )


class DefaultedTargetRule(ContextRule):
    """Find an ARG that gives one of BuildKit's own platform arguments a default.

    `ARG TARGETARCH=amd64`, before the first FROM or in a stage: the default wins over the value that BuildKit has for the
    platform that is built. One that is right for every platform that is built (`ARG TARGETOS=linux`) does no harm.

    Why: every platform gets the programs of the one that was written down, and its own base image around them, so that
    digests and sizes differ as they should.

    Seen in: Kong/kubernetes-ingress-controller#2525, apache/skywalking-swck#215, KafScale/platform#117; docker/buildx#510.

    Mend: write `ARG TARGETARCH` without a value.
    """

    code = "MA603"
    name = "defaulted-target"

    def check(self, context: BuildContext) -> Iterator[Finding]:
        """Return a finding for each such argument that a needed stage sees."""
        for argument in context.arguments:
            values = {_automatic(argument.name, platform) for platform in context.platforms}
            if argument.default is not None and None not in values and values != {argument.default}:
                yield self.finding(
                    path=context.place(argument.line),
                    item=argument.name,
                    expected=f"ARG {argument.name}, without a value",
                    found=f"ARG {argument.name}={argument.default}, which every platform gets",
                )


def _automatic(name: str, platform: Platform) -> str | None:
    """Return what BuildKit has in one of its own arguments; None for a name that is not among them."""
    values = {
        "TARGETPLATFORM": str(platform),
        "TARGETOS": platform.os,
        "TARGETARCH": platform.architecture,
        "TARGETVARIANT": platform.variant,
    }
    return values.get(name)


def _is_pinned(base: str) -> bool:
    if "$" in base or "@" not in base:
        return False
    try:
        return bool(Reference.parse(base).digest)
    except InvalidReference:
        return False  # the build will say so


def _stands_on(stages: tuple[Stage, ...]) -> Iterator[Stage]:
    """Yield the last stage, and the stages that it stands on, down to the image."""
    by_place = {stage.place: stage for stage in stages}
    stage = stages[-1] if stages else None
    while stage is not None:
        yield stage
        stage = by_place.get(stage.parent) if stage.parent is not None else None


def _pinned_to(text: str) -> Platform | None:
    try:
        return Platform.parse(text)
    except InvalidPlatform:
        return None
