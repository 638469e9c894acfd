"""The rules that hold platforms side by side, with none, one, two and more of them, equal and not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.audit import AuditLimits
from pytest_multiarch.audit.names import without_names
from pytest_multiarch.platforms import Platform
from tests.unit.audit.common import AMD64, ARM64, S390X, places
from tests.unit.files.common import directory, file, symlink
from tests.unit.images import FOREIGN

if TYPE_CHECKING:
    from tests.unit.audit.common import Images

MIB = 1024 * 1024
STATUS = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: all\n\n"


def incompressible(size: int) -> bytes:
    """Return bytes that gzip does not make fewer."""
    import random

    return random.Random(size).randbytes(size)  # noqa: S311 - the same each time


class TestWithoutSiblings:
    @pytest.mark.parametrize("platforms", [[], [AMD64], [S390X], [AMD64, S390X]], ids=len)
    def test_nothing_differs(self, images: Images, platforms: list[Platform]) -> None:
        images.add("linux/amd64", [file("x", b"x")], config={"Env": ["A=b"]}, created="2024-01-01T00:00:00Z")
        assert images.audit("MA5", "MA210", "MA211", platforms=platforms) == ()

    def test_nothing_differs_between_images_without_layers(self, images: Images) -> None:
        images.add("linux/amd64")
        images.add("linux/arm64")
        assert images.audit("MA5", "MA210", "MA211") == ()


class TestConfigs:
    @pytest.mark.parametrize(
        ("one", "other", "item"),
        [
            ({"Env": ["A=b"]}, {"Env": ["A=c"]}, "Env.A"),
            ({"Env": ["A=b"]}, {}, "Env.A"),
            ({"Entrypoint": ["sh", "-c", "a b"]}, {"Entrypoint": ["sh", "-c", "a", "b"]}, "Entrypoint"),
            ({"Cmd": ["a"]}, {"Cmd": ["b"]}, "Cmd"),
            ({"User": "1000"}, {}, "User"),
            ({"WorkingDir": "/srv"}, {"WorkingDir": "/"}, "WorkingDir"),
            ({"ExposedPorts": {"80/tcp": {}}}, {"ExposedPorts": {"80/udp": {}}}, "ExposedPorts"),
            ({"Labels": {"a": "b"}}, {"Labels": {"a": "c"}}, "Labels.a"),
        ],
        ids=str,
    )
    def test_that_differ_are_found_field_by_field(
        self, images: Images, one: dict[str, Any], other: dict[str, Any], item: str
    ) -> None:
        images.add("linux/amd64", [file("x")], config=one)
        images.add("linux/arm64", [file("x")], config=other)
        assert [found.item for found in images.audit("MA501")] == [item]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"Env": ["B=c", "A=b"]}, {"Env": ["A=b", "B=c"]}),
            ({"Env": ["LIB=/usr/lib/x86_64-linux-gnu"]}, {"Env": ["LIB=/usr/lib/aarch64-linux-gnu"]}),
            ({"Env": ["JAVA_HOME=/jvm/java-17-amd64/"]}, {"Env": ["JAVA_HOME=/jvm/java-17-arm64/"]}),
            ({"WorkingDir": "/srv/"}, {"WorkingDir": "/srv"}),
            ({"ExposedPorts": {"80": {}}}, {"ExposedPorts": {"80/tcp": {}}}),
            ({"Labels": {"org.opencontainers.image.created": "1"}}, {"Labels": {"build-date": "2"}}),
        ],
        ids=str,
    )
    def test_that_mean_the_same_do_not_differ(self, images: Images, one: dict[str, Any], other: dict[str, Any]) -> None:
        images.add("linux/amd64", [file("x")], config=one)
        images.add("linux/arm64", [file("x")], config=other)
        assert images.audit("MA501") == ()


class TestPackages:
    def database(self, images: Images, platform: str, *packages: tuple[str, str]) -> None:
        text = "".join(STATUS.format(name, version) for name, version in packages)
        images.add(platform, [file("var/lib/dpkg/status", text.encode())])

    def test_of_other_versions_or_of_one_platform_only_are_found(self, images: Images) -> None:
        self.database(images, "linux/amd64", ("a", "1"), ("b", "1"), ("c", "1+b2"))
        self.database(images, "linux/arm64", ("a", "2"), ("c", "1"))
        found = images.audit("MA502")
        assert [(one.item, one.path) for one in found] == [("a", "/var/lib/dpkg/status"), ("b", "/var/lib/dpkg/status")]
        assert found[0].found == "dpkg: '1' on linux/amd64; '2' on linux/arm64"

    def test_named_after_their_platform_are_the_same_package(self, images: Images) -> None:
        self.database(images, "linux/amd64", ("linux-image-amd64", "6"))
        self.database(images, "linux/arm64", ("linux-image-arm64", "6"))
        assert images.audit("MA502") == ()

    def test_named_after_one_platform_on_all_of_them_are_the_same_package(self, images: Images) -> None:
        for platform in ("linux/amd64", "linux/arm64"):
            self.database(images, platform, ("crossbuild-essential-arm64", "6"))
        assert images.audit("MA502") == ()


class TestFiles:
    def test_of_one_platform_only_are_found_and_of_a_directory_only_its_name(self, images: Images) -> None:
        images.add(
            "linux/amd64", [directory("app"), file("app/one"), directory("app/x"), file("app/x/a"), file("app/x/b")]
        )
        images.add("linux/arm64", [directory("app")])
        assert places(images.audit("MA503")) == [("MA503", "", "/app/one"), ("MA503", "", "/app/x")]

    def test_named_after_their_platform_are_the_same_file(self, images: Images) -> None:
        images.add("linux/amd64", [file("app/lib/x86_64-linux-gnu/x"), file("app/core-x64.so")])
        images.add("linux/arm64", [file("app/lib/aarch64-linux-gnu/x"), file("app/core-arm64.so")])
        assert images.audit("MA503", "MA504") == ()

    def test_for_every_architecture_in_every_image_are_the_same_tree(self, images: Images) -> None:
        modes = {"linux-x64": 0o755, "linux-arm64": 0o644, "darwin-arm64": 0o600}
        tree = [file(f"app/prebuilds/{name}/node.node", b"", mode=mode) for name, mode in modes.items()]
        for platform in ("linux/amd64", "linux/arm64", "linux/s390x"):
            images.add(platform, tree)
        assert images.audit("MA503", "MA504") == ()

    def test_for_every_architecture_but_on_one_platform_only_are_found(self, images: Images) -> None:
        images.add("linux/amd64", [file("app/linux-x64"), file("app/linux-arm64"), file("app/linux-s390x")])
        images.add("linux/arm64", [file("app/linux-x64"), file("app/linux-arm64")])
        assert places(images.audit("MA503")) == [("MA503", "", "/app/linux-s390x")]

    def test_that_are_expected_to_differ_are_left_out(self, images: Images) -> None:
        names = ("lib64", "lib/ld-linux-x86-64.so.2", "var/cache/x", "tmp/x", "app/__pycache__/a.pyc", "etc/hostname")
        images.add("linux/amd64", [file("x"), *(file(name) for name in names)])
        images.add(
            "linux/arm64",
            [file("x"), directory("var/cache"), directory("app"), directory("lib"), directory("etc"), directory("tmp")],
        )
        assert images.audit("MA503") == ()

    def test_of_packages_are_left_to_the_comparison_of_versions(self, images: Images) -> None:
        listed = [file("var/lib/dpkg/info/a.list", b"/.\n/lib\n/lib/owned\n"), symlink("lib", "usr/lib")]
        images.add("linux/amd64", [*listed, file("usr/lib/owned"), file("usr/lib/other")])
        images.add("linux/arm64", [*listed, directory("usr/lib")])
        assert places(images.audit("MA503")) == [("MA503", "", "/usr/lib/other")]

    def test_that_are_not_to_be_had_are_not_missing(self, images: Images) -> None:
        images.add("linux/amd64", [file("x")])
        images.add("linux/arm64", [file("x")])
        with_foreign_layer(images)
        assert images.audit("MA503", "MA203", "MA204", "MA4") == ()

    @pytest.mark.parametrize(
        ("other", "found"),
        [
            (file("a", mode=0o755), "file 0644 0:0 on linux/amd64; file 0755 0:0 on linux/arm64"),
            (file("a", mode=0o644, uid=7, gid=8), "file 0644 0:0 on linux/amd64; file 0644 7:8 on linux/arm64"),
            (directory("a", mode=0o644), "file 0644 0:0 on linux/amd64; directory 0644 0:0 on linux/arm64"),
            (symlink("a", "b"), "file 0644 0:0 on linux/amd64; symbolic link on linux/arm64"),
        ],
        ids=["mode", "owner", "kind", "link"],
    )
    def test_of_another_mode_owner_or_kind_are_found(self, images: Images, other: Any, found: str) -> None:
        images.add("linux/amd64", [file("a", mode=0o644)])
        images.add("linux/arm64", [other])
        assert [(one.path, one.found) for one in images.audit("MA504")] == [("/a", found)]

    def test_that_are_links_do_not_differ_in_their_own_modes(self, images: Images) -> None:
        images.add("linux/amd64", [symlink("a", "b", mode=0o777)])
        images.add("linux/arm64", [symlink("a", "c", mode=0o755)])
        assert images.audit("MA504") == ()


def with_foreign_layer(images: Images) -> None:
    """Give the last platform's image one more layer, which may not be distributed."""
    import json

    entry = images.entries[-1]
    data, media_type = images.registry.manifests["app", entry["digest"]]
    manifest = json.loads(data)
    config = json.loads(images.registry.blobs["app", manifest["config"]["digest"]])
    config["rootfs"]["diff_ids"].insert(0, "sha256:" + "e" * 64)
    config["config"] = {"Cmd": ["/not-read"]}
    raw = json.dumps(config).encode()
    manifest["config"] = {**manifest["config"], "digest": images.registry.add_blob("app", raw), "size": len(raw)}
    manifest["layers"].insert(0, {"mediaType": FOREIGN, "digest": "sha256:" + "f" * 64, "size": 7})
    digest = images.registry.add_manifest("app", manifest, media_type)
    images.entries[-1] = {**entry, "digest": digest, "size": len(images.registry.manifests["app", digest][0])}


class TestAges:
    def dated(self, images: Images, **dates: str) -> list[Platform | None]:
        for name, date in dates.items():
            images.add(f"linux/{name}", [file("x")], created=date)
        return [one.platform for one in images.audit("MA505")]

    def test_far_behind_the_newest_are_found(self, images: Images) -> None:
        dates = {"amd64": "2024-06-01T00:00:00Z", "arm64": "2024-04-01T00:00:00Z", "s390x": "2024-05-20T00:00:00+02:00"}
        assert self.dated(images, **dates) == [ARM64]

    def test_of_reproducible_builds_do_not_count(self, images: Images) -> None:
        dates = {"amd64": "2024-06-01T00:00:00Z", "arm64": "1970-01-01T00:00:00Z", "s390x": "1980-01-01T00:00:00Z"}
        assert self.dated(images, **dates) == []
        assert images.audit("MA505", platforms=[ARM64, S390X]) == ()

    def test_may_be_as_far_apart_as_is_set(self, images: Images) -> None:
        for name, date in {"amd64": "2024-06-01T00:00:00Z", "arm64": "2024-05-31T00:00:00Z"}.items():
            images.add(f"linux/{name}", [file("x")], created=date)
        assert images.audit("MA505", limits=AuditLimits(age_gap=timedelta(days=1))) == ()
        assert len(images.audit("MA505", limits=AuditLimits(age_gap=timedelta(hours=23)))) == 1


class TestSizes:
    def test_of_two_are_one_finding(self, images: Images) -> None:
        images.add("linux/amd64", [file("x", incompressible(4 * MIB))])
        images.add("linux/arm64", [file("x", b"x")])
        (found,) = images.audit("MA506")
        assert (found.platform, found.item) == (ARM64, "size")
        assert found.found.endswith("times smaller")

    def test_of_three_say_which_one_it_is(self, images: Images) -> None:
        for name, size in {"amd64": MIB, "arm64": 4 * MIB, "s390x": 3 * MIB // 2}.items():
            images.add(f"linux/{name}", [file("x", incompressible(size))])
        (found,) = images.audit("MA506")
        assert found.platform == ARM64
        assert "times larger" in found.found

    def test_that_are_small_may_be_any_number_of_times_apart(self, images: Images) -> None:
        images.add("linux/amd64", [file("x", incompressible(MIB // 2))])
        images.add("linux/arm64")
        assert images.audit("MA506") == ()


@pytest.mark.parametrize(
    ("platform", "text", "without"),
    [
        ("linux/amd64", "/usr/lib/x86_64-linux-gnu/x", "/usr/lib/{triplet}/x"),
        ("linux/amd64", "x86-64 amd64 x64 x86_64", "{architecture} {architecture} {architecture} {architecture}"),
        ("linux/amd64", "/opt/amd64fs/ramd64/x640", "/opt/amd64fs/ramd64/x640"),
        ("linux/arm64", "x.cpython-311-aarch64-linux-gnu.so", "x.cpython-311-{triplet}.so"),
        (
            "linux/arm/v7",
            "/usr/lib/arm-linux-gnueabihf linux/arm/v7 armv7",
            "/usr/lib/{triplet} linux/{architecture} {architecture}",
        ),
        ("linux/arm/v7", "arm-unknown-linux-musleabihf", "{triplet}"),
        ("linux/386", "i386-linux-gnu 386 i686", "{triplet} {architecture} {architecture}"),
        ("linux/ppc64le", "powerpc64le-linux-gnu ppc64el", "{triplet} {architecture}"),
        ("linux/s390x", "s390x-linux-gnu s390", "{triplet} s390"),
        ("linux/mips64le", "mips64el-linux-gnuabi64", "{triplet}"),
        ("linux/riscv64", "riscv64gc-unknown-linux-gnu", "{triplet}"),
    ],
)
def test_a_platforms_names_are_taken_out_as_whole_words(platform: str, text: str, without: str) -> None:
    assert without_names(text, Platform.parse(platform)) == without
