"""Whether a container is of the very image that was asked for: the daemon's word after the start, against the digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_multiarch.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.image.platform_image import PlatformImage


def check_identity(inspected: Mapping[str, Any], image: PlatformImage, tried: str) -> None:
    """Raise EngineError where a container, as the daemon describes it, is not of this platform's manifest.

    On the containerd store the description has the manifest's descriptor (API 1.48) or names the image by the manifest's
    digest; on the classic store, which keeps no manifests, by the config's digest.
    """
    descriptor = inspected.get("ImageManifestDescriptor") or {}
    found = str(descriptor.get("digest") or inspected.get("Image", ""))
    # The config is asked for last: reading it may take the registry.
    if found == image.digest or (not descriptor and found == image.manifest.config.digest):
        return
    raise EngineError(
        tried,
        f"the daemon runs {found or 'an image that it does not name'}{_platform_of(descriptor)}, not {image.digest}",
        f"Its image store holds another image under that name; remove it (docker image rm {image.reference}) and run again.",
    )


def _platform_of(descriptor: Mapping[str, Any]) -> str:
    platform = descriptor.get("platform") or {}
    names = [str(platform.get(key) or "") for key in ("os", "architecture", "variant")]
    return f" for {'/'.join(filter(None, names))}" if any(names) else ""
