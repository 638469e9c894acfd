"""What the user has set, read once into a frozen `Settings`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_multiarch.settings.options import OPTIONS, read_number, read_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pytest

    from pytest_multiarch.engine.options import EngineOptions, Node
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold all that the user has set, checked. Paths are absolute; time limits are in seconds."""

    platforms: tuple[Platform, ...]
    platforms_given: bool
    image: str
    build: BuildSpec
    engine: EngineOptions
    skips_unavailable: bool = False
    """Whether tests of platforms that do not run here are skipped, and do not fail."""

    def describe(self) -> str:
        """Return one line for pytest's header: what is tested, and for which platforms."""
        platforms = ", ".join(map(str, self.platforms))
        shown = (
            platforms
            if self.platforms_given
            else f"{platforms} (this machine's own; choose with --multiarch-platforms)"
        )
        return f"{self.image} for {shown}" if self.image else shown


def read_settings(config: pytest.Config) -> Settings:
    """Read and check all options. Raises `UsageProblem` with the first that is wrong; touches no daemon."""
    # Imported here: this module is loaded by every pytest run that has the plugin installed.
    from pytest_multiarch.engine.spec import BuildSpec, parse_build_args, parse_build_contexts
    from pytest_multiarch.platforms import Platform, parse_platforms

    values = read_values(config, OPTIONS)
    platforms = parse_platforms(values["platforms"]) if values["platforms"] else (Platform.host(),)
    spec = BuildSpec(
        context=_path(config, values["context"]) or config.rootpath,
        dockerfile=_path(config, values["dockerfile"]),
        target=values["target"] or None,
        args=parse_build_args(values["build-arg"]),
        contexts=parse_build_contexts(values["build-context"]),
        base_images=tuple(_reference(text, "--multiarch-base-images") for text in values["base-images"]),
    )
    if (values["context"] or values["dockerfile"]) and not values["image"]:
        spec.check()
    return Settings(
        platforms=platforms,
        platforms_given=bool(values["platforms"]),
        image=_image(config, values["image"], "--multiarch-image") if values["image"] else "",
        build=spec,
        engine=_engine_options(config, values, len(platforms)),
        skips_unavailable=_choice(values["unavailable"], "--multiarch-unavailable", ("fail", "skip")) == "skip",
    )


def _engine_options(config: pytest.Config, values: Mapping[str, Any], platforms: int) -> EngineOptions:
    from pytest_multiarch.engine.caches import parse_cache
    from pytest_multiarch.engine.options import EngineOptions

    def caches(name: str) -> tuple[str, ...]:
        return tuple(parse_cache(text, f"--multiarch-{name}", config.rootpath, platforms) for text in values[name])

    return EngineOptions(
        builder=values["builder"],
        mirrors=tuple(_mirror(text) for text in values["mirror"]),
        registry_image=_reference(values["registry-image"], "--multiarch-registry-image"),
        registry_port=read_number(values["registry-port"], "--multiarch-registry-port", int, 1, 65535)
        if values["registry-port"]
        else None,
        buildkit_image=_reference(values["buildkit-image"], "--multiarch-buildkit-image"),
        build_timeout=read_number(values["build-timeout"], "--multiarch-build-timeout", float, 1, 86400),
        command_timeout=read_number(values["command-timeout"], "--multiarch-command-timeout", float, 1, 86400),
        nodes=tuple(_nodes(values["node"])),
        plain_http=tuple(_host(text) for text in values["plain-http"]),
        runs=not values["no-run"],
        emulation_factor=read_number(values["emulation-factor"], "--multiarch-emulation-factor", float, 1, 100),
        install_emulators=values["install-emulators"],
        emulators_image=_reference(values["emulators-image"], "--multiarch-emulators-image"),
        cache_from=caches("cache-from"),
        cache_to=caches("cache-to"),
        reuse=config.rootpath if values["reuse"] else None,
    )


def _choice(text: str, option: str, choices: Sequence[str]) -> str:
    if text not in choices:
        from pytest_multiarch.errors import UsageProblem

        raise UsageProblem(f"reading {text!r} of {option}", "it is no choice", f"Give {' or '.join(choices)}.")
    return text


def _nodes(texts: Sequence[str]) -> Iterator[Node]:
    from pytest_multiarch.engine.options import Node
    from pytest_multiarch.errors import InvalidPlatform, UsageProblem
    from pytest_multiarch.platforms import Platform

    seen = set()
    for text in texts:
        name, _, endpoint = text.partition("=")
        tried = f"reading the node {text!r} of --multiarch-node"
        if not endpoint:
            raise UsageProblem(
                tried, "it has no endpoint", "Write it as linux/arm64=ssh://host, or a docker context's name."
            )
        try:
            platform = Platform.parse(name)
        except InvalidPlatform as error:
            raise InvalidPlatform(f"{error.tried} of --multiarch-node", error.found, error.hint) from None
        if platform in seen:
            raise UsageProblem(tried, f"{platform} has a node already", "Leave one of them out.")
        seen.add(platform)
        yield Node(platform, endpoint)


def _path(config: pytest.Config, text: str) -> Path | None:
    return (config.rootpath / Path(text).expanduser()).absolute() if text else None


def _image(config: pytest.Config, text: str, option: str) -> str:
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.image.layout_location import LayoutLocation

    if not LayoutLocation.is_one(text):
        return _reference(text, option)
    try:
        return resolve_image(config, text)
    except UsageProblem as error:
        hint = error.hint or "Write it as oci-layout://PATH[:TAG][@DIGEST], or as oci-archive:// with a file."
        raise type(error)(f"{error.tried} of {option}", error.found, hint) from None


def resolve_image(config: pytest.Config, text: str) -> str:
    """Return an image's name with the path that it may have made absolute, from pytest's rootdir.

    Raises `InvalidReference`: it is meant to be a layout and names none. Raises `UsageProblem`: there is no such layout.
    """
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.image.layout_location import LayoutLocation

    if not LayoutLocation.is_one(text):
        return text
    location = LayoutLocation.parse(text)
    location = replace(location, path=(config.rootpath / location.path.expanduser()).absolute())
    try:
        location.check()
    except UsageProblem as error:
        hint = error.hint or f"A relative path begins at pytest's rootdir, {config.rootpath}."
        raise UsageProblem(error.tried, error.found, hint) from None
    return str(location)


def _reference(text: str, option: str) -> str:
    from pytest_multiarch.errors import InvalidReference
    from pytest_multiarch.image.reference import Reference

    try:
        Reference.parse(text)
    except InvalidReference as error:
        hint = error.hint or "Write it as docker pull takes it: registry.example/team/app:1.2"
        raise InvalidReference(f"{error.tried} of {option}", error.found, hint) from None
    return text


def _host(text: str) -> str:
    if not text or "/" in text:
        from pytest_multiarch.errors import UsageProblem

        raise UsageProblem(
            f"reading the registry {text!r} of --multiarch-plain-http",
            "it is no host",
            "Write it as references have it: registry.example:5001",
        )
    return text


def _mirror(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        from pytest_multiarch.errors import UsageProblem

        raise UsageProblem(
            f"reading the mirror {text!r} of --multiarch-mirror",
            "it is no URL",
            "Write it with its scheme: https://mirror.example",
        )
    return text.rstrip("/")
