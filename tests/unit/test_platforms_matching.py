"""Which platform runs where, and which offer a host takes.

Expected values are containerd/platforms' own: ``compare.go``, ``platform_windows_compat.go`` and the tables of their
tests ``compare_test.go``, ``platform_windows_compat_test.go``, ``defaults_test.go``.
"""

from __future__ import annotations

import pytest

from pytest_multiarch.platforms import Platform

ARM = "arm/v8 arm/v7 arm/v6 arm/v5"
V8 = [
    "arm64/v8.9",
    "arm64/v8.8",
    "arm64/v8.7",
    "arm64/v8.6",
    "arm64/v8.5",
    "arm64/v8.4",
    "arm64/v8.3",
    "arm64/v8.2",
    "arm64/v8.1",
    "arm64",
]


def v8(minor: int) -> str:
    """Return arm64's v8 variants from that minor version downwards, then what 32-bit arm they run."""
    return " ".join([*V8[9 - minor :], ARM])


#: What each Linux host runs, best first (platformVector).
RUNS = {
    "386": "386",
    "amd64": "amd64 386",
    "amd64/v2": "amd64/v2 amd64 386",
    "amd64/v3": "amd64/v3 amd64/v2 amd64 386",
    "amd64/v4": "amd64/v4 amd64/v3 amd64/v2 amd64 386",
    "arm/v5": "arm/v5",
    "arm/v6": "arm/v6 arm/v5",
    "arm/v7": "arm/v7 arm/v6 arm/v5",
    "arm/v8": ARM,
    "arm64": f"arm64 {ARM}",
    "arm64/v8.1": v8(1),
    "arm64/v8.2": v8(2),
    "arm64/v8.3": v8(3),
    "arm64/v8.4": v8(4),
    "arm64/v8.5": v8(5),
    "arm64/v8.6": v8(6),
    "arm64/v8.7": v8(7),
    "arm64/v8.8": v8(8),
    "arm64/v8.9": v8(9),
    "arm64/v9": f"arm64/v9 {v8(5)}",
    "arm64/v9.1": f"arm64/v9.1 arm64/v9 {v8(6)}",
    "arm64/v9.2": f"arm64/v9.2 arm64/v9.1 arm64/v9 {v8(7)}",
    "arm64/v9.3": f"arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {v8(8)}",
    "arm64/v9.4": f"arm64/v9.4 arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {v8(9)}",
    "arm64/v9.5": f"arm64/v9.5 arm64/v9.4 arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {v8(9)}",
    "arm64/v9.6": f"arm64/v9.6 arm64/v9.5 arm64/v9.4 arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {v8(9)}",
    "arm64/v9.7": f"arm64/v9.7 arm64/v9.6 arm64/v9.5 arm64/v9.4 arm64/v9.3 arm64/v9.2 arm64/v9.1 arm64/v9 {v8(9)}",
    "ppc64le": "ppc64le",
    "ppc64le/power9": "ppc64le/power9",
    "riscv64": "riscv64",
    "riscv64/rva20u64": "riscv64/rva20u64",
    "riscv64/rva23u64": "riscv64/rva23u64",
    "s390x": "s390x",
    "loong64": "loong64",
    "mips64le": "mips64le",
}
EVERYTHING = [Platform.parse(f"linux/{name}") for name in RUNS]


def linux(names: str) -> list[Platform]:
    return [Platform.parse(f"linux/{name}") for name in names.split()]


@pytest.mark.parametrize("host", RUNS)
def test_lists_what_a_host_runs_best_first(host: str) -> None:
    assert list(Platform.parse(f"linux/{host}").fallbacks()) == linux(RUNS[host])


@pytest.mark.parametrize("host", RUNS)
def test_accepts_what_a_host_runs_and_nothing_else(host: str) -> None:
    accepted = {offered for offered in EVERYTHING if Platform.parse(f"linux/{host}").accepts(offered)}

    assert accepted == set(linux(RUNS[host]))


@pytest.mark.parametrize("host", RUNS)
def test_accepts_only_the_same_if_strict(host: str) -> None:
    same = Platform.parse(f"linux/{host}")

    assert [offered for offered in EVERYTHING if same.accepts(offered, strict=True)] == [same]


@pytest.mark.parametrize("host", RUNS)
def test_accepts_no_other_operating_system(host: str) -> None:
    of_others = [Platform.parse(f"{os}/{host}") for os in ("windows", "darwin", "freebsd")]

    assert not any(Platform.parse(f"linux/{host}").accepts(offered) for offered in of_others)


@pytest.mark.parametrize("os", ["windows", "darwin", "freebsd"])
def test_falls_back_within_the_same_operating_system(os: str) -> None:
    assert [str(one) for one in Platform.parse(f"{os}/amd64").fallbacks()] == [f"{os}/amd64", f"{os}/386"]


def test_keeps_version_and_features_in_what_a_host_falls_back_to() -> None:
    host = Platform.parse("windows(10.0.20348+gpu)/amd64/v2")

    assert [one.format_all() for one in host.fallbacks()] == [
        "windows(10.0.20348+gpu)/amd64/v2",
        "windows(10.0.20348+gpu)/amd64",
        "windows(10.0.20348+gpu)/386",
    ]


@pytest.mark.parametrize(
    ("host", "runs"),
    [
        (("arm", "v4"), ["linux/arm/v4"]),
        (("arm", "v9"), ["linux/arm/v9", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]),
        (("amd64", "v5"), [f"linux/amd64{level}" for level in ("/v5", "/v4", "/v3", "/v2", "")] + ["linux/386"]),
        (("amd64", "v1000000000"), ["linux/amd64/v1000000000", "linux/386"]),
        # containerd has an empty list here, with which a host would not even run its own images.
        (("arm64", "v10"), ["linux/arm64/v10"]),
        (("unknown", ""), ["linux/unknown"]),
    ],
    ids=lambda value: "/".join(value) if isinstance(value, tuple) else "",
)
def test_lists_what_a_host_of_an_unknown_variant_runs(host: tuple[str, str], runs: list[str]) -> None:
    assert [str(one) for one in Platform.from_fields("linux", *host).fallbacks()] == runs


@pytest.mark.parametrize(
    ("host", "offered", "expected"),
    [
        ("linux/amd64/v3", "linux/amd64 linux/amd64/v4 linux/amd64/v2 linux/386", "linux/amd64/v2"),
        ("linux/amd64", "linux/386 linux/arm64 linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/386 linux/arm64", "linux/386"),
        ("linux/amd64", "linux/amd64/v2 linux/arm64", None),
        ("linux/386", "linux/amd64", None),
        ("linux/arm64", "linux/amd64 linux/arm/v6 linux/arm/v7", "linux/arm/v7"),
        ("linux/arm64", "linux/arm/v7 linux/arm64/v8 linux/amd64", "linux/arm64"),
        ("linux/arm64", "linux/arm64/v8.1 linux/arm64/v9", None),
        ("linux/arm64/v9.2", "linux/arm64 linux/arm64/v8.7 linux/arm64/v9.3 linux/arm64/v8.8", "linux/arm64/v8.7"),
        ("linux/arm64/v9", "linux/arm64 linux/arm64/v8.6", "linux/arm64"),
        ("linux/arm/v6", "linux/arm/v7 linux/arm/v5", "linux/arm/v5"),
        ("linux/arm/v5", "linux/arm/v6 linux/arm/v7", None),
        ("linux/riscv64", "linux/riscv64/rva20u64", None),
        ("linux/amd64", "", None),
    ],
)
def test_takes_the_best_offer(host: str, offered: str, expected: str | None) -> None:
    best = Platform.parse(host).best(Platform.parse(name) for name in offered.split())

    assert best == (None if expected is None else Platform.parse(expected))


@pytest.mark.parametrize(
    ("host", "offered", "expected"),
    [
        ("linux/amd64", "linux/386 linux/arm64", None),
        ("linux/arm64", "linux/arm/v7 linux/arm64/v8", "linux/arm64"),
        ("linux/amd64/v3", "linux/amd64 linux/amd64/v2", None),
    ],
)
def test_takes_no_fallback_if_strict(host: str, offered: str, expected: str | None) -> None:
    best = Platform.parse(host).best([Platform.parse(name) for name in offered.split()], strict=True)

    assert best == (None if expected is None else Platform.parse(expected))


@pytest.mark.parametrize(
    ("host", "offered", "expected"),
    [
        ("linux/amd64", "linux(+other)/amd64 linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux(+other)/amd64", None),
        ("linux(+none)/amd64", "linux(+other)/amd64 linux/amd64", "linux/amd64"),
        ("linux(+other)/amd64", "linux/amd64 linux(+other)/amd64", "linux(+other)/amd64"),
        ("linux(+af+other+zf)/amd64", "linux/amd64 linux(+other)/amd64", "linux(+other)/amd64"),
        ("linux(+f1+f2)/amd64", "linux/amd64 linux(+f2)/amd64 linux(+f1)/amd64", "linux(+f2)/amd64"),
        ("linux(+f1+f2)/amd64", "linux(+f1)/amd64 linux(+f2+f1)/amd64", "linux(+f1+f2)/amd64"),
        ("linux(+gpu)/amd64", "linux(+gpu)/386 linux/amd64", "linux/amd64"),
        # Of other systems than Windows the version does not count.
        ("linux(7.2+other)/amd64", "linux(+other)/amd64 linux(7.2+other)/amd64", "linux(+other)/amd64"),
        ("linux(7.2+other)/amd64", "linux(7.1)/amd64 linux/amd64", "linux(7.1)/amd64"),
    ],
)
def test_takes_the_most_features_that_the_host_has(host: str, offered: str, expected: str | None) -> None:
    best = Platform.parse(host).best([Platform.parse(name) for name in offered.split()])

    assert (best and best.format_all()) == expected


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("host", "container", "runs"),
    [
        (17763, 17763, True),
        (17763, 20348, False),
        (17763, 17762, False),
        (17763, 17764, False),
        (20348, 17763, False),
        (20348, 20348, True),
        (20348, 22621, False),
        (20348, 26100, False),
        (22621, 17763, False),
        (22621, 20348, True),
        (25398, 17763, False),
        (25398, 20348, True),
        (26100, 20348, True),
        (26100, 22621, True),
        (26200, 17763, False),
        (26200, 20348, True),
        (26200, 22621, True),
        (26200, 26100, True),
    ],
)
def test_runs_the_windows_builds_that_are_compatible(host: int, container: int, runs: bool, strict: bool) -> None:
    here = Platform.parse(f"windows(10.0.{host})/amd64")
    offered = Platform.parse(f"windows(10.0.{container}.1234)/amd64")

    assert here.accepts(offered, strict=strict) is runs


@pytest.mark.parametrize(
    ("host", "offered", "accepted"),
    [
        ("windows/amd64", "windows(10.0.17763)/amd64", True),
        ("windows(10.0.17763)/amd64", "windows/amd64", True),
        ("windows(99.99.99.99)/amd64", "windows/amd64", True),
        ("windows(10.0.20348)/amd64", "windows(11.0.20348)/amd64", False),
        ("windows(10.0.20348)/amd64", "windows(10.1.20348)/amd64", False),
        # A host whose version is none runs all, a container whose version is none runs nowhere.
        ("windows(10.0)/amd64", "windows(10.0.20348)/amd64", True),
        ("windows(ten.0.1)/amd64", "windows(10.0.20348)/amd64", True),
        ("windows(256.0.20348)/amd64", "windows(10.0.20348)/amd64", True),
        ("windows(10.0.65536)/amd64", "windows(10.0.20348)/amd64", True),
        ("windows(10.0.20348)/amd64", "windows(10.0)/amd64", False),
        ("windows(010.0.020348)/amd64", "windows(10.0.20348)/amd64", True),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763)/arm64", False),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763+win32k)/amd64", True),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763+gpu)/amd64", False),
        ("linux/amd64", "linux(+win32k)/amd64", False),
    ],
)
def test_compares_versions_and_features_of_windows(host: str, offered: str, accepted: bool) -> None:
    assert Platform.parse(host).accepts(Platform.parse(offered)) is accepted


@pytest.mark.parametrize(
    ("host", "offered", "expected"),
    [
        ("10.0.20348", ["10.0.20348.3091", "10.0.26100.2894"], "10.0.20348.3091"),
        ("10.0.26100", ["10.0.20348.3091", "10.0.26100.2894"], "10.0.26100.2894"),
        ("10.0.26100", ["10.0.20348.3091", "10.0.26100.2894", "10.0.26100.3000"], "10.0.26100.3000"),
        ("10.0.17763", ["10.0.17764.1", "", "10.0.17763.1", "10.0.17763.2", "10.0.17762.1"], "10.0.17763.2"),
        ("10.0.26100", ["10.0.26100.999", "10.0.26100.1000"], "10.0.26100.1000"),
        ("10.0.17763", ["10.0.17764.1", ""], ""),
    ],
    ids=str,
)
def test_takes_the_newest_windows_that_the_host_runs(host: str, offered: list[str], expected: str) -> None:
    offers = [Platform.from_fields("windows", "amd64", os_version=version) for version in offered]
    best = Platform.from_fields("windows", "amd64", os_version=host).best([Platform.parse("linux/amd64"), *offers])

    assert best == Platform.from_fields("windows", "amd64", os_version=expected)


def test_takes_the_first_of_equal_offers() -> None:
    first, second = (Platform.from_fields("linux", "arm64", os_version=version) for version in ("first", "second"))

    best = Platform.parse("linux/arm64").best([Platform.parse("linux/arm/v7"), first, second])

    assert best is first


def test_takes_an_attestation_for_no_platform_of_the_host() -> None:
    assert Platform.parse("linux/amd64").best([Platform.from_fields("unknown", "unknown")]) is None


def test_takes_an_offer_without_an_operating_system_for_linux() -> None:
    offered = Platform.from_fields("", "amd64")

    assert Platform.parse("linux/amd64").accepts(offered)
    assert not Platform.parse("windows/amd64").accepts(offered)
