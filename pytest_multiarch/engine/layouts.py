"""Images in OCI layouts on disk: looked at before the first test, and brought to where the daemon can pull them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_multiarch.engine.build import platform_tag
from pytest_multiarch.errors import DocumentError, IntegrityError, NotInRegistry, RegistryError, UsageProblem
from pytest_multiarch.image.copying import copy_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.image.copying import CopiedImage
    from pytest_multiarch.image.layout import LayoutClient
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient


def look_at(find: Callable[[], ImageSource]) -> None:
    """Open a layout's image, for what is wrong with its name; what is broken, the tests that read it tell.

    Raises `UsageProblem`: there is no such layout, no such tag in it, or no tag was named and it has several.
    """
    try:
        with suppress(DocumentError, IntegrityError):
            find().image()
    except NotInRegistry as error:
        raise UsageProblem(error.tried, error.found, error.hint) from None
    except RegistryError:
        return


def copying(
    source: LayoutClient,
    target: RegistryClient,
    repository: Reference,
    once: Callable[[str, Callable[[], CopiedImage]], CopiedImage],
) -> Callable[[PlatformImage], Reference]:
    """Return what finds a layout's image for the daemon: copied to ``repository`` when it is first asked for.

    One platform is copied, by its digest: what does not run is not copied. ``once`` calls a function once for each name.
    What is returned raises what reading the layout and writing to the registry raise.
    """

    def find(image: PlatformImage) -> Reference:
        tag = platform_tag("", image.platform).removeprefix(":")
        platforms = [image.platform]
        copy = once(
            f"copy of {image.reference}",
            lambda: copy_image(source, image.reference, target, repository, tag, platforms),
        )
        return copy.reference.with_digest(image.digest)

    return find
