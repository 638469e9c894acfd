"""Rules about the index: which platforms it offers, what it says of them, and its attestations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.audit.rule import ImageRule, IndexRule
from pytest_multiarch.errors import PlatformMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_multiarch.audit.finding import Finding
    from pytest_multiarch.audit.views import ImageView
    from pytest_multiarch.platforms import Platform


class PlatformMissingRule(IndexRule):
    """Find a platform that was asked for and that the index does not offer.

    A platform counts as offered only under its own name. Where an engine would fall back to another one (arm/v7 on an
    arm64 host, 386 on amd64), the finding names what it would run.

    Why: a pull for the missing platform fails, or quietly gets the older variant and runs it more slowly, with other
    sizes of integers. Nobody notices until somebody has such a machine.

    Seen in: oauth2-proxy#2218, where a release lacked platforms that the one before it had.

    Mend: name the platform in the build that is published (`docker buildx build --platform`), and look at the index after
    the push, not only at the build's exit code.
    """

    code = "MA101"
    name = "platform-missing"

    def check(self, view: ImageView, platform: Platform) -> Iterator[Finding]:
        """Return a finding where the index does not offer the platform itself."""
        try:
            view.image.for_platform(platform)
        except PlatformMissing as error:
            yield self.finding(
                platform=platform,
                expected=f"an entry for {platform.format_all()}",
                found=f"{error.found}; {error.hint}" if error.hint else error.found,
            )


class PlatformNotAskedForRule(ImageRule):
    """Find a platform that the index offers and that was not asked for.

    It runs only where it is selected: most people test fewer platforms than they publish.

    Why: a platform that nobody tests is a platform that nobody knows to work; one that nobody meant to publish (a
    developer's variant, an entry of an older push) is offered to users all the same.

    Seen in: willhallonline/docker-ansible#63, whose users got a platform that nobody had meant to publish under the tag.

    Mend: test it (`--multiarch-platforms`), or make the index anew without it.
    """

    code = "MA102"
    name = "platform-not-asked-for"
    opt_in = True

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each platform that is offered and not one of the audit's."""
        for platform in view.image.platforms:
            if platform not in view.platforms:
                yield self.finding(
                    platform=platform,
                    expected=f"only {', '.join(map(str, view.platforms))}",
                    found=f"{platform} as well",
                )


class PlatformDisagreesRule(IndexRule):
    """Find an entry of the index and a config that name different platforms.

    What was asked for, the index's descriptor and the image's own config have to be the same operating system,
    architecture and variant.

    Why: the index decides which image a host gets, the config what an engine takes it for. Where they disagree, one
    engine refuses the image, another runs it under an emulator that it does not need, and a third keeps it under the
    wrong platform.

    Seen in: moby/moby#52050, projectcalico/calico#4256, docker/for-linux#1170.

    Mend: build the platform with `--platform` instead of changing the index by hand (`docker manifest annotate`,
    `--amend`); of a cross-build that ends in `FROM scratch`, set the platform of the last stage, not of the build stage.
    """

    code = "MA103"
    name = "platform-disagrees"

    def check(self, view: ImageView, platform: Platform) -> Iterator[Finding]:
        """Return a finding where the config of an entry, or a second entry, says otherwise than the index."""
        entries = [entry for entry in view.image.entries if _names(entry.platform) == _names(platform)]
        for entry in entries:
            config = view.image.image_of(entry).config.platform
            if _names(config) != _names(platform):
                yield self.finding(
                    platform=platform,
                    item=entry.descriptor.digest,
                    expected=f"a config for {platform}, as the index says",
                    found=f"its config says {config}",
                )
        if len({entry.descriptor.digest for entry in entries}) > 1 and len({entry.platform for entry in entries}) == 1:
            yield self.finding(
                platform=platform,
                expected="one entry in the index",
                found=f"{len(entries)} of them: {', '.join(entry.descriptor.digest for entry in entries)}",
            )


class AttestationDanglingRule(ImageRule):
    """Find an attestation that refers to nothing in the index.

    Why: provenance or an SBOM that belongs to no image of this index describes another build. Whoever verifies finds
    nothing for the image, or believes something that is not about it.

    Seen in: clean-ups that take single manifests away from under an index (vlaurin/action-ghcr-prune#76,
    snok/container-retention-policy#43), and indexes that a tool put together anew.

    Mend: copy attestations together with the image that they refer to (`docker buildx imagetools create` does), and leave
    out those of platforms that are left out.
    """

    code = "MA111"
    name = "attestation-dangling"

    def check(self, view: ImageView) -> Iterator[Finding]:
        """Return a finding for each attestation whose subject is no entry."""
        offered = {entry.descriptor.digest for entry in view.image.entries}
        for attestation in view.image.attestations:
            if attestation.refers_to not in offered:
                found = attestation.refers_to or "nothing at all"
                yield self.finding(
                    item=attestation.digest,
                    expected=f"a reference to one of {len(offered)} images of the index",
                    found=f"the attestation refers to {found}",
                )


class AttestationMissingRule(IndexRule):
    """Find a platform without an attestation.

    It runs only where it is selected: many images have none on purpose.

    Why: provenance and SBOM are made per platform. A pipeline that builds one platform elsewhere and joins it to the
    index easily loses them for that one.

    Seen in: estesp/manifest-tool#199 and ralforion/orionbelt-ontology-builder#278: attestations lost where an index was put
    together from single platforms.

    Mend: build each platform with `--provenance` or `--sbom`, and join indexes, not bare manifests.
    """

    code = "MA112"
    name = "attestation-missing"
    opt_in = True

    def check(self, view: ImageView, platform: Platform) -> Iterator[Finding]:
        """Return a finding where no attestation refers to the platform's image."""
        digest = view.image.for_platform(platform).digest
        if all(attestation.refers_to != digest for attestation in view.image.attestations):
            yield self.finding(
                platform=platform,
                expected="an attestation (provenance or SBOM) that refers to this platform's image",
                found=f"none of {len(view.image.attestations)} does",
            )


def _names(platform: Platform) -> tuple[str, str, str]:
    return platform.os, platform.architecture, platform.variant
