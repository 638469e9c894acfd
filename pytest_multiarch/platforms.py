"""Say what a platform is, read its name, and tell which platform runs where.

Behaves as containerd/platforms v1.0.0-rc.5 does (``platforms.go``, ``compare.go``, ``platform_windows_compat.go``):
Docker, BuildKit and containerd decide with that library which entry of an index they take, and these values are held
against what they took. The names themselves are in ``_platform_names``; whether this machine has the kernel or the
emulator to run a platform is the engine's business.
"""

from __future__ import annotations

import platform as running
import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from pytest_multiarch import _platform_names as names
from pytest_multiarch.errors import InvalidPlatform

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The operating system where none is said. containerd takes its own; the containers under test are Linux's, also when
#: pytest runs on macOS or Windows.
DEFAULT_OS = "linux"

# As in platforms.go; Go's `$` is the end of the text, hence fullmatch.
_OS_PART = re.compile(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?")
_CPU_PART = re.compile(r"[A-Za-z0-9_.-]+")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_FORM = "write os/architecture or os/architecture/variant: linux/amd64, linux/arm64, linux/arm/v7"

# The LTSC releases whose containers later hosts still run: Windows Server 2022 and 2025.
_WINDOWS_LTSC = (20348, 26100)
_WINDOWS_VERSION = re.compile(r"0*([0-9]{1,3})\.0*([0-9]{1,3})\.0*([0-9]{1,5})(?:\..*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Platform:
    """Name one platform, always in its normal form: what means the same is equal, however it was spelt.

    Platforms have no order of their own; ``best`` says which of several a host would take.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Bring the fields into normal form, as ``Normalize`` in platforms.go does."""
        architecture, variant = names.normal_cpu(self.architecture, self.variant)
        object.__setattr__(self, "os", names.normal_os(self.os))
        object.__setattr__(self, "architecture", architecture)
        object.__setattr__(self, "variant", variant)
        object.__setattr__(self, "os_features", tuple(sorted({feature for feature in self.os_features if feature})))

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read what a person wrote: ``linux/arm64/v8``, ``arm64``, ``linux``, ``windows(10.0.17763)/amd64``.

        An architecture alone is Linux's; an operating system alone is that of this process's machine. Upper and lower
        case, and the aliases that containerd knows (``x86_64``, ``aarch64``, ``armhf``, ``macos``), mean the same.

        Raises InvalidPlatform for what ``Parse`` in platforms.go refuses and also, with the nearest name that exists,
        for unknown operating systems, architectures and variants: containerd takes them and then finds no such image.
        """
        if "*" in text:
            raise _refusal(text, "wildcards are not supported")
        first, *rest = text.split("/")
        system = _OS_PART.fullmatch(first)
        if system is None or len(rest) > 2 or not all(_CPU_PART.fullmatch(part) for part in rest):
            raise _refusal(text, "it is empty" if not text else "it does not have the form of a platform")
        version, *features = (_decoded(text, part) for part in ((system[2] or "") + (system[3] or "")).split("+"))
        if rest:
            one = cls(system[1], rest[0], "".join(rest[1:]), version, tuple(features))
            problem = names.problem_with(system[1], rest[0], "".join(rest[1:]))
        elif names.normal_os(system[1]) in names.OPERATING_SYSTEMS:
            return replace(cls.host(), os=system[1], os_version=version, os_features=tuple(features))
        else:
            one = cls(DEFAULT_OS, first)
            problem = names.problem_with(DEFAULT_OS, first, "") and "no operating system or architecture is called so"
        if problem:
            raise _refusal(text, problem)
        return one

    @classmethod
    def from_fields(
        cls, os: str, architecture: str, variant: str = "", os_version: str = "", os_features: Iterable[str] = ()
    ) -> Platform:
        """Take what a document says, in normal form, whether it is known or not: an index may list ``unknown/unknown``.

        An operating system that the document leaves out stays empty; containerd would put its own in place.
        """
        return cls(os, architecture, variant, os_version, tuple(os_features))

    @classmethod
    def host(cls) -> Platform:
        """Return the platform of Linux containers on the machine of this process.

        The operating system is always Linux: Docker Desktop runs Linux containers on macOS and on Windows, too. A
        daemon elsewhere may have another architecture; ask that daemon. Raises InvalidPlatform for an unknown machine.
        """
        machine = running.machine()
        cpu = names.cpu_of_machine(machine)
        if cpu is None:
            raise InvalidPlatform(
                "reading this machine's platform",
                f"no known architecture is called {machine!r}",
                "name operating system and architecture, for example linux/amd64",
            )
        return cls(DEFAULT_OS, *cpu)

    def __str__(self) -> str:
        """Return the normal form without version and features, as ``Format`` does."""
        return self._joined(self.os)

    def format_all(self) -> str:
        """Return the normal form with the operating system's version and features, as ``FormatAll`` does."""
        options = "".join([_encoded(self.os_version), *(f"+{_encoded(feature)}" for feature in self.os_features)])
        return self._joined(f"{self.os}({options})" if options else self.os)

    def _joined(self, os: str) -> str:
        return "/".join(part for part in (os, self.architecture, self.variant) if part) if self.os else "unknown"

    @property
    def machine(self) -> str:
        """Return what ``uname -m`` says on such hardware under Linux: x86_64, aarch64, armv7l, ….

        It is the kernel's word and not the image's: linux/386 on an amd64 kernel says x86_64, linux/arm/v7 on an arm64
        kernel says aarch64.
        """
        return names.machine_of(self.architecture, self.variant)

    def kernel_machine(self, host: Platform, *, emulated: bool | None = None) -> str:
        """Return what ``uname -m`` says in a container of this platform on that host.

        Where the host's hardware runs it, that is the host's own kernel: linux/386 on amd64 says x86_64, linux/arm/v7 on
        arm64 says aarch64 (containerd#10466). QEMU answers in the kernel's place: there it is ``machine``, and armv7l for all
        of arm, whose newest 32-bit processor QEMU emulates. ``emulated`` tells which it is; None takes 386 on amd64 and arm
        on arm64 for the hardware's, though some of arm64's has no 32 bits.
        """
        if emulated is None:
            pairs = {("amd64", "386"), ("arm64", "arm")}
            emulated = self.architecture != host.architecture and (host.architecture, self.architecture) not in pairs
        if not emulated:
            return host.machine
        return Platform(self.os, "arm", "v7").machine if self.architecture == "arm" else self.machine

    def fallbacks(self) -> tuple[Platform, ...]:
        """Return what this host runs, best first and itself first of all (``platformVector`` in compare.go).

        An arm64 variant that is not known runs itself here; containerd's list for it is empty.
        """
        return tuple(
            replace(self, architecture=architecture, variant=variant)
            for architecture, variant in _cpus_for(self.architecture, self.variant)
        )

    def accepts(self, offered: Platform, *, strict: bool = False) -> bool:
        """Tell whether this host takes an image that is offered for that platform.

        Without ``strict`` older variants and the 32-bit sibling will do (``Only``); with it nothing else
        (``OnlyStrict``). Either way a Windows host takes the builds that it can run, and no offer may ask for a feature
        of the operating system that this host does not have. An offer that names no operating system counts as Linux.
        """
        return self._rank(offered, strict=strict) is not None

    def best(self, offered: Iterable[Platform], *, strict: bool = False) -> Platform | None:
        """Return the offer that this host would take, or None.

        By the order of ``fallbacks``; then the newest Windows version (``windowsMatchComparer``); then the one with the
        most features (``orderedPlatformComparer``); then the first that was offered.
        """
        ranked = [(rank, one) for one in offered if (rank := self._rank(one, strict=strict)) is not None]
        if not ranked:
            return None
        # max, like min, returns the first among equals.
        return max(ranked, key=lambda pair: (-pair[0], pair[1]._windows_newness(), len(pair[1].os_features)))[1]

    def _rank(self, offered: Platform, *, strict: bool) -> int | None:
        if (offered.os or DEFAULT_OS) != (self.os or DEFAULT_OS) or not self._has_what_is_asked(offered):
            return None
        wanted = list(_cpus_for(self.architecture, self.variant))[: 1 if strict else None]
        cpu = (offered.architecture, offered.variant)
        return wanted.index(cpu) if cpu in wanted else None

    def _has_what_is_asked(self, offered: Platform) -> bool:
        features = set(offered.os_features)
        if self.os == "windows":
            # Ignored since before features were compared (windowsStripFeaturesMatcher).
            features.discard("win32k")
            if not _windows_runs(self.os_version, offered.os_version):
                return False
        return features <= set(self.os_features)

    def _windows_newness(self) -> tuple[int, ...]:
        # As numbers: containerd compares the texts, for which build 9200 is newer than build 26100.
        return tuple(int(n) for n in re.findall("[0-9]{1,9}", self.os_version)) if self.os == "windows" else ()


def parse_platforms(given: str | Iterable[str]) -> tuple[Platform, ...]:
    """Read several platforms: one text or several, each with one platform or more, separated by commas.

    Blanks around a platform and empty places between commas do not count. The order stays. Raises InvalidPlatform for
    what ``Platform.parse`` refuses, for nothing at all, and for a platform that is there twice, however it is spelt.
    """
    texts = [given] if isinstance(given, str) else list(given)
    spellings = [text for part in texts for text in map(str.strip, part.split(",")) if text]
    tried = f"reading the platforms {','.join(texts)!r}"
    if not spellings:
        raise InvalidPlatform(tried, "there is none", "name at least one, for example linux/amd64,linux/arm64")
    found: dict[Platform, str] = {}
    for spelling in spellings:
        one = Platform.parse(spelling)
        if one in found:
            both = f"{found[one]!r} and {spelling!r} are the same platform, {one.format_all()}"
            raise InvalidPlatform(tried, both, "leave one of them out")
        found[one] = spelling
    return tuple(found)


def _refusal(text: str, found: str) -> InvalidPlatform:
    pieces = re.split(r"[\s,;]+", text.strip())
    if len(pieces) > 1 and all("/" in piece.strip("/") for piece in pieces):
        hint = "separate several platforms with commas, without blanks inside of them"
    else:
        name = "" if "*" in text else names.nearest(text)
        hint = f"did you mean {name}?" if name else _FORM
    return InvalidPlatform(f"reading the platform {text!r}", found, hint)


def _decoded(text: str, option: str) -> str:
    try:
        if _BROKEN_ESCAPE.search(option) is None:
            return unquote(option, errors="strict")
    except UnicodeDecodeError:
        pass
    raise _refusal(text, f"{option!r} has an escape that stands for no character")


def _encoded(option: str) -> str:
    # FormatAll escapes `%+()/`. Whatever else Parse does not take is escaped here as well, so that it can be read back.
    return quote(option, safe="", errors="surrogatepass").replace("~", "%7E")


def _cpus_for(architecture: str, variant: str) -> Iterator[tuple[str, str]]:
    """Yield the architectures and variants that this one runs, best first, in normal form."""
    yield architecture, variant
    numbered = re.fullmatch(r"v?([0-9]{1,2})", variant)
    level = int(numbered[1]) if numbered else 0
    if architecture == "amd64":
        yield from (names.normal_cpu("amd64", f"v{older}") for older in range(level - 1, 0, -1))
        yield "386", ""
    elif architecture == "arm":
        yield from (("arm", f"v{older}") for older in range(level - 1, 4, -1))
    elif architecture == "arm64" and (variant or "v8") in names.VARIANTS["arm64"]:
        major, _, digit = (variant or "v8").partition(".")
        minor = int(digit or 0)
        if major == "v9":
            yield from (names.normal_cpu("arm64", f"v9.{older}") for older in range(minor - 1, -1, -1))
            # Armv9.x is Armv8.(x+5) and more; the Armv8 line ends with .9.
            minor = min(minor + 5, 9) + 1
        yield from (names.normal_cpu("arm64", f"v8.{older}") for older in range(minor - 1, -1, -1))
        yield from _cpus_for("arm", "v8")


def _windows_runs(host: str, container: str) -> bool:
    """Tell whether a Windows host of that version runs containers of that version; an unknown version suits all.

    Before Windows Server 2022 both builds had to be equal. Since then a host runs what lies between the LTSC release
    before its own and its own build (``checkWindowsHostAndContainerCompat`` in platform_windows_compat.go).
    """
    host_version, container_version = _windows_version(host), _windows_version(container)
    if host_version == (0, 0, 0) or not container:
        return True
    if host_version[:2] != container_version[:2]:
        return False
    build, container_build = host_version[2], container_version[2]
    if build < _WINDOWS_LTSC[0]:
        return build == container_build
    return _WINDOWS_LTSC[max(bisect_right(_WINDOWS_LTSC, build) - 2, 0)] <= container_build <= build


def _windows_version(version: str) -> tuple[int, int, int]:
    """Return major, minor and build; zeros for what is not a Windows version, as ``getWindowsOSVersion`` does."""
    found = _WINDOWS_VERSION.fullmatch(version)
    major, minor, build = (int(number) for number in found.groups()) if found else (0, 0, 0)
    return (major, minor, build) if max(major, minor) < 1 << 8 and build < 1 << 16 else (0, 0, 0)
