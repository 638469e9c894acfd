"""Where an audit's image comes from where no engine gives it: one that is there as a whole, or one platform of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_multiarch.errors import MultiArchError

if TYPE_CHECKING:
    from pytest_multiarch.image.index import MultiArchImage
    from pytest_multiarch.image.platform_image import PlatformImage
    from pytest_multiarch.platforms import Platform


@dataclass(frozen=True, slots=True)
class WholeImage:
    """Be the source of an audit of one image that is there as a whole."""

    whole: MultiArchImage

    def image(self) -> MultiArchImage:
        """Return the image."""
        return self.whole

    def platform(self, platform: Platform) -> PlatformImage:
        """Return one platform's image. Raises PlatformMissing."""
        return self.whole.for_platform(platform)


@dataclass(frozen=True, slots=True)
class OnePlatform:
    """Be the source of an audit of one platform's image, of whose index nothing is known."""

    only: PlatformImage

    def image(self) -> MultiArchImage:
        """Raise MultiArchError: there is one platform only."""
        raise MultiArchError(
            f"audit {self.only}", "only this platform's image is given", "Audit the whole image: its index is looked at"
        )

    def platform(self, platform: Platform) -> PlatformImage:
        """Return the image."""
        return self.only
