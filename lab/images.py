"""The stand-ins in the mirror: what it holds, what it lacks, and how to fill it.

`debian`, `python`, `registry` and BuildKit, made from Debian's packages, under the names that users write. They are no
copies of the official images; each says so by its label.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lab import assembly, buildkit, carried, mirror, oci
from lab import push as registry
from lab.console import LabError, step
from lab.recipes import ARCHITECTURES, BUILDKIT, RELEASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lab.push import Mirror
    from lab.recipes import Recipe

ALL_PLATFORMS = tuple(ARCHITECTURES)
DEFAULT_PLATFORMS = ALL_PLATFORMS[:2]


def check(platforms: Iterable[str]) -> None:
    """Raise `LabError` for a platform that the lab has no packages for."""
    unknown = [name for name in platforms if name not in ARCHITECTURES]
    if unknown:
        raise LabError("making images", f"no platform {', '.join(unknown)}", f"There are {', '.join(ALL_PLATFORMS)}.")


def prepare(platforms: Sequence[str] = DEFAULT_PLATFORMS) -> None:
    """Make all that needs neither daemon nor mirror: BuildKit's programs and the platforms' images.

    Raises `LabError` where packages cannot be had. Without Go, BuildKit is left out, and that is said.
    """
    check(platforms)
    _make(assembly.wanted(platforms), carried.of_this_machine(RELEASE))


def push(platforms: Sequence[str]) -> None:
    """Fill the mirror with the stand-ins for these platforms; those of others that it has stay.

    Raises `LabError` for a platform that Debian's packages do not cover, and where the mirror does not answer.
    """
    check(platforms)
    settings = carried.of_this_machine(RELEASE)
    with registry.connect() as target:
        missing = _missing(target, platforms, settings)
    if not missing:
        return
    made = _make(missing, settings)
    with (
        step(f"filling the mirror for {', '.join(dict.fromkeys(name for _, name in missing))}"),
        registry.connect() as target,
    ):
        for recipe in assembly.RECIPES:
            _push_one(target, recipe, {name: image for (each, name), image in made.items() if each == recipe}, settings)


def present() -> dict[str, list[str]]:
    """Return the platforms in the mirror of each stand-in by its usual name; nothing where the mirror is down."""
    if not mirror.is_up():
        return {}
    with registry.connect() as target:
        indexes = {recipe.name: target.index(recipe.repository, recipe.tag) for recipe in assembly.RECIPES}
    return {name: list(oci.keys(index)) for name, index in indexes.items() if index}


def is_filled(platforms: Sequence[str]) -> bool:
    """Tell whether `push` of these platforms would have nothing to do."""
    if not mirror.is_up():
        return False
    with registry.connect() as target:
        return not _missing(target, platforms, carried.of_this_machine(RELEASE))


def _missing(target: Mirror, platforms: Sequence[str], settings: carried.Carried) -> list[tuple[Recipe, str]]:
    there = {recipe: oci.keys(target.index(recipe.repository, recipe.tag)) for recipe in assembly.RECIPES}
    return [
        (recipe, name)
        for recipe, name in assembly.wanted(platforms)
        if there[recipe].get(name) != assembly.key(recipe, name, settings)
    ]


def _make(pairs: Iterable[tuple[Recipe, str]], settings: carried.Carried) -> dict[tuple[Recipe, str], assembly.Image]:
    """Make images side by side: a platform a thread, and BuildKit's compiler, which takes longest, before them."""
    by_platform: dict[str, list[Recipe]] = {}
    for recipe, name in pairs:
        by_platform.setdefault(name, []).append(recipe)
    needs_programs = any(BUILDKIT in recipes for recipes in by_platform.values())
    with ThreadPoolExecutor(max_workers=3) as pool:
        compiled = pool.submit(buildkit.build) if needs_programs else None
        waits: Callable[[], bool] = compiled.result if compiled is not None else bool
        running = {
            name: pool.submit(assembly.make, recipes, name, settings, waits) for name, recipes in by_platform.items()
        }
        return {(recipe, name): image for name, each in running.items() for recipe, image in each.result().items()}


def _push_one(target: Mirror, recipe: Recipe, images: dict[str, assembly.Image], settings: carried.Carried) -> None:
    entries = []
    for name, image in images.items():
        for layer in image.layers:
            target.put_layer(recipe.repository, layer)
        target.put_config(recipe.repository, image.config)
        target.put_manifest(recipe.repository, image.manifest.digest, image.manifest)
        entries.append(oci.entry(name, image.manifest, assembly.key(recipe, name, settings)))
    if entries:
        grown = oci.index(target.index(recipe.repository, recipe.tag), entries)
        target.put_manifest(recipe.repository, recipe.tag, grown)
