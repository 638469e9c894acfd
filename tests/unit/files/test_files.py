"""Asking for files: links, kinds, content, patterns, and what is said when there is nothing."""

from __future__ import annotations

import pickle

import pytest

from pytest_multiarch.errors import FileProblem, LinkLoop, NotInImage
from pytest_multiarch.image.members import FileKind
from tests.unit.files.common import directory, file, hard_link, symlink, tree_of

DEBIAN = [
    directory("usr/bin"),
    file("usr/bin/dash", b"\x7fELF", mode=0o755),
    symlink("usr/bin/sh", "dash"),
    symlink("bin", "usr/bin"),
    file("usr/lib/os-release", b"ID=debian\nNAME=\xc3\xa4\n", mode=0o644),
    symlink("etc/os-release", "../usr/lib/os-release"),
    symlink("etc/out", "../../../../../usr/lib/os-release"),
    symlink("etc/absolute", "/usr/lib/os-release"),
    symlink("etc/dangling", "/usr/no/where"),
    symlink("etc/self", "self"),
    symlink("etc/ping", "pong"),
    symlink("etc/pong", "/etc/ping"),
    file("usr/lib/.hidden"),
    file("usr/lib/x/libc.so.6", b"so"),
    hard_link("usr/lib/x/libc.so", "usr/lib/x/libc.so.6"),
    file("usr/share/latin", b"\xe4"),
]


def test_links_are_followed_inside_the_image() -> None:
    with tree_of(DEBIAN) as files:
        for path in (
            "/etc/os-release",
            "/etc/out",
            "/etc/absolute",
            "etc/os-release",
            "/etc/../etc/out",
            "//etc/./out/",
        ):
            assert files.read_text(path) == "ID=debian\nNAME=ä\n"
        assert files.stat("/bin/sh").path == "/usr/bin/dash"
        assert files.stat("/bin/sh", follow=False).path == "/usr/bin/sh"
        assert files.stat("/bin/sh", follow=False).target == "dash"
        assert files.stat("/bin/../lib/os-release").path == "/usr/lib/os-release"
        assert files.readlink("/bin") == "usr/bin"


def test_kinds_follow_links_and_links_do_not() -> None:
    with tree_of(DEBIAN) as files:
        assert files.is_dir("/bin")
        assert files.is_file("/bin/sh")
        assert files.is_symlink("/bin/sh")
        assert not files.is_symlink("/bin/dash")
        assert files.exists("/")
        assert not files.exists("/nothing")
        assert not files.exists("/bin/sh/x")
        assert not files.exists("/etc/dangling")
        assert files.is_symlink("/etc/dangling")


def test_what_is_not_there_is_said_with_the_link_that_leads_there() -> None:
    with tree_of(DEBIAN) as files:
        with pytest.raises(
            NotInImage, match="look for /etc/nothing of app for linux/amd64: there is no file /etc/nothing"
        ):
            files.stat("/etc/nothing")
        with pytest.raises(NotInImage, match="no directory /usr/no, where /etc/dangling → /usr/no/where leads"):
            files.read_bytes("/etc/dangling")
        with pytest.raises(NotInImage, match="/usr/bin/dash is a file, no directory, where /usr/bin/sh → dash leads"):
            files.stat("/bin/sh/x")
        with pytest.raises(NotInImage, match="no file /etc/OS-RELEASE, only os-release"):
            files.mode("/etc/OS-RELEASE")


@pytest.mark.parametrize("path", ["/etc/self", "/etc/ping", "/etc/pong/x"])
def test_links_in_a_circle_are_an_error_and_nothing_to_exists(path: str) -> None:
    with tree_of(DEBIAN) as files:
        with pytest.raises(LinkLoop, match="more than 40 symbolic links"):
            files.stat(path)
        assert not files.exists(path)


def test_forty_links_are_followed_and_no_more() -> None:
    chain = [symlink(f"l{number}", f"l{number + 1}") for number in range(41)]
    with tree_of([*chain, file("l41", b"end")]) as files:
        assert files.read_bytes("l1") == b"end"
        with pytest.raises(LinkLoop):
            files.read_bytes("l0")


def test_only_regular_files_are_read() -> None:
    with tree_of(DEBIAN) as files:
        with pytest.raises(FileProblem, match=r"read /usr of .*: it is a directory"):
            files.read_bytes("/usr")
        with pytest.raises(FileProblem, match="it is a file"):
            files.readlink("/usr/bin/dash")
        with pytest.raises(FileProblem, match="it is a file"):
            list(files.walk("/usr/bin/dash"))
        with pytest.raises(FileProblem, match="no utf-8 text: unexpected end of data at byte 0"):
            files.read_text("/usr/share/latin")
        assert files.read_text("/usr/share/latin", "latin-1") == "ä"


def test_reading_is_bounded_unless_told_otherwise() -> None:
    with tree_of([file("big", bytes(3000))]) as files:
        with pytest.raises(FileProblem, match="3000 bytes, more than the 2999"):
            files.read_bytes("big", 2999)
        assert len(files.read_bytes("big", 3000)) == 3000
        assert len(files.read_bytes("big", None)) == 3000
        assert files.read_start("big", 4) == bytes(4)
        assert files.read_start("big", 5000) == bytes(3000)


def test_open_files_are_streams_that_seek() -> None:
    content = bytes(range(256)) * 1000
    with tree_of([file("before", b"x"), file("data", content), file("after", b"y")]) as files:
        with files.open("/data") as stream:
            assert stream.read(10) == content[:10]
            assert stream.seek(-5, 2) == len(content) - 5
            assert stream.read() == content[-5:]
            assert stream.seek(1000) == 1000
            assert stream.seek(24, 1) == 1024
            assert stream.read(3) == content[1024:1027]
            assert stream.seek(10**9) == 10**9
            assert stream.read() == b""
            with pytest.raises(ValueError, match="negative"):
                stream.seek(-1)
        with files.open("/data") as stream:
            assert stream.read() == content


def test_who_may_execute() -> None:
    with tree_of(
        [file("all", mode=0o755), file("group", mode=0o010), file("none", mode=0o644), directory("dir")]
    ) as files:
        assert [files.is_executable_by("all", who) for who in ("owner", "group", "other", "any")] == [True] * 4
        assert [files.is_executable_by("group", who) for who in ("owner", "group", "other", "any")] == [
            False,
            True,
            False,
            True,
        ]
        assert not files.is_executable_by("none")
        assert not files.is_executable_by("dir")


def test_walking_goes_in_order_and_follows_no_links() -> None:
    with tree_of([file("b/y"), file("b/x"), symlink("a", "b"), file("c")]) as files:
        assert [entry.path for entry in files.walk()] == ["/a", "/b", "/b/x", "/b/y", "/c"]
        assert [entry.path for entry in files.walk("/a")] == ["/b/x", "/b/y"]
        assert next(entry.kind for entry in files.walk()) is FileKind.SYMLINK


def test_files_are_found_by_what_they_begin_with() -> None:
    sparse, content = file("sparse", b"magic")
    sparse.pax_headers = {"GNU.sparse.map": "0,5", "GNU.sparse.size": "9000", "GNU.sparse.name": "sparse"}
    hole, _ = file("hole", b"magic")
    hole.pax_headers = {"GNU.sparse.map": "9,5", "GNU.sparse.size": "9000", "GNU.sparse.name": "hole"}
    lower = [file("a", b"magic"), file("b", b"magi"), file("c", b"mag"), file("d"), directory("e"), symlink("f", "a")]
    upper = [hard_link("x/link", "a"), (sparse, content), (hole, content), file("b", b"other")]
    with tree_of(lower, upper) as files:
        assert [entry.path for entry, _ in files.files_beginning(b"magi")] == ["/a", "/sparse", "/x/link"]
        assert [entry.path for entry, _ in files.files_beginning(b"magi", "/x")] == ["/x/link"]
        assert [entry.path for entry, _ in files.files_beginning(b"m")] == ["/a", "/c", "/sparse", "/x/link"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/usr/lib/*", ["/usr/lib/.hidden", "/usr/lib/os-release", "/usr/lib/x"]),
        ("usr/lib/*", ["/usr/lib/.hidden", "/usr/lib/os-release", "/usr/lib/x"]),
        ("/**/libc.so*", ["/usr/lib/x/libc.so", "/usr/lib/x/libc.so.6"]),
        ("/usr/**/lib*.so", ["/usr/lib/x/libc.so"]),
        ("/usr/**/**/lib*.so", ["/usr/lib/x/libc.so"]),
        ("/usr/lib/**/os-release", ["/usr/lib/os-release"]),
        ("/usr/lib/**", ["/usr/lib", *(f"/usr/lib/{name}" for name in (".hidden", "os-release", "x", "x/libc.so", "x/libc.so.6"))]),
        ("/bin/*", ["/bin/dash", "/bin/sh"]),
        ("/b*/d?s[gh]", ["/bin/dash"]),
        ("/etc/dang*", ["/etc/dangling"]),
        ("/etc/self/*", []),
        ("/etc/*/x", []),
        ("/nothing/*", []),
        ("/usr/bin/dash/*", []),
        ("/usr/bin/../lib/os*", ["/usr/bin/../lib/os-release"]),
        ("/", ["/"]),
        ("/usr", ["/usr"]),
    ],
)  # fmt: skip
def test_patterns_are_pathlibs(pattern: str, found: list[str]) -> None:
    with tree_of(DEBIAN) as files:
        assert files.glob(pattern) == found


def test_two_stars_do_not_follow_links() -> None:
    with tree_of([file("a/x"), symlink("a/loop", ".."), symlink("l", "a")]) as files:
        assert files.glob("/**/x") == ["/a/x"]
        assert files.glob("/l/**/x") == ["/l/x"]
        assert files.glob("/**") == ["/", "/a", "/a/loop", "/a/x", "/l"]


def test_entries_can_be_sent_to_another_process() -> None:
    with tree_of(DEBIAN) as files:
        entry = files.stat("/bin/sh")
        assert pickle.loads(pickle.dumps(entry)) == entry  # noqa: S301
        assert (entry.name, entry.is_file, entry.is_dir, entry.is_symlink) == ("dash", True, False, False)


def test_names_that_are_no_utf8_can_be_asked_for() -> None:
    with tree_of([file("caf\udce9", b"x")]) as files:
        [entry] = files.walk()
        assert files.read_bytes(entry.path) == b"x"
        with pytest.raises(NotInImage, match="look for /no"):
            files.stat("/no\udce9")


def test_patterns_through_too_many_links_match_nothing() -> None:
    with tree_of([directory("d"), symlink("d/l", ".."), file("x")]) as files:
        assert files.glob("/d/l" * 40 + "/x") == ["/d/l" * 40 + "/x"]
        assert files.glob("/d/l" * 41 + "/*") == []
        assert files.glob("/d/l" * 41 + "/../*") == []
