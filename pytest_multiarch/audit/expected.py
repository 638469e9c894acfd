"""In what the platforms of a good image differ: files that each has by another name, or not at all. Each group has a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ExpectedDifference:
    """Name a group of files that are not compared between platforms, with the reason."""

    name: str
    reason: str
    pattern: re.Pattern[str]


def _group(name: str, reason: str, *patterns: str) -> ExpectedDifference:
    return ExpectedDifference(name, reason, re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))


EXPECTED_FILES: Final = (
    _group(
        "package-databases",
        "they hold the names and sums of the platform's own files; the packages in them are compared by their versions",
        r"/var/lib/(?:dpkg|apt|rpm|pacman)(?:/.*)?",
        r"/(?:usr/)?lib/apk(?:/.*)?",
        r"/usr/(?:lib/sysimage|share)/rpm(?:/.*)?",
        r"/etc/apk/arch",
    ),
    _group(
        "caches-and-logs",
        "they are written anew by whoever runs, in an order and a number of their own",
        r"/var/(?:cache|log|tmp)/.*",
        r"/tmp/.*",  # noqa: S108 - a path of the image
        r"/root/\.cache(?:/.*)?",
        r"/etc/ld\.so\.cache~?",
        r".*/__pycache__(?:/.*)?",
        r".*\.py[co]",
    ),
    _group(
        "program-loaders",
        "each architecture has a loader by another name, and 64-bit ones may have a folder for it",
        r"/(?:usr/)?lib[^/]*/ld-(?:linux|musl)[^/]*",
        r"/(?:usr/)?lib[^/]*/ld(?:64)?\.so\.[0-9]+",
        r"/(?:usr/)?(?:lib32|lib64|libx32|libo32)",
        r"/(?:usr/)?lib/libc\.musl-[^/]*",
        r"/etc/ld-musl-[^/]*\.path",
        r"/etc/ld\.so\.conf\.d/[^/]*\{(?:triplet|architecture)\}[^/]*\.conf",
    ),
    _group(
        "processor-libraries",
        "libraries for later processors exist for some architectures only",
        r".*/glibc-hwcaps(?:/.*)?",
    ),
    _group(
        "linker-scripts",
        "what the linker takes for glibc's libm is a script where vector functions belong to it, and else a link",
        r"/usr/lib/(?:\{triplet\}/)?libm\.so",
    ),
    _group(
        "engine-files",
        "engines and builders write them",
        r"/etc/(?:hostname|hosts|resolv\.conf|machine-id|mtab)",
        r"/\.dockerenv",
        r"/(?:dev|proc|sys)(?:/.*)?",
    ),
)

_ANY_GROUP: Final = re.compile("|".join(f"(?:{group.pattern.pattern})" for group in EXPECTED_FILES))

#: The compilers' libraries for features that not every processor has, and what is packaged for some only.
EXPECTED_PACKAGES: Final = re.compile(
    r"lib(?:gprofng|quadmath|itm|lsan|tsan|asan|hwasan|ubsan|mpx|atomic|cilkrts|vtv|numa|mvec|stdc\+\+-[0-9]+-dev|gcc-[0-9]+-dev)[0-9.-]*"
    r"|linux-libc-dev|(?:cpp|gcc|g\+\+|binutils|cpp-[0-9]+|gcc-[0-9]+|g\+\+-[0-9]+)-?\{triplet\}|lib(?:c6|gcc-s1|stdc\+\+6)-\{architecture\}"
)

#: Labels that say when and on what a platform was built, which is another thing for each.
EXPECTED_LABELS: Final = frozenset(
    {
        "org.opencontainers.image.created",
        "org.opencontainers.image.base.digest",
        "org.label-schema.build-date",
        "build-date",
    }
)


def is_expected_file(path: str) -> bool:
    """Tell whether a file, its path without the platform's names, may be on one platform only."""
    return _ANY_GROUP.fullmatch(path) is not None
