"""Know the names that platforms are made of: which exist, which mean the same, which one was probably meant.

Plain text in, plain text out. What a platform is and which platform runs where is ``platforms``.

The rules are those of containerd/platforms v1.0.0-rc.5 (``database.go``, ``compare.go``), which Docker, BuildKit and
containerd share, so that a name means here what it means to them.
"""

from __future__ import annotations

import difflib
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# fmt: off
#: GOOS values: what a single word is looked up in (``isKnownOS`` in database.go).
OPERATING_SYSTEMS = frozenset({
    "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd",
    "openbsd", "plan9", "solaris", "windows", "zos",
})
#: Newer than that list: Docker runs WebAssembly as ``wasi/wasm``, Go builds it as ``wasip1/wasm``.
WEBASSEMBLY_SYSTEMS = frozenset({"wasi", "wasip1"})

#: GOARCH values (``isKnownArch`` in database.go).
ARCHITECTURES = frozenset({
    "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mipsle", "mips64", "mips64le",
    "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64",
    "wasm",
})
#: Those that Go has a Linux port for. The other names are reserved or history: nobody means them by a misspelt one.
LINUX_PORTS = frozenset({
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64",
    "s390x",
})
# fmt: on

#: The variants of the architectures whose variants are numbered and known, in their own order. 386 has none. Any other
#: architecture may have one (``riscv64/rva23u64``, ``ppc64le/power9``): image-spec has not settled their list.
VARIANTS = {
    "386": (),
    "amd64": ("v1", "v2", "v3", "v4"),
    "arm": ("v5", "v6", "v7", "v8"),
    "arm64": ("v8", *(f"v8.{minor}" for minor in range(10)), "v9", *(f"v9.{minor}" for minor in range(8))),
}

#: Other people's words for an architecture, some of which name a variant as well (``normalizeArch`` in database.go).
ALIASES = {
    "aarch64": ("arm64", ""),
    "armel": ("arm", "v6"),
    "armhf": ("arm", "v7"),
    "i386": ("386", ""),
    "x86-64": ("amd64", ""),
    "x86_64": ("amd64", ""),
}

#: Spellings of variants; the commonest of each architecture (v1, v8) is written without one, except for arm.
_VARIANT_SPELLINGS = {
    "amd64": {"v1": ""},
    "arm": {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"},
    "arm64": {"8": "", "v8": "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9"},
}

#: What the Linux kernel calls the machine, where that is not the architecture's own name. arm's are ``armvN``, one of
#: the kernel's many names for v5 (armv5tejl, …) being the one that QEMU has too (``linux-user/uname.c``).
_MACHINES = {
    "386": "i686",
    "amd64": "x86_64",
    "arm64": "aarch64",
    "arm64be": "aarch64_be",
    "loong64": "loongarch64",
    "mips64le": "mips64",
    "mipsle": "mips",
    "riscv": "riscv32",
}
_ARM_MACHINES = {"v5": "armv5tel", "v6": "armv6l", "v7": "armv7l", "v8": "armv8l"}

_OTHER_VARIANT = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_LONGEST_GUESS = 60


def normal_os(os: str) -> str:
    """Return the operating system's one name, as ``normalizeOS`` does."""
    return "darwin" if os.lower() == "macos" else os.lower()


def normal_cpu(architecture: str, variant: str) -> tuple[str, str]:
    """Return architecture and variant in the one form that all their spellings share, as ``normalizeArch`` does."""
    architecture, variant = architecture.lower(), variant.lower()
    named, implied = ALIASES.get(architecture, (architecture, ""))
    if implied or architecture == "i386":
        # These say all there is to say: containerd does not look at what follows them.
        return named, implied
    return named, _VARIANT_SPELLINGS.get(named, {}).get(variant, variant)


def problem_with(os: str, architecture: str, variant: str) -> str:
    """Say why these three, as somebody wrote them, name no platform; an empty text if they name one.

    containerd takes any word here. For people a misspelt platform must not become one that merely does not exist.
    """
    if normal_os(os) not in OPERATING_SYSTEMS | WEBASSEMBLY_SYSTEMS:
        return f"{os!r} is not a known operating system"
    named, implied = ALIASES.get(architecture.lower(), (architecture.lower(), ""))
    if named not in ARCHITECTURES:
        return f"{architecture!r} is not a known architecture"
    if not variant:
        return ""
    if implied and normal_cpu(named, variant)[1] != implied:
        # containerd drops what armhf and armel are followed by, and so runs arm/v7 for somebody who wrote armhf/v6.
        return f"{architecture!r} is {named}/{implied} already, which {variant!r} is not"
    if named not in VARIANTS:
        known = _OTHER_VARIANT.fullmatch(variant.lower()) is not None
        return "" if known else f"{variant!r} cannot be a variant"
    if variant.lower() in VARIANTS[named] or variant.lower() in _VARIANT_SPELLINGS.get(named, {}):
        return ""
    choice = f"{VARIANTS[named][0]} to {VARIANTS[named][-1]}" if VARIANTS[named] else "none"
    return f"{variant!r} is not a variant of {named}, which has {choice}"


def nearest(text: str) -> str:
    """Return the normal form of the platform name that is most like ``text``, or an empty text if none is."""
    # The operating system's version and features are not what was misspelt.
    wanted = re.sub(r"\([^/]*", "", text).lower()
    # What is that long is not a slip of the finger, and comparing takes time with its length.
    if len(wanted) > _LONGEST_GUESS:
        return ""
    spellings = dict(_spellings())
    close = difflib.get_close_matches(wanted, spellings, n=8)
    if not close:
        return ""

    def likeness(name: str) -> tuple[float, bool]:
        # arm46 is as near to armv6 as to arm64, but letters are swapped more often than replaced.
        return difflib.SequenceMatcher(None, name, wanted).ratio(), sorted(name) == sorted(wanted)

    return spellings[max(close, key=likeness)]


def _spellings() -> Iterator[tuple[str, str]]:
    """Yield how people write platforms, each with the normal form."""
    yield from (("wasi", "wasi/wasm"), ("wasi/wasm", "wasi/wasm"))
    for os in ("linux", "windows", "darwin", "macos", "freebsd"):
        yield os, normal_os(os)
        for architecture in ("amd64", "arm64"):
            yield f"{os}/{architecture}", _name(os, architecture)
    for architecture in LINUX_PORTS:
        yield architecture, _name("linux", architecture)
        yield f"linux/{architecture}", _name("linux", architecture)
        yield f"{architecture}/linux", _name("linux", architecture)
        for variant in VARIANTS.get(architecture, ()):
            yield f"linux/{architecture}/{variant}", _name("linux", architecture, variant)
            # Docker Hub's arm64v8/… and uname's armv7.
            yield f"{architecture}{variant}", _name("linux", architecture, variant)
            yield f"linux/{architecture}{variant}", _name("linux", architecture, variant)
    for alias in ALIASES:
        yield alias, _name("linux", alias)
        yield f"linux/{alias}", _name("linux", alias)


def _name(os: str, architecture: str, variant: str = "") -> str:
    return "/".join(part for part in (normal_os(os), *normal_cpu(architecture, variant)) if part)


def machine_of(architecture: str, variant: str) -> str:
    """Return what ``uname -m`` says on Linux hardware of that kind; the architecture itself if it is not known here."""
    if architecture == "arm":
        return _ARM_MACHINES.get(variant, "arm")
    return _MACHINES.get(architecture, architecture)


def cpu_of_machine(machine: str) -> tuple[str, str] | None:
    """Return architecture and variant of a machine as ``uname -m``, macOS or Windows calls it, None if unknown."""
    machine = machine.lower()
    if arm := re.fullmatch(r"armv([5-8])[a-z]*l", machine):
        return "arm", f"v{arm[1]}"
    if re.fullmatch(r"i[3-6]86", machine):
        return "386", ""
    # The kernel has one word for both byte orders of MIPS, Go has two.
    if machine in {"mips", "mips64"} and sys.byteorder == "little":
        return f"{machine}le", ""
    architecture = {"loongarch64": "loong64", "riscv32": "riscv", "aarch64_be": "arm64be"}.get(machine, machine)
    named, variant = normal_cpu(architecture, "")
    return (named, variant) if named in ARCHITECTURES else None
