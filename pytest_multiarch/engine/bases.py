"""Copy what a Dockerfile stands on into the throwaway registry, so that the build takes it from there, the file unedited."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.engine.foundations import Foundation
from pytest_multiarch.errors import BuildError, InvalidPlatform, InvalidReference, MultiArchError
from pytest_multiarch.image.copying import part_for
from pytest_multiarch.image.reference import DOCKER_HUB, Reference
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pytest_multiarch.dockerfile import BaseImage
    from pytest_multiarch.engine.progress import BuildListener
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.image.copying import CopiedImage, ImagePart
    from pytest_multiarch.image.registry import RegistryClient


# What BuildKit says where an index has no entry for the platform (containerd's images.Manifest).
_NO_MATCH = "no match for platform in manifest"
_TARGETS_OWN = ("", "$TARGETPLATFORM")


class Bases:
    """Hold the base images of one build as they stand in the throwaway registry."""

    def __init__(
        self, contexts: dict[str, str], copies: dict[str, CopiedImage], users: dict[str, BaseUse], foundation: str
    ) -> None:
        self.contexts = contexts
        """Build contexts: the name in the Dockerfile to where the copy is."""
        self._foundation = foundation
        self._copies = copies
        self._users = users

    def read_for(self, platform: Platform) -> dict[str, tuple[str, ...]]:
        """Return what one platform's build reads of each: the digests of the manifests that it takes.

        Of what has no entry for it, such as an image without an index, the digest of the whole.
        """
        return {
            name: tuple(copy.digest_for(each) or copy.digest for each in self._users[name].platforms(platform))
            for name, copy in self._copies.items()
        }

    def below(self, platform: Platform) -> Foundation | None:
        """Return the image that a platform's own will stand on, None where nobody knows."""
        copy = self._copies.get(self._foundation)
        digest = copy.digest_for(platform) if copy is not None else None
        if copy is None or digest is None:
            return None
        return Foundation(str(copy.reference.with_digest(digest)), dict(copy.configs)[digest])

    def fault_behind(self, error: BuildError, platform: Platform) -> BuildError | None:
        """Return the fault of a base image that has nothing for a platform, where that is what made its build fail.

        BuildKit's own words name the copy's digest; the user wants the name and the line in the Dockerfile.
        """
        if _NO_MATCH not in f"{error.found}\n{error.detail}":
            return None
        for name, copy in self._copies.items():
            line = self._users[name].own_line
            if platform in copy.missing and line is not None and copy.digest in f"{error.found}\n{error.detail}":
                offered = ", ".join(str(offer) for offer, _ in copy.chosen) or "none of them"
                return BuildError(
                    error.tried,
                    f"line {line}: the base image {name} has nothing for {platform}",
                    f"Of this run's platforms it has {offered}. Take another base image, or leave {platform} out.",
                )
        return None


@dataclass(frozen=True, slots=True)
class BaseUse:
    """Tell which stages stand on an image, by the Dockerfile; ``builders_own`` is what ``$BUILDPLATFORM`` stands for."""

    stages: tuple[BaseImage, ...]
    builders_own: Platform

    @property
    def own_line(self) -> int | None:
        """Return the first line that needs the image for the target's platform: only the stages that are the target's own do."""
        return next((stage.line for stage in self.stages if stage.platform in _TARGETS_OWN), None)

    def platforms(self, target: Platform) -> list[Platform]:
        """Return which of the image's platforms the build of one platform needs; its own where no stage is known."""
        found: dict[Platform, None] = {}
        for stage in self.stages:
            if "BUILDPLATFORM" in stage.platform:
                found[self.builders_own] = None
            elif not stage.platform or "TARGETPLATFORM" in stage.platform:
                found[target] = None
            else:
                try:
                    found[Platform.parse(stage.platform)] = None
                except InvalidPlatform:
                    found.update(dict.fromkeys([target, self.builders_own]))
        return list(found) or [target]


class FoundBases:
    """Hold what of the base images of a build is to be copied: read once, before anything is sent."""

    def __init__(
        self,
        spec: BuildSpec,
        users: dict[str, BaseUse],
        parts: dict[str, ImagePart],
        builders_own: Platform,
        left: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._spec = spec
        self._users = users
        self._parts = parts
        self._own = builders_own
        self._foundation = _foundation(spec)
        self._left_where_it_fails = left

    def groups(self, platforms: Sequence[Platform]) -> list[tuple[Platform, ...]]:
        """Return the platforms in groups whose images can be copied one after the other: the builder's own first, if it can be.

        It cannot where another platform's build reads something that its own does, such as for a stage on ``$BUILDPLATFORM``. With
        an index for each group, BuildKit makes such a stage once in a first build and once for each in later ones: it knows an
        image by its index, and looks at the layers that the config names only where it has not met the index yet (``unpark``
        in ``solver/edge.go``, ``CacheKey`` in ``source/containerimage/pull.go``); the daemon's own never did.

        Nor can it where an image is not known to have a stage that stands on it, or a stage stands on a name that is not known
        here, and may turn out to be that of one that is copied.
        """
        own = tuple(platform for platform in platforms if platform == self._own)
        others = tuple(platform for platform in platforms if platform != self._own)
        if own and others and not self._needs(own) & self._needs(others) and self._knows_all():
            return [own, others]
        return [tuple(platforms)]

    def send(
        self,
        platforms: Sequence[Platform],
        target: Callable[[], RegistryClient],
        repository: Callable[[], Reference],
    ) -> Bases:
        """Copy what the builds of some platforms need.

        ``target`` gives the registry's client, and waits for it, as does ``repository``, where the build will push to. That
        gets the layers, too, which BuildKit else sends once more, as it does not ask the registry to take them from where
        they are.
        """
        copies: dict[str, CopiedImage] = {}
        if self._parts:
            client, home = target(), repository()
            for name, part in self._parts.items():
                with self._left_where_it_fails(name):
                    wanted = {each for platform in platforms for each in self._users[name].platforms(platform)}
                    taken = part.narrowed(wanted)
                    copies[name] = taken.send(client, _home(home.registry, part.reference), _tag(part.reference))
                    _lend(copies[name], client, home)
        # By digest: another build of this run may copy the same image for other platforms, under the same tag.
        contexts = {name: f"docker-image://{copy.reference.with_digest(copy.digest)}" for name, copy in copies.items()}
        return Bases(contexts, copies, self._users, self._foundation)

    def _knows_all(self) -> bool:
        from pytest_multiarch.dockerfile import names_are_known

        have_stages = all(self._users[name].stages for name in self._parts)
        return have_stages and names_are_known(self._spec.dockerfile_path, self._spec.resolved_args())

    def _needs(self, platforms: Iterable[Platform]) -> set[tuple[str, Platform]]:
        return {
            (name, each)
            for name in self._parts
            for platform in platforms
            for each in self._users[name].platforms(platform)
        }


def find_bases(
    spec: BuildSpec,
    platforms: Sequence[Platform],
    *,
    source: RegistryClient,
    builders_own: Platform,
    listener: BuildListener,
) -> FoundBases:
    """Read which base images a build needs, for all platforms that it needs them for.

    An image of the Dockerfile that cannot be copied is left for the builder to fetch, which may reach what this process does
    not, and else says where in the Dockerfile it stands; one that was asked for by name has to be there, and raises what
    reading it raises.
    """
    from pytest_multiarch.dockerfile import base_images

    named = base_images(spec.dockerfile_path, spec.resolved_args())
    users = {
        name: BaseUse(tuple(image for image in named if image.reference == name), builders_own)
        for name in dict.fromkeys([*(image.reference for image in named), *spec.base_images])
        if name not in spec.contexts
    }
    told: set[str] = set()

    @contextmanager
    def left_where_it_fails(name: str) -> Iterator[None]:
        try:
            yield
        except MultiArchError as error:
            if name in spec.base_images:
                raise
            if not isinstance(error, InvalidReference) and name not in told:
                told.add(name)
                listener.note(f"{name} is left for the builder to fetch: {error.headline}")

    parts: dict[str, ImagePart] = {}
    for name, use in users.items():
        with left_where_it_fails(name):
            wanted = dict.fromkeys(each for platform in platforms for each in use.platforms(platform))
            parts[name] = part_for(source, Reference.parse(name), list(wanted))
    return FoundBases(spec, users, parts, builders_own, left_where_it_fails)


def _foundation(spec: BuildSpec) -> str:
    """Return the image whose layers the built one begins with, on each of its platforms; empty where that is not sure."""
    from pytest_multiarch.dockerfile import read_stages, stands_on

    below = stands_on(read_stages(spec.dockerfile_path, spec.resolved_args()), spec.target)
    replaced = any(stage.name.lower() in spec.contexts for stage in below)
    is_targets_own = all(stage.platform in _TARGETS_OWN for stage in below)
    return below[-1].base if below and is_targets_own and not replaced else ""


def _lend(copy: CopiedImage, target: RegistryClient, repository: Reference) -> None:
    with suppress(MultiArchError):  # then BuildKit sends them, or meets the same
        for layer in copy.layers:
            if not target.mount_blob(repository, layer.digest, copy.reference):
                return


def _home(host: str, reference: Reference) -> Reference:
    """Return where the copy goes; a host may have upper case, a port and brackets, none of which a repository may have."""
    if reference.registry == DOCKER_HUB:
        path = Reference(reference.registry, reference.repository).familiar
    else:
        theirs = re.sub(r"[^a-z0-9.]+", "-", reference.registry.lower()).strip("-")
        path = f"{theirs}/{reference.repository}"
    return Reference.parse(f"{host}/base/{path}")


def _tag(reference: Reference) -> str:
    """Return a tag that tells what is under it: of a tag and a digest, the digest decides what is meant."""
    return reference.digest.replace(":", "-")[:40] if reference.digest else reference.target
