"""The table of options: their names, their ini twins and defaults, and what the user has set.

A list option's ini twin is ``type="args"``, so that one text and a TOML list both work; the command line wins over the ini.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pytest

DEFAULT_REGISTRY_IMAGE = "registry:2"
DEFAULT_BUILDKIT_IMAGE = "moby/buildkit:buildx-stable-1"
# A version that is named, because each brings bugs of its own.
DEFAULT_EMULATORS_IMAGE = "tonistiigi/binfmt:qemu-v10.2.3"


class Option(NamedTuple):
    """Describe one option: its name without prefix, its help, and what its values are.

    Not a dataclass: making one takes a millisecond, which every pytest run that has the plugin installed would pay.

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
    Option(
        "plain-http",
        "registry to read without TLS, besides those on this machine; repeatable",
        "HOST[:PORT]",
        is_list=True,
    ),
    Option(
        "cache-from",
        "where builds take cache from, as docker buildx build has it; {platform} stands for the platform; repeatable",
        "CACHE",
        is_list=True,
    ),
    Option(
        "cache-to",
        "where builds put their cache, one per platform: type=local,dest=cache/{platform}; repeatable",
        "CACHE",
        is_list=True,
    ),
    Option(
        "reuse",
        "keep registry, builder and cache for the next run of this project; what is unchanged is not built again "
        "(python -m pytest_multiarch prune removes them)",
        is_flag=True,
    ),
    Option("mirror", "mirror of Docker Hub to use before those that the daemon names; repeatable", "URL", is_list=True),
    Option("registry-image", "image of the throwaway registry", "REF", DEFAULT_REGISTRY_IMAGE),
    Option("registry-port", "port of the throwaway registry on 127.0.0.1 (default: a free one)", "PORT"),
    Option("buildkit-image", "image of the throwaway builder", "REF", DEFAULT_BUILDKIT_IMAGE),
    Option("build-timeout", "time limit of one platform's build, in seconds", "SECONDS", "1800"),
    Option("command-timeout", "time limit of one command in a container, in seconds", "SECONDS", "300"),
    Option("emulation-factor", "how many times longer the time limits of emulated platforms are", "FACTOR", "5"),
    Option("unavailable", "what tests of platforms do that this machine cannot run: fail or skip", "fail|skip", "fail"),
    Option("no-run", "run nothing of an image: deselect the tests that use its containers", is_flag=True),
    Option(
        "install-emulators",
        "register emulators with the kernel for the platforms that need them, before anything is built; they stay",
        is_flag=True,
    ),
    Option(
        "emulators-image", "image that registers emulators, run with all privileges", "REF", DEFAULT_EMULATORS_IMAGE
    ),
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

STRUCTURE_OPTIONS = (
    Option(
        "structure-tests",
        "files of container-structure-test, beside those called *.structure.yaml: patterns of paths below the rootdir; "
        "repeatable",
        "GLOB",
        is_list=True,
    ),
    Option(
        "structure-strict",
        "take container-structure-test's own verdict also where it hides a failure",
        is_flag=True,
    ),
)

_ALL = (*OPTIONS, *AUDIT_OPTIONS, *STRUCTURE_OPTIONS)


def add_options(parser: pytest.Parser) -> None:
    """Register every option with its ini twin."""
    group = parser.getgroup("multiarch", "multi-architecture container images")
    for option in _ALL:
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


def is_configured(config: pytest.Config) -> bool:
    """Say whether the user has set any option, on the command line or in the ini file."""
    return _any_set(config, _ALL)


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


def read_values(config: pytest.Config, options: Sequence[Option]) -> Mapping[str, Any]:
    """Return what is set for these options, by their names."""
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


def read_number(text: str, option: str, kind: Callable[[str], Any], least: int, most: int) -> Any:
    """Return a number of an option. Raises `UsageProblem`: it is none, or out of range."""
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
