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
    from pytest_multiarch.image.layout import LayoutClient
    from pytest_multiarch.image.reference import Reference
    from pytest_multiarch.image.registry import RegistryClient
    from pytest_multiarch.platforms import Platform


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


def copy_platform(
    source: LayoutClient, image: Reference, platform: Platform, target: RegistryClient, repository: Reference
) -> Reference:
    """Copy one platform of a layout, by its digest, to where the daemon can pull it, and return where that is.

    What does not run is not copied. Raises what reading the layout and writing to the registry raise.
    """
    tag = platform_tag("", platform).removeprefix(":")
    copy = copy_image(source, image, target, repository, tag, [platform])
    return copy.reference.with_digest(image.digest)
