"""Copy what a Dockerfile stands on into the throwaway registry, so that the build takes it from there, the file unedited."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_multiarch.dockerfile import base_images
from pytest_multiarch.errors import BuildError, InvalidPlatform, InvalidReference, MultiArchError
from pytest_multiarch.image.copying import copy_image
from pytest_multiarch.image.reference import DOCKER_HUB, Reference
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_multiarch.dockerfile import BaseImage
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.copying import CopiedImage
    from pytest_multiarch.image.registry import RegistryClient


# What BuildKit says where an index has no entry for the platform (containerd's images.Manifest).
_NO_MATCH = "no match for platform in manifest"


class Bases:
    """Hold the base images of one build as they stand in the throwaway registry."""

    def __init__(self, contexts: dict[str, str], copies: dict[str, CopiedImage], wanted: dict[str, int]) -> None:
        self.contexts = contexts
        """Build contexts: the name in the Dockerfile to where the copy is."""
        self._copies = copies
        self._lines = wanted

    def fault_behind(self, error: BuildError, platform: Platform) -> BuildError | None:
        """Return the fault of a base image that has nothing for a platform, where that is what made its build fail.

        BuildKit's own words name the copy's digest; the user wants the name and the line in the Dockerfile.
        """
        if _NO_MATCH not in f"{error.found}\n{error.detail}":
            return None
        for name, copy in self._copies.items():
            line = self._lines.get(name)
            if platform in copy.missing and line is not None and copy.digest in f"{error.found}\n{error.detail}":
                offered = ", ".join(str(offer) for offer, _ in copy.chosen) or "none of them"
                return BuildError(
                    error.tried,
                    f"line {line}: the base image {name} has nothing for {platform}",
                    f"Of this run's platforms it has {offered}. Take another base image, or leave {platform} out.",
                )
        return None


def copy_bases(
    spec: BuildSpec,
    platforms: Sequence[Platform],
    *,
    source: RegistryClient,
    target: RegistryClient,
    registry: Registry,
    repository: Reference,
    builders_own: Platform,
    listener: BuildListener,
) -> Bases:
    """Copy the base images of a build for all platforms that it needs them for.

    ``repository`` is where the build will push to: it gets the layers, too, which BuildKit else sends once more, as it does not
    ask the registry to take them from where they are. ``builders_own`` is what ``$BUILDPLATFORM`` stands for.

    An image of the Dockerfile that cannot be copied is left for the builder to fetch, which may reach what this process does
    not, and else says where in the Dockerfile it stands; one that was asked for by name has to be there, and raises what
    reading it raises.
    """
    contexts: dict[str, str] = {}
    copies: dict[str, CopiedImage] = {}
    lines: dict[str, int] = {}
    named = base_images(spec.dockerfile_path, spec.resolved_args())
    wanted = {image.reference: _platforms_of(image.reference, named, platforms, builders_own) for image in named}
    for name in dict.fromkeys([*wanted, *spec.base_images]):
        if name in spec.contexts:
            continue
        try:
            reference = Reference.parse(name)
            copy = copy_image(
                source,
                reference,
                target,
                _home(registry, reference),
                _tag(reference),
                wanted.get(name) or list(platforms),
            )
        except MultiArchError as error:
            if name in spec.base_images:
                raise
            if not isinstance(error, InvalidReference):
                listener.note(f"{name} is left for the builder to fetch: {error.headline}")
            continue
        _lend(copy, target, repository)
        # By digest: another build of this run may copy the same image for other platforms, under the same tag.
        contexts[name] = f"docker-image://{copy.reference.with_digest(copy.digest)}"
        copies[name] = copy
        # Only the stages that are the target's own need the base image for the target's platform.
        own = [image.line for image in named if image.reference == name and image.platform in ("", "$TARGETPLATFORM")]
        if own:
            lines[name] = own[0]
    return Bases(contexts, copies, lines)


def _lend(copy: CopiedImage, target: RegistryClient, repository: Reference) -> None:
    with suppress(MultiArchError):  # then BuildKit sends them, or meets the same
        for layer in copy.layers:
            if not target.mount_blob(repository, layer.digest, copy.reference):
                return


def _platforms_of(
    name: str, named: Sequence[BaseImage], platforms: Sequence[Platform], builders_own: Platform
) -> list[Platform]:
    found: dict[Platform, None] = {}
    for image in named:
        if image.reference != name:
            continue
        if "BUILDPLATFORM" in image.platform:
            found[builders_own] = None
        elif not image.platform or "TARGETPLATFORM" in image.platform:
            found.update(dict.fromkeys(platforms))
        else:
            try:
                found[Platform.parse(image.platform)] = None
            except InvalidPlatform:
                found.update(dict.fromkeys([*platforms, builders_own]))
    return list(found)


def _home(registry: Registry, reference: Reference) -> Reference:
    """Return where the copy goes; a host may have upper case, a port and brackets, none of which a repository may have."""
    if reference.registry == DOCKER_HUB:
        path = Reference(reference.registry, reference.repository).familiar
    else:
        host = re.sub(r"[^a-z0-9.]+", "-", reference.registry.lower()).strip("-")
        path = f"{host}/{reference.repository}"
    return Reference.parse(f"{registry.host}/base/{path}")


def _tag(reference: Reference) -> str:
    """Return a tag that tells what is under it: of a tag and a digest, the digest decides what is meant."""
    return reference.digest.replace(":", "-")[:40] if reference.digest else reference.target
