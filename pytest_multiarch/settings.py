"""Options, their ini twins and the defaults, read once into a frozen `Settings`.

A list option's ini twin is ``type="args"``, so that one text and a TOML list both work; the command line wins over the ini.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pytest

    from pytest_multiarch.audit.policy import Policy
    from pytest_multiarch.engine.options import EngineOptions, Node
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform

DEFAULT_REGISTRY_IMAGE = "registry:2"
DEFAULT_BUILDKIT_IMAGE = "moby/buildkit:buildx-stable-1"


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one option: its name without prefix, its help, and what its values are.

    A list may be given several times; of ``lines`` each value is one line in the ini file, blanks included. A flag has no
    value.
    """

    name: str
    help: str
    metavar: str = ""
    default: str = ""
    is_list: bool = False
    is_lines: bool = False
    is_flag: bool = False

    @property
    def repeats(self) -> bool:
        """Tell whether it may be given several times."""
        return self.is_list or self.is_lines

    @property
    def flag(self) -> str:
        """Return the command line's spelling."""
        return f"--multiarch-{self.name}"

    @property
    def ini(self) -> str:
        """Return the ini twin's name, which is also where argparse keeps the value."""
        return f"multiarch_{self.name.replace('-', '_')}"


OPTIONS = (
    Option(
        "platforms",
        "platforms to test, such as linux/amd64,linux/arm64 (default: this machine's own)",
        "PLATFORM,…",
        is_list=True,
    ),
    Option(
        "image",
        "test this image and build nothing: a published one, or oci-layout://DIR[:TAG], oci-archive://FILE[:TAG], "
        "relative to the rootdir",
        "REF",
    ),
    Option("context", "folder to build, relative to the rootdir (default: the rootdir)", "DIR"),
    Option("dockerfile", "Dockerfile, relative to the rootdir (default: Dockerfile in the context)", "FILE"),
    Option("target", "stage to build (default: the last one)", "STAGE"),
    Option(
        "build-arg",
        "build argument; without a value it is taken from the environment; repeatable",
        "NAME[=VALUE]",
        is_list=True,
    ),
    Option("build-context", "named build context; repeatable", "NAME=SOURCE", is_list=True),
    Option(
        "base-images",
        "images to copy into the throwaway registry beside those that the Dockerfile names",
        "REF",
        is_list=True,
    ),
    Option(
        "builder",
        "container: a throwaway builder; docker: the daemon's own BuildKit; NAME: a builder that exists, never deleted; "
        "auto: container, or docker where the BuildKit image cannot be had",
        "auto|container|docker|NAME",
        "auto",
    ),
    Option(
        "node",
        "build and run a platform on a daemon of its own: an address or a docker context that shares this machine's "
        "loopback; repeatable",
        "PLATFORM=ENDPOINT",
        is_list=True,
    ),
    Option("mirror", "mirror of Docker Hub to use before those that the daemon names; repeatable", "URL", is_list=True),
    Option("registry-image", "image of the throwaway registry", "REF", DEFAULT_REGISTRY_IMAGE),
    Option("registry-port", "port of the throwaway registry on 127.0.0.1 (default: a free one)", "PORT"),
    Option("buildkit-image", "image of the throwaway builder", "REF", DEFAULT_BUILDKIT_IMAGE),
    Option("build-timeout", "time limit of one platform's build, in seconds", "SECONDS", "1800"),
    Option("command-timeout", "time limit of one command in a container, in seconds", "SECONDS", "300"),
)

AUDIT_OPTIONS = (
    Option("audit", "collect the audit's rules as tests: audit::MA201[linux/arm64]", is_flag=True),
    Option(
        "audit-select",
        "rules to audit by: codes, beginnings of codes, names, 'default' or 'all', separated by commas; repeatable",
        "RULE,…",
        is_list=True,
    ),
    Option(
        "audit-ignore", "rules to leave out, given as for --multiarch-audit-select; repeatable", "RULE,…", is_list=True
    ),
    Option(
        "audit-allow",
        "let findings pass for a reason: 'MA201 /usr/lib/firmware/** because …'; with [linux/arm64] behind the rule for that "
        "platform only; repeatable",
        "ALLOWANCE",
        is_lines=True,
    ),
    Option("audit-age-gap", "days that a platform may be older than the newest (MA505)", "DAYS", "30"),
    Option("audit-size-ratio", "how many times larger or smaller a platform may be (MA506)", "RATIO", "2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold all that the user has set, checked. Paths are absolute; time limits are in seconds."""

    platforms: tuple[Platform, ...]
    platforms_given: bool
    image: str
    build: BuildSpec
    engine: EngineOptions

    def describe(self) -> str:
        """Return one line for pytest's header: what is tested, and for which platforms."""
        platforms = ", ".join(map(str, self.platforms))
        shown = (
            platforms
            if self.platforms_given
            else f"{platforms} (this machine's own; choose with --multiarch-platforms)"
        )
        return f"{self.image} for {shown}" if self.image else shown


def add_options(parser: pytest.Parser) -> None:
    """Register every option with its ini twin."""
    group = parser.getgroup("multiarch", "multi-architecture container images")
    for option in (*OPTIONS, *AUDIT_OPTIONS):
        shown = f"{option.help} (default: {option.default})" if option.default else option.help
        text = f"{shown}; ini: {option.ini}"
        # None tells "not given" from every value, so that the ini twin gets its turn.
        if option.is_flag:
            group.addoption(option.flag, action="store_true", default=None, dest=option.ini, help=text)
            parser.addini(option.ini, shown, type="bool", default=False)
            continue
        group.addoption(
            option.flag,
            action="append" if option.repeats else "store",
            default=None,
            dest=option.ini,
            metavar=option.metavar,
            help=text,
        )
        if option.is_lines:
            parser.addini(option.ini, shown, type="linelist", default=[])
        elif option.is_list:
            parser.addini(option.ini, shown, type="args", default=[])
        else:
            parser.addini(option.ini, shown, type="string", default=option.default)


def read_settings(config: pytest.Config) -> Settings:
    """Read and check all options. Raises `UsageProblem` with the first that is wrong; touches no daemon."""
    # Imported here: this module is loaded by every pytest run that has the plugin installed.
    from pytest_multiarch.engine.spec import BuildSpec, parse_build_args, parse_build_contexts
    from pytest_multiarch.platforms import Platform, parse_platforms

    values = _values(config, OPTIONS)
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
        engine=_engine_options(values),
    )


def _engine_options(values: Mapping[str, Any]) -> EngineOptions:
    from pytest_multiarch.engine.options import EngineOptions

    return EngineOptions(
        builder=values["builder"],
        mirrors=tuple(_mirror(text) for text in values["mirror"]),
        registry_image=_reference(values["registry-image"], "--multiarch-registry-image"),
        registry_port=_number(values["registry-port"], "--multiarch-registry-port", int, 1, 65535)
        if values["registry-port"]
        else None,
        buildkit_image=_reference(values["buildkit-image"], "--multiarch-buildkit-image"),
        build_timeout=_number(values["build-timeout"], "--multiarch-build-timeout", float, 1, 86400),
        command_timeout=_number(values["command-timeout"], "--multiarch-command-timeout", float, 1, 86400),
        nodes=tuple(_nodes(values["node"])),
    )


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


def is_configured(config: pytest.Config) -> bool:
    """Say whether the user has set any option, on the command line or in the ini file."""
    return _any_set(config, (*OPTIONS, *AUDIT_OPTIONS))


def is_audit_configured(config: pytest.Config) -> bool:
    """Say whether the user has set any option about the audit."""
    return _any_set(config, AUDIT_OPTIONS)


def _any_set(config: pytest.Config, options: Sequence[Option]) -> bool:
    return any(
        config.getoption(option.ini) is not None
        or config.getini(option.ini) not in (option.default, [], "", None, False)
        for option in options
    )


def is_audit_wanted(config: pytest.Config) -> bool:
    """Say whether the audit's rules are to be collected as tests."""
    return bool(_value(config, AUDIT_OPTIONS[0]))


def read_audit_policy(config: pytest.Config) -> Policy:
    """Read and check the options about the audit. Raises `UsageProblem` with the first that is wrong."""
    from pytest_multiarch.audit.policy import DEFAULT, Allowance, Policy, split_words
    from pytest_multiarch.audit.views import AuditLimits

    values = _values(config, AUDIT_OPTIONS)
    return Policy(
        select=split_words(values["audit-select"]) or (DEFAULT,),
        ignore=split_words(values["audit-ignore"]),
        allow=tuple(Allowance.parse(text) for text in values["audit-allow"]),
        limits=AuditLimits(
            age_gap=timedelta(days=_number(values["audit-age-gap"], "--multiarch-audit-age-gap", float, 0, 36500)),
            size_ratio=_number(values["audit-size-ratio"], "--multiarch-audit-size-ratio", float, 1, 1000),
        ),
    )


def _values(config: pytest.Config, options: Sequence[Option]) -> Mapping[str, Any]:
    return {option.name: _value(config, option) for option in options}


def _value(config: pytest.Config, option: Option) -> Any:
    given = config.getoption(option.ini)
    if given is None:
        given = config.getini(option.ini)
    if option.is_flag:
        return bool(given)
    if option.repeats:
        return [str(text) for text in given or ()]
    return str(given or option.default)


def _path(config: pytest.Config, text: str) -> Path | None:
    return (config.rootpath / Path(text).expanduser()).absolute() if text else None


def _image(config: pytest.Config, text: str, option: str) -> str:
    from pytest_multiarch.errors import UsageProblem
    from pytest_multiarch.image.layout import LayoutLocation

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
    from pytest_multiarch.image.layout import LayoutLocation

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


def _mirror(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        from pytest_multiarch.errors import UsageProblem

        raise UsageProblem(
            f"reading the mirror {text!r} of --multiarch-mirror",
            "it is no URL",
            "Write it with its scheme: https://mirror.example",
        )
    return text.rstrip("/")


def _number(text: str, option: str, kind: Callable[[str], Any], least: int, most: int) -> Any:
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        from pytest_multiarch.errors import UsageProblem

        raise UsageProblem(
            f"reading {text!r} of {option}", "it is no number in range", f"Give one from {least} to {most}."
        )
    return number
