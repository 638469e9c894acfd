"""Python's packages, and which wheels fit a platform."""

from __future__ import annotations

import pytest

from pytest_multiarch.errors import DocumentError
from pytest_multiarch.image.packages import Distribution, read_distributions, wheel_fits
from pytest_multiarch.platforms import Platform
from tests.unit.packages.trees import Tree

SITE = "/usr/local/lib/python3.11/site-packages"
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.2\nClassifier: A\n :: B\n\nName: not this one\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"


def test_wheels_are_read_wherever_they_are() -> None:
    tree = Tree(
        {
            f"{SITE}/Zope.Interface-1.2.dist-info/METADATA": METADATA.format("Zope.Interface"),
            f"{SITE}/Zope.Interface-1.2.dist-info/RECORD": "",
            f"{SITE}/Zope.Interface-1.2.dist-info/WHEEL": WHEEL
            + "Tag: cp311-cp311-manylinux_2_17_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n",
            "/opt/venv/lib/python3.12/site-packages/a__b-1.dist-info/METADATA": METADATA.format("a__b"),
        }
    )
    assert read_distributions(tree) == (
        Distribution("a-b", "1.2", "/opt/venv/lib/python3.12/site-packages/a__b-1.dist-info"),
        Distribution(
            "zope-interface",
            "1.2",
            f"{SITE}/Zope.Interface-1.2.dist-info",
            ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"),
            has_record=True,
        ),
    )


def test_eggs_are_read_where_python_looks() -> None:
    tree = Tree(
        {
            "/usr/lib/python3/dist-packages/wheel-0.38.4.egg-info/PKG-INFO": METADATA.format("wheel"),
            "/usr/lib/python3/dist-packages/six.egg-info": METADATA.format("six"),
            f"{SITE}/old-1.egg/EGG-INFO/PKG-INFO": METADATA.format("old"),
            "/[a-z]/site-packages/odd.egg-info": METADATA.format("odd"),
            "/src/app/app.egg-info/PKG-INFO": METADATA.format("app"),
        }
    )
    assert [(one.name, one.path) for one in read_distributions(tree)] == [
        ("odd", "/[a-z]/site-packages/odd.egg-info"),
        ("six", "/usr/lib/python3/dist-packages/six.egg-info"),
        ("wheel", "/usr/lib/python3/dist-packages/wheel-0.38.4.egg-info"),
        ("old", f"{SITE}/old-1.egg/EGG-INFO"),
    ]


def test_a_description_that_is_not_indented_ends_the_headers() -> None:
    text = "Name: x\nVersion: 1\nDescription: one\ntwo: not a header's value\nthree\nVersion: 2\n"
    tree = Tree({f"{SITE}/x.dist-info/METADATA": text})
    assert [one.version for one in read_distributions(tree)] == ["1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Version: 1\n", "the Name is missing"),
        ("Name: x\n", "the Version is missing"),
        ("\nName: x\nVersion: 1\n", "the Name is missing"),
        ("Name: x\x07\nVersion: 1\n", "the Name cannot be"),
    ],
)
def test_broken_metadata_is_refused(text: str, message: str) -> None:
    tree = Tree({f"{SITE}/x.dist-info/METADATA": text})
    with pytest.raises(DocumentError, match=f"{SITE}/x.dist-info/METADATA: {message}"):
        read_distributions(tree)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("Tag: any\n", "Tag: expected python-abi-platform, found 'any'"),
        ("Tag:\n", "Tag: the tag is missing"),
        ("Tag: py3-none-any\n" * 1001, "1001 tags, more than are read"),
    ],
)
def test_broken_tags_are_refused(tags: str, message: str) -> None:
    tree = Tree({f"{SITE}/x.dist-info/METADATA": METADATA.format("x"), f"{SITE}/x.dist-info/WHEEL": WHEEL + tags})
    with pytest.raises(DocumentError, match=f"x.dist-info/WHEEL: {message}"):
        read_distributions(tree)


@pytest.mark.parametrize(
    ("tag", "fitting"),
    [
        ("any", {"amd64", "386", "arm64", "arm/v5", "arm/v6", "arm/v7", "ppc64le", "s390x", "riscv64"}),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", {"amd64"}),
        ("manylinux1_i686", {"386"}),
        ("manylinux2010_x86_64", {"amd64"}),
        ("manylinux2014_aarch64", {"arm64"}),
        ("manylinux_2_31_armv7l", {"arm/v7"}),
        ("musllinux_1_2_armv7l", {"arm/v7"}),
        ("musllinux_1_1_ppc64le", {"ppc64le"}),
        ("manylinux_2_28_s390x", {"s390x"}),
        ("manylinux_2_39_riscv64", {"riscv64"}),
        ("linux_x86_64", {"amd64"}),
        ("linux_armv6l", {"arm/v5", "arm/v6", "arm/v7"}),
        ("linux_armv8l", {"arm/v5", "arm/v6", "arm/v7"}),
        ("linux_i586", {"386"}),
        ("linux_arm64", {"arm64"}),  # of Debian's own packages, such as python3-cryptography
        ("linux_armhf", {"arm/v6", "arm/v7"}),
        ("linux_ppc64el", {"ppc64le"}),
        ("win_amd64", set()),
        ("macosx_11_0_arm64", set()),
        ("manylinux_2_x86_64", set()),
    ],
)
def test_a_wheel_fits_the_platforms_that_its_tag_names(tag: str, fitting: set[str]) -> None:
    names = ["amd64", "386", "arm64", "arm/v5", "arm/v6", "arm/v7", "ppc64le", "s390x", "riscv64"]
    found = {name for name in names if wheel_fits([f"cp311-abi3-{tag}"], Platform.parse(f"linux/{name}"))}
    assert found == fitting


def test_one_tag_that_fits_is_enough_and_none_says_nothing() -> None:
    tags = ["cp311-cp311-manylinux2014_x86_64", "cp311-cp311-manylinux2014_aarch64"]
    assert wheel_fits(tags, Platform.parse("linux/arm64"))
    assert not wheel_fits(tags, Platform.parse("linux/386"))
    assert wheel_fits([], Platform.parse("linux/386"))


def test_windows_has_tags_of_its_own() -> None:
    assert wheel_fits(["cp311-cp311-win_amd64"], Platform.parse("windows/amd64"))
    assert not wheel_fits(["cp311-cp311-win32"], Platform.parse("windows/amd64"))
    assert not wheel_fits(["cp311-cp311-linux_x86_64"], Platform.parse("windows/amd64"))
    assert not wheel_fits(["cp311-cp311-linux_x86_64"], Platform.parse("freebsd/amd64"))
