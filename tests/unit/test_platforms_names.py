"""Reading, normalising, writing and refusing names of platforms.

Expected values are containerd/platforms' own: ``platforms.go``, ``database.go`` and their tests ``platforms_test.go``.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
import platform as running
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import InvalidPlatform, UsageProblem
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def on_arm64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "machine", lambda: "aarch64")


@pytest.mark.parametrize(
    ("text", "os", "architecture", "variant"),
    [
        ("linux/amd64", "linux", "amd64", ""),
        ("linux/arm64", "linux", "arm64", ""),
        ("linux/arm64/v8", "linux", "arm64", ""),
        ("linux/arm64/v9", "linux", "arm64", "v9"),
        ("linux/arm64/v8.2", "linux", "arm64", "v8.2"),
        ("linux/arm", "linux", "arm", "v7"),
        ("linux/arm/v7", "linux", "arm", "v7"),
        ("linux/arm/v6", "linux", "arm", "v6"),
        ("linux/arm/6", "linux", "arm", "v6"),
        ("linux/armhf", "linux", "arm", "v7"),
        ("linux/armhf/v7", "linux", "arm", "v7"),
        ("linux/armel", "linux", "arm", "v6"),
        ("linux/386", "linux", "386", ""),
        ("linux/i386", "linux", "386", ""),
        ("linux/amd64/v1", "linux", "amd64", ""),
        ("linux/amd64/v3", "linux", "amd64", "v3"),
        ("linux/x86_64/v2", "linux", "amd64", "v2"),
        ("linux/x86-64", "linux", "amd64", ""),
        ("linux/s390x", "linux", "s390x", ""),
        ("linux/ppc64le", "linux", "ppc64le", ""),
        ("linux/ppc64le/power9", "linux", "ppc64le", "power9"),
        ("linux/riscv64", "linux", "riscv64", ""),
        ("linux/riscv64/rva23u64", "linux", "riscv64", "rva23u64"),
        ("linux/loong64", "linux", "loong64", ""),
        ("linux/mips64le", "linux", "mips64le", ""),
        ("Linux/x86_64", "linux", "amd64", ""),
        ("LINUX/ARM/V7", "linux", "arm", "v7"),
        ("macOS/arm64", "darwin", "arm64", ""),
        ("freebsd/amd64", "freebsd", "amd64", ""),
        ("windows/amd64", "windows", "amd64", ""),
        ("wasi/wasm", "wasi", "wasm", ""),
    ],
)
def test_reads_operating_system_architecture_and_variant(text: str, os: str, architecture: str, variant: str) -> None:
    read = Platform.parse(text)

    assert (read.os, read.architecture, read.variant) == (os, architecture, variant)
    assert (read.os_version, read.os_features) == ("", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arm64", "linux/arm64"),
        ("Aarch64", "linux/arm64"),
        ("amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("i386", "linux/386"),
        ("arm", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("s390x", "linux/s390x"),
        ("wasm", "linux/wasm"),
    ],
)
@pytest.mark.usefixtures("on_arm64")
def test_takes_an_architecture_alone_for_linux(text: str, expected: str) -> None:
    assert str(Platform.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux", "linux/arm64"),
        ("macOS", "darwin/arm64"),
        ("windows", "windows/arm64"),
        ("windows()", "windows/arm64"),
        ("windows(10.0.17763)", "windows(10.0.17763)/arm64"),
        ("windows(10.0.17763+win32k)", "windows(10.0.17763+win32k)/arm64"),
        ("linux(+gpu)", "linux(+gpu)/arm64"),
    ],
)
@pytest.mark.usefixtures("on_arm64")
def test_takes_an_operating_system_alone_for_the_machine_it_runs_on(text: str, expected: str) -> None:
    assert Platform.parse(text).format_all() == expected


@pytest.mark.parametrize(
    ("text", "version", "features", "formatted"),
    [
        ("windows(10.0.17763)/amd64", "10.0.17763", (), "windows(10.0.17763)/amd64"),
        ("windows(10.0.17763+win32k)/amd64", "10.0.17763", ("win32k",), "windows(10.0.17763+win32k)/amd64"),
        ("windows()/amd64", "", (), "windows/amd64"),
        ("linux(+gpu+simd)/arm64/v9", "", ("gpu", "simd"), "linux(+gpu+simd)/arm64/v9"),
        ("linux(+unsorted+erofs)/amd64", "", ("erofs", "unsorted"), "linux(+erofs+unsorted)/amd64"),
        ("linux(+gpu+gpu)/amd64", "", ("gpu",), "linux(+gpu)/amd64"),
        ("windows(10.0%2Bbuild.42)/amd64", "10.0+build.42", (), "windows(10.0%2Bbuild.42)/amd64"),
        ("windows(10.0%2Bb+win32k)/amd64", "10.0+b", ("win32k",), "windows(10.0%2Bb+win32k)/amd64"),
        ("windows(50%25done)/amd64", "50%done", (), "windows(50%25done)/amd64"),
        ("windows(1.0%28beta%29)/amd64", "1.0(beta)", (), "windows(1.0%28beta%29)/amd64"),
        ("windows(a%2Fb)/amd64", "a/b", (), "windows(a%2Fb)/amd64"),
        ("linux(+feat%2Bv2)/amd64", "", ("feat+v2",), "linux(+feat%2Bv2)/amd64"),
        # FormatAll leaves this blank as it is, and Parse refuses what comes out.
        ("linux(a%20b)/amd64", "a b", (), "linux(a%20b)/amd64"),
    ],
)
def test_reads_and_writes_version_and_features(
    text: str, version: str, features: tuple[str, ...], formatted: str
) -> None:
    read = Platform.parse(text)

    assert (read.os_version, read.os_features) == (version, features)
    assert read.format_all() == formatted
    assert Platform.parse(formatted) == read


def test_keeps_version_and_features_out_of_the_short_name() -> None:
    assert str(Platform.parse("windows(10.0.17763+win32k)/amd64")) == "windows/amd64"


@pytest.mark.parametrize(
    ("architecture", "variant", "expected"),
    [
        ("i386", "", ("386", "")),
        ("i386", "v9", ("386", "")),
        ("x86_64", "", ("amd64", "")),
        ("x86-64", "v1", ("amd64", "")),
        ("amd64", "v1", ("amd64", "")),
        ("AMD64", "V2", ("amd64", "v2")),
        ("amd64", "1", ("amd64", "1")),
        ("aarch64", "", ("arm64", "")),
        ("arm64", "8", ("arm64", "")),
        ("arm64", "v8", ("arm64", "")),
        ("arm64", "v8.0", ("arm64", "")),
        ("arm64", "v8.1", ("arm64", "v8.1")),
        ("arm64", "9", ("arm64", "v9")),
        ("arm64", "9.0", ("arm64", "v9")),
        ("arm64", "v9.0", ("arm64", "v9")),
        ("armhf", "", ("arm", "v7")),
        ("armhf", "v6", ("arm", "v7")),
        ("armel", "v7", ("arm", "v6")),
        ("arm", "", ("arm", "v7")),
        ("arm", "5", ("arm", "v5")),
        ("arm", "6", ("arm", "v6")),
        ("arm", "7", ("arm", "v7")),
        ("arm", "8", ("arm", "v8")),
        ("arm", "4", ("arm", "4")),
        ("unknown", "", ("unknown", "")),
        ("riscv64", "RVA20U64", ("riscv64", "rva20u64")),
    ],
)
def test_normalises_what_documents_say(architecture: str, variant: str, expected: tuple[str, str]) -> None:
    taken = Platform.from_fields("linux", architecture, variant)

    assert (taken.architecture, taken.variant) == expected


@pytest.mark.parametrize(
    ("os", "expected"), [("macos", "darwin"), ("Linux", "linux"), ("unknown", "unknown"), ("BeOS", "beos"), ("", "")]
)
def test_normalises_the_operating_system(os: str, expected: str) -> None:
    assert Platform.from_fields(os, "amd64").os == expected


def test_drops_empty_and_repeated_features_of_documents() -> None:
    taken = Platform.from_fields("linux", "amd64", os_features=["", "simd", "gpu", "", "simd"])

    assert taken.format_all() == "linux(+gpu+simd)/amd64"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("unknown", "unknown"), "unknown/unknown"),
        (("", ""), "unknown"),
        (("", "amd64"), "unknown"),
        (("linux", ""), "linux"),
        (("linux", "arm", "v7"), "linux/arm/v7"),
        (("linux", "arm64", "v8"), "linux/arm64"),
    ],
    ids=str,
)
def test_writes_whatever_documents_say(fields: tuple[str, ...], expected: str) -> None:
    taken = Platform.from_fields(*fields)

    assert (str(taken), taken.format_all()) == (expected, expected)


@pytest.mark.parametrize("version", ["10.0 beta", "~1", "ü", "a,b", "1(2)", "a+b", "100%", "\n"], ids=ascii)
def test_reads_back_every_version_that_a_document_may_hold(version: str) -> None:
    taken = Platform.from_fields("windows", "amd64", os_version=version, os_features=[version])

    assert Platform.parse(taken.format_all()) == taken


def test_writes_a_version_that_no_encoding_holds() -> None:
    assert Platform.from_fields("windows", "amd64", os_version="\ud800").format_all() == "windows(%ED%A0%80)/amd64"


@pytest.mark.parametrize(
    "spellings",
    [
        ("linux/arm64", "linux/arm64/v8", "linux/aarch64", "LINUX/arm64/v8.0", "arm64", "linux/arm64/8"),
        ("linux/arm", "linux/arm/v7", "linux/armhf", "arm", "linux/arm/7"),
        ("linux/amd64", "linux/x86_64", "linux/amd64/v1", "x86-64"),
        ("linux/386", "i386"),
        ("darwin/arm64", "macos/aarch64"),
        ("linux(+a+b)/amd64", "linux(+b+a+b)/x86_64"),
    ],
    ids=lambda spellings: spellings[0],
)
def test_holds_all_spellings_of_a_platform_equal(spellings: tuple[str, ...]) -> None:
    assert len({Platform.parse(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/amd64", "linux/amd64/v2"),
        ("linux/arm64/v8.1", "linux/arm64"),
        ("windows/amd64", "windows(10.0.17763)/amd64"),
        ("linux(+gpu)/amd64", "linux/amd64"),
        ("freebsd/amd64", "linux/amd64"),
    ],
)
def test_tells_different_platforms_apart(one: str, other: str) -> None:
    assert Platform.parse(one) != Platform.parse(other)


def test_stays_normal_when_a_field_is_replaced() -> None:
    replaced = dataclasses.replace(Platform.parse("linux/arm/v6"), architecture="aarch64", variant="v8")

    assert replaced == Platform.parse("linux/arm64")


def test_cannot_be_changed() -> None:
    one = Platform.parse("linux/arm64")

    with pytest.raises(dataclasses.FrozenInstanceError):
        one.architecture = "amd64"  # type: ignore[misc]


def test_has_no_order() -> None:
    one, other = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")

    with pytest.raises(TypeError, match="not supported"):
        one < other  # type: ignore[operator]  # noqa: B015


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_survives_being_copied_and_sent(copied: Callable[[Platform], Platform]) -> None:
    one = Platform.parse("windows(10.0.17763+win32k)/arm64/v9")

    assert copied(one) == one


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "it is empty"),
        ("*", "wildcards are not supported"),
        ("linux/*", "wildcards are not supported"),
        ("*/arm64", "wildcards are not supported"),
        ("/linux/arm", "it does not have the form of a platform"),
        ("linux/arm/", "it does not have the form of a platform"),
        ("linux//v7", "it does not have the form of a platform"),
        ("linux /arm", "it does not have the form of a platform"),
        (" linux/arm", "it does not have the form of a platform"),
        ("linux/arm\n", "it does not have the form of a platform"),
        ("linux/&arm", "it does not have the form of a platform"),
        ("linux/arm/v7/x", "it does not have the form of a platform"),
        ("linux/arm/foo/bar", "it does not have the form of a platform"),
        ("linux/amd64,linux/arm64", "it does not have the form of a platform"),
        ("linux/\uff41rm64", "it does not have the form of a platform"),
        ("windows(10/amd64", "it does not have the form of a platform"),
        ("windows(10+)/amd64", "it does not have the form of a platform"),
        ("(10)/amd64", "it does not have the form of a platform"),
        ("windows(1%zz)/amd64", "'1%zz' has an escape that stands for no character"),
        ("windows(+a%f)/amd64", "'a%f' has an escape that stands for no character"),
        ("windows(%ff)/amd64", "'%ff' has an escape that stands for no character"),
        ("foo", "no operating system or architecture is called so"),
        ("arm46", "no operating system or architecture is called so"),
        ("wasi", "no operating system or architecture is called so"),
        ("arm64(1)", "no operating system or architecture is called so"),
        ("unknown/unknown", "'unknown' is not a known operating system"),
        ("linx/amd64", "'linx' is not a known operating system"),
        ("linux/arn64", "'arn64' is not a known architecture"),
        ("linux/arm/v77", "'v77' is not a variant of arm, which has v5 to v8"),
        ("linux/arm/v4", "'v4' is not a variant of arm, which has v5 to v8"),
        ("linux/arm64/v7", "'v7' is not a variant of arm64, which has v8 to v9.7"),
        ("linux/arm64/v8.10", "'v8.10' is not a variant of arm64, which has v8 to v9.7"),
        ("linux/amd64/v5", "'v5' is not a variant of amd64, which has v1 to v4"),
        ("linux/386/v1", "'v1' is not a variant of 386, which has none"),
        ("linux/i386/sse2", "'sse2' is not a variant of 386, which has none"),
        ("linux/armhf/v6", "'armhf' is arm/v7 already, which 'v6' is not"),
        ("linux/armel/v7", "'armel' is arm/v6 already, which 'v7' is not"),
        ("linux/riscv64/..", "'..' cannot be a variant"),
    ],
    ids=ascii,
)
def test_refuses_what_is_no_platform(text: str, found: str) -> None:
    with pytest.raises(InvalidPlatform) as refusal:
        Platform.parse(text)

    assert refusal.value.tried == f"reading the platform {text!r}"
    assert refusal.value.found == found
    assert refusal.value.hint
    assert isinstance(refusal.value, UsageProblem)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("linux/arn64", "linux/arm64"),
        ("linux/amd46", "linux/amd64"),
        ("linux/amd64v3", "linux/amd64/v3"),
        ("linx/amd64", "linux/amd64"),
        ("linux/arm/v77", "linux/arm/v7"),
        ("linux/arm64/v99", "linux/arm64/v9"),
        ("linux/armv7", "linux/arm/v7"),
        ("linux/arm64v8", "linux/arm64"),
        ("linux/aarch46", "linux/arm64"),
        ("linux/ppc64el", "linux/ppc64le"),
        ("linux/s390z", "linux/s390x"),
        ("linux/riscv46", "linux/riscv64"),
        ("linux/386/v1", "linux/386"),
        ("linux/armhf/v6", "linux/arm/v6"),
        ("linux-arm64", "linux/arm64"),
        ("linux_amd64", "linux/amd64"),
        ("arm64/linux", "linux/arm64"),
        ("arm46", "linux/arm64"),
        ("amd46", "linux/amd64"),
        ("armv7l", "linux/arm/v7"),
        ("lunix", "linux"),
        ("wasi", "wasi/wasm"),
        ("dawrin/arm64", "darwin/arm64"),
        ("macso/arm64", "darwin/arm64"),
        ("windows(10.0.17763)/amd46", "windows/amd64"),
    ],
)
def test_names_the_platform_that_was_probably_meant(text: str, name: str) -> None:
    with pytest.raises(InvalidPlatform) as refusal:
        Platform.parse(text)

    assert refusal.value.hint == f"did you mean {name}?"


@pytest.mark.parametrize("text", ["", "foo", "unknown/unknown", "linux/*", "linux/" + "arm" * 50], ids=ascii)
def test_explains_the_form_where_nothing_is_near(text: str) -> None:
    with pytest.raises(InvalidPlatform, match=r"write os/architecture or os/architecture/variant: linux/amd64"):
        Platform.parse(text)


@pytest.mark.parametrize("text", ["linux/amd64,linux/arm64", "linux/amd64 linux/arm64", "linux/amd64; linux/arm64"])
def test_says_how_several_platforms_are_separated(text: str) -> None:
    with pytest.raises(InvalidPlatform, match="separate several platforms with commas"):
        Platform.parse(text)
