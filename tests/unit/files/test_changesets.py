"""Layers applied one over the other: image-spec ``layer.md``, and what containerd does where that is silent."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import LayerError, NotInImage
from pytest_multiarch.image.entries import FileEntry
from tests.unit.files.common import (
    directory,
    file,
    hard_link,
    node,
    opaque,
    symlink,
    tar,
    tree_of,
    whiteout,
)

if TYPE_CHECKING:
    from tests.unit.files.common import Entry

BASE = [directory("bin"), file("bin/tool", b"one"), file("bin/other"), directory("bin/sub"), file("bin/sub/deep")]


def paths(*layers: list[Entry]) -> list[str]:
    with tree_of(*layers) as files:
        return [entry.path for entry in files.walk()]


def test_later_layers_win() -> None:
    with tree_of([file("a", b"old", mode=0o600)], [file("a", b"new", mode=0o644)]) as files:
        assert files.read_bytes("/a") == b"new"
        assert files.mode("/a") == 0o644
        assert files.stat("/a").layer_index == 1
        assert files.stat("/a").layer == files.layers[1].digest


def test_a_whiteout_takes_a_file_away_and_is_not_seen() -> None:
    assert paths(BASE, [whiteout("bin/tool")]) == ["/bin", "/bin/other", "/bin/sub", "/bin/sub/deep"]


def test_a_whiteout_takes_a_whole_directory_away() -> None:
    assert paths(BASE, [whiteout("bin")]) == []


def test_a_whiteout_of_nothing_is_no_fault_and_makes_its_parent() -> None:
    assert paths([], [whiteout("no/thing")]) == ["/no"]


@pytest.mark.parametrize("turned", [False, True], ids=["whiteout first", "whiteout last"])
def test_an_opaque_directory_hides_all_of_the_lower_layers_whatever_the_order(turned: bool) -> None:
    layer = [opaque("bin"), directory("bin"), file("bin/new"), directory("bin/sub"), file("bin/sub/new")]
    assert paths(BASE, layer[::-1] if turned else layer) == ["/bin", "/bin/new", "/bin/sub", "/bin/sub/new"]


def test_an_opaque_root_hides_everything() -> None:
    assert paths(BASE, [file(".wh..wh..opq"), file("new")]) == ["/new"]


@pytest.mark.parametrize("turned", [False, True], ids=["whiteout first", "whiteout last"])
def test_a_whiteout_does_not_hide_what_its_own_layer_brings(turned: bool) -> None:
    layer = [whiteout("bin"), directory("bin"), file("bin/new")]
    assert paths(BASE, layer[::-1] if turned else layer) == ["/bin", "/bin/new"]


def test_what_a_layer_took_away_another_brings_back() -> None:
    with tree_of(BASE, [whiteout("bin/tool")], [file("bin/tool", b"three")]) as files:
        assert files.read_bytes("bin/tool") == b"three"
        assert files.stat("bin/tool").layer_index == 2


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "bin/.wh.."])
def test_a_whiteout_of_no_file_is_refused(name: str) -> None:
    with pytest.raises(LayerError, match="a whiteout of no file"), tree_of(BASE, [file(name)]):
        pass


def test_the_files_of_aufs_are_left_out_but_can_be_linked_to() -> None:
    layer = [
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/9.1", b"x"),
        file(".wh..wh.aufs"),
        hard_link("a", ".wh..wh.plnk/9.1"),
    ]
    with tree_of(layer) as files:
        assert [entry.path for entry in files.walk()] == ["/a"]
        assert files.read_bytes("/a") == b"x"


def test_a_directory_over_a_directory_keeps_what_is_in_it_and_replaces_its_attributes() -> None:
    with tree_of(BASE, [directory("bin", mode=0o700, uid=5)]) as files:
        assert files.is_file("bin/tool")
        assert (files.mode("bin"), files.uid("bin"), files.stat("bin").layer_index) == (0o700, 5, 1)


def test_an_implied_directory_keeps_the_attributes_it_has() -> None:
    with tree_of([directory("bin", mode=0o700, uid=5)], [file("bin/new")]) as files:
        assert (files.mode("bin"), files.uid("bin"), files.stat("bin").layer_index) == (0o700, 5, 0)


def test_a_directory_that_no_layer_describes_is_roots() -> None:
    with tree_of([file("a/b/c")]) as files:
        assert (files.mode("a/b"), files.uid("a/b"), files.gid("a/b")) == (0o755, 0, 0)
        assert files.stat("a/b").layer == files.layers[0].digest


def test_a_file_replaces_a_directory_and_the_reverse() -> None:
    with tree_of([file("a/b"), file("c")], [file("a", b"now a file"), file("c/d", b"inside")]) as files:
        assert files.read_bytes("a") == b"now a file"
        assert files.read_bytes("c/d") == b"inside"
        assert not files.exists("a/b")


def test_a_link_replaces_a_directory() -> None:
    with tree_of([file("lib/a"), file("usr/lib/b")], [symlink("lib", "usr/lib")]) as files:
        assert files.is_file("lib/b")
        assert not files.exists("lib/a")


def test_of_duplicate_entries_the_last_wins() -> None:
    layer = [
        file("a", b"one"),
        file("a", b"two"),
        directory("d"),
        file("d/x"),
        file("d", b"file"),
        directory("e"),
        file("e/x"),
        directory("e"),
    ]
    with tree_of(layer) as files:
        assert files.read_bytes("a") == b"two"
        assert files.read_bytes("d") == b"file"
        assert files.is_file("e/x")


@pytest.mark.parametrize(
    "name",
    [
        "./etc/passwd",
        "/etc/passwd",
        "etc//passwd",
        "../etc/passwd",
        "x/../etc/passwd",
        "etc/./passwd",
        "../../../../etc/passwd",
    ],
)
def test_names_are_cleaned_and_never_leave_the_root(name: str) -> None:
    assert paths([file(name)]) == ["/etc", "/etc/passwd"]


@pytest.mark.parametrize("name", [".", "./", "..", "/", "a/.."])
def test_the_root_has_the_attributes_that_an_entry_gives_it(name: str) -> None:
    with tree_of([directory(name, mode=0o711)]) as files:
        assert files.mode("/") == 0o711
        assert list(files.walk()) == []


def test_a_file_in_the_roots_place_is_passed_over() -> None:
    assert paths([file(".."), file("a")]) == ["/a"]


def test_links_of_the_same_layer_are_followed_inside_the_root() -> None:
    layer = [
        directory("usr/lib"),
        symlink("lib", "../../usr/lib"),
        symlink("abs", "/usr"),
        file("lib/a"),
        file("abs/b"),
        symlink("up", "lib/.."),
        file("up/c"),
    ]
    assert paths(layer) == ["/abs", "/lib", "/up", "/usr", "/usr/b", "/usr/c", "/usr/lib", "/usr/lib/a"]


def test_an_implied_directory_takes_the_place_of_a_lower_layers_link() -> None:
    # What runs is an overlay: the layer's own tree has a directory there, and that hides the link below it.
    with tree_of([directory("usr/lib"), file("usr/lib/x"), symlink("lib", "usr/lib")], [file("lib/a")]) as files:
        assert files.stat("lib", follow=False).is_dir
        assert files.is_file("lib/a")
        assert not files.exists("usr/lib/a")


def test_a_parent_that_is_a_file_is_refused() -> None:
    with pytest.raises(LayerError, match="'a', where it should be, is no directory"), tree_of([file("a"), file("a/b")]):
        pass


def test_parents_that_link_in_a_circle_are_refused() -> None:
    with (
        pytest.raises(LayerError, match="lead in a circle"),
        tree_of([symlink("a", "b"), symlink("b", "a"), file("a/x")]),
    ):
        pass


def test_a_hard_link_has_its_targets_content() -> None:
    with tree_of([file("a", b"same", mode=0o755), hard_link("b", "a", mode=0o755)]) as files:
        assert files.read_bytes("b") == b"same"
        assert files.stat("b").is_file
        assert files.stat("b").size == 4


def test_a_hard_link_keeps_content_that_is_deleted_elsewhere() -> None:
    with tree_of([file("a", b"kept"), hard_link("b", "./a")], [whiteout("a")]) as files:
        assert not files.exists("a")
        assert files.read_bytes("b") == b"kept"


@pytest.mark.parametrize("turned", [False, True], ids=["whiteout first", "whiteout last"])
def test_a_hard_link_brings_back_what_a_lower_layer_has_even_where_it_is_taken_away(turned: bool) -> None:
    layer = [whiteout("hidden"), hard_link("back", "hidden", mode=0o755, uid=7)]
    with tree_of([file("hidden", b"wrong binary")], layer[::-1] if turned else layer) as files:
        assert files.read_bytes("back") == b"wrong binary"
        assert not files.exists("hidden")
        assert (files.stat("back").layer_index, files.mode("back"), files.uid("back")) == (1, 0o755, 7)


def test_a_hard_link_finds_a_lower_file_through_links() -> None:
    with tree_of([file("usr/bin/x", b"x"), symlink("bin", "usr/bin")], [hard_link("y", "bin/x")]) as files:
        assert files.read_bytes("y") == b"x"


def test_a_hard_link_to_a_link_is_that_link() -> None:
    with tree_of([symlink("a", "somewhere"), hard_link("b", "a")]) as files:
        assert files.readlink("b") == "somewhere"


def test_a_hard_links_own_header_changes_the_file() -> None:
    with tree_of([file("a", mode=0o600), hard_link("b", "a", mode=0o4755, uid=1, gid=2)]) as files:
        assert [(files.mode(name), files.uid(name), files.gid(name)) for name in "ab"] == [(0o4755, 1, 2)] * 2


def test_hard_links_are_found_inside_the_root() -> None:
    layer = [
        directory("d"),
        file("d/a", b"x"),
        symlink("l", "/d"),
        hard_link("b", "../../d/a"),
        hard_link("c", "l/a"),
        hard_link("e", "l/../d/a"),
    ]
    with tree_of(layer) as files:
        assert [files.read_bytes(name) for name in "bce"] == [b"x"] * 3


@pytest.mark.parametrize("target", ["nothing", "a/b", "l/x"])
def test_a_hard_link_to_nothing_is_refused(target: str) -> None:
    with (
        pytest.raises(LayerError, match="find what b is a hard link to"),
        tree_of([file("a"), symlink("l", "l")], [hard_link("b", target)]),
    ):
        pass


@pytest.mark.parametrize("lower", [False, True])
def test_a_hard_link_to_a_directory_is_refused(lower: bool) -> None:
    layers = [[directory("d")], [hard_link("b", "d")]] if lower else [[directory("d"), hard_link("b", "d")]]
    with pytest.raises(LayerError, match="directory"), tree_of(*layers):
        pass


def test_devices_and_fifos_are_described_and_nothing_more() -> None:
    layer = [
        node("null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3),
        node("disk", tarfile.BLKTYPE, devmajor=8, devminor=1),
        node("pipe", tarfile.FIFOTYPE),
    ]
    with tree_of(layer) as files:
        assert (files.stat("null").kind.value, files.stat("null").device) == ("character device", (1, 3))
        assert (files.stat("disk").kind.value, files.stat("disk").device) == ("block device", (8, 1))
        assert (files.stat("pipe").kind.value, files.stat("pipe").device) == ("fifo", None)


def test_owners_times_and_attributes_are_those_of_the_archive() -> None:
    info, content = file("ping", b"elf", mode=0o4755, uid=70000, gid=3, uname="app", gname="staff", mtime=1700000000.5)
    info.pax_headers = {"SCHILY.xattr.security.capability": "\x01\x02", "SCHILY.xattr.user.note": "ü"}
    with tree_of([(info, content)]) as files:
        entry = files.stat("/ping")
        assert entry == FileEntry(
            path="/ping", kind=entry.kind, mode=0o4755, uid=70000, gid=3, user="app", group="staff", size=3,
            mtime=1700000000.5, layer=files.layers[0].digest, xattrs=entry.xattrs,
        )  # fmt: skip
        assert entry.capabilities == b"\x01\x02"
        assert dict(entry.xattrs) == {"security.capability": b"\x01\x02", "user.note": "ü".encode()}
        assert hash(entry)


def test_an_image_without_layers_has_an_empty_root() -> None:
    with tree_of() as files:
        assert files.is_dir("/")
        assert list(files.walk()) == []


def test_a_layer_twice_in_one_image_counts_where_it_is_last() -> None:
    twice = tar(file("a", b"one"))
    with tree_of(twice, [whiteout("a")], twice) as files:
        assert files.stat("a").layer_index == 2


def test_applying_a_layer_leaves_it_as_it_was_for_other_images() -> None:
    with tree_of(BASE, [directory("bin", mode=0o700), opaque("bin")]) as files:
        lower = files.layers[0].tree.root
        assert sorted(lower.children["bin"].children) == ["other", "sub", "tool"]  # type: ignore[union-attr]
        with pytest.raises(NotInImage):
            files.stat("bin/tool")
