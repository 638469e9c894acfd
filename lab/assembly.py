"""Make one platform's stand-ins: packages into layers, layers and settings into an image's documents."""

from __future__ import annotations

import hashlib
import json
import platform as machine
import re
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lab import buildkit, oci, rootfs
from lab.console import LabError, step
from lab.dpkg_database import Installed
from lab.foreign_apt import ForeignApt
from lab.layers import cached, cached_layer, is_cached
from lab.recipes import ARCHITECTURES, BUILDKIT, DEBIAN, PYTHON, REGISTRY, RELEASE, REVISION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lab import carried
    from lab.foreign_apt import Deb
    from lab.layers import Layer, LayerWriter
    from lab.recipes import Recipe

# A stand-in comes after the one it stands on.
RECIPES = (REGISTRY, DEBIAN, PYTHON, BUILDKIT)

_MACHINES = {
    "x86_64": "linux/amd64",
    "aarch64": "linux/arm64",
    "armv7l": "linux/arm/v7",
    "i686": "linux/386",
    "ppc64le": "linux/ppc64le",
    "s390x": "linux/s390x",
}


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image of a stand-in, ready to be pushed."""

    layers: tuple[Layer, ...]
    config: oci.Document
    manifest: oci.Document


def own_platform() -> str:
    """Return this machine's platform. Raises `LabError` where Debian's packages do not cover it."""
    name = machine.machine()
    if name not in _MACHINES:
        raise LabError(f"making images on a {name} machine", "the lab has no packages for it", "Use another machine.")
    return _MACHINES[name]


def wanted(platforms: Iterable[str]) -> list[tuple[Recipe, str]]:
    """Return what the mirror should hold for the platforms; of BuildKit the machine's own, where it can be made."""
    pairs = [(recipe, name) for name in platforms for recipe in RECIPES if not recipe.own_platform_only]
    return [*pairs, (BUILDKIT, own_platform())] if buildkit.is_expected() else pairs


def key(recipe: Recipe, platform: str, settings: carried.Carried) -> str:
    """Return what an image is made from, as a digest: the recipe, this machine's settings, BuildKit's sources."""
    parts = [
        REVISION,
        RELEASE,
        platform,
        asdict(recipe),
        *(asdict(settings)[name] for name in ("sources", "pip", "apt")),
    ]
    if recipe == BUILDKIT:
        parts.append(buildkit.key())
    text = json.dumps(parts, sort_keys=True).encode()
    return hashlib.sha256(text + settings.ca_bundle).hexdigest()


def make(
    recipes: Iterable[Recipe], platform: str, settings: carried.Carried, compiled: Callable[[], bool]
) -> dict[Recipe, Image]:
    """Return the platform's images, from the cache or made now.

    ``compiled`` waits for BuildKit's programs and tells whether they are there; without them its image is left out.
    """
    ordered = [recipe for recipe in RECIPES if recipe in set(recipes)]
    keys = {recipe: key(recipe, platform, settings) for recipe in (*ordered, DEBIAN)}
    missing = [recipe for recipe in keys if not is_cached(keys[recipe])]
    if not missing:
        return {recipe: _image(recipe, platform, keys) for recipe in ordered}
    with ExitStack() as stack:
        with step(f"packages and images for {platform}"):
            apt = stack.enter_context(ForeignApt(RELEASE, ARCHITECTURES[platform], settings))
            settings = replace(settings, sources=apt.sources)
            closures = apt.closures([(*recipe.below, *recipe.packages) for recipe in missing])
            for recipe, debs in zip(missing, closures, strict=True):
                if recipe != BUILDKIT:
                    _layer(recipe, keys, debs, settings)
        if BUILDKIT in missing and compiled():
            _layer(BUILDKIT, keys, closures[missing.index(BUILDKIT)], settings)
    return {recipe: _image(recipe, platform, keys) for recipe in ordered if is_cached(keys[recipe])}


def _layer(recipe: Recipe, keys: Mapping[Recipe, str], debs: Sequence[Deb], settings: carried.Carried) -> Layer:
    def fill(layer: LayerWriter) -> dict[str, Any]:
        below = Installed(**cached(keys[DEBIAN]).notes) if recipe.below else Installed()
        own = [deb for deb in debs if deb.name not in below.paragraphs and (not recipe.only or deb.name in recipe.only)]
        # Before the packages: the first file at a path stays, and a recipe's is there to take the package's place.
        for path, text, mode in recipe.files:
            layer.file(path, text.encode(), mode)
        root = rootfs.add_packages(layer, own)
        if not recipe.below:
            rootfs.add_base(layer, root)
            rootfs.add_certificates(layer, settings)
            rootfs.add_settings(layer, settings)
        for path, target in recipe.links:
            layer.link(path, target)
        if recipe == BUILDKIT:
            for program in buildkit.programs():
                layer.file(f"usr/bin/{program.name}", program.read_bytes(), 0o755)
        installed = root.installed.on_top_of(below)
        rootfs.add_database(layer, installed)
        return asdict(installed)

    return cached_layer(keys[recipe], fill)


def _image(recipe: Recipe, platform: str, keys: Mapping[Recipe, str]) -> Image:
    layers = tuple(cached(keys[each]) for each in ((DEBIAN, recipe) if recipe.below else (recipe,)))
    env = recipe.env
    if recipe.version_of is not None:
        variable, package = recipe.version_of
        env += ((variable, _upstream_version(Installed(**layers[-1].notes).paragraphs[package])),)
    config = oci.config(recipe, platform, layers, env)
    return Image(layers, config, oci.manifest(config, layers))


def _upstream_version(paragraph: str) -> str:
    """Return the version of a paragraph of dpkg's status without Debian's revision and epoch."""
    found = re.search(r"^Version: (?:\d+:)?(.+?)(?:-[^-]+)?$", paragraph, re.MULTILINE)
    return found[1] if found else ""
