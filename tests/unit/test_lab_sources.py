from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import sources
from lab.console import LabError
from lab.sources import Source

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MAIN = Source(("http://mirror.example/debian",), ("bookworm", "bookworm-updates"), ("main",), KEYRING)
SECURITY = Source(("http://mirror.example/debian-security",), ("bookworm-security",), ("main",), KEYRING)


def test_a_one_line_entry_keeps_its_place_and_signature() -> None:
    text = "# comment\n\ndeb [arch=amd64 signed-by=/k.gpg] http://m.example/debian bookworm main contrib # why\n"
    assert list(sources.parse_list(text)) == [
        Source(("http://m.example/debian",), ("bookworm",), ("main", "contrib"), "/k.gpg")
    ]


def test_source_packages_are_no_source_of_packages() -> None:
    assert list(sources.parse_list("deb-src http://m.example/debian bookworm main\n")) == []
    assert list(sources.parse_deb822("Types: deb-src\nURIs: http://m.example/debian\nSuites: bookworm\n")) == []


def test_stanzas_are_split_at_blank_lines_and_continue_over_indented_ones() -> None:
    text = (
        "Types: deb\n# a comment within\nURIs: http://a.example/debian\n  http://b.example/debian\nSuites: bookworm\n"
        "Components: main\n\nTypes: deb\nURIs: http://c.example/debian\nSuites: trixie\nComponents: main\n"
    )
    assert [source.uris for source in sources.parse_deb822(text)] == [
        ("http://a.example/debian", "http://b.example/debian"),
        ("http://c.example/debian",),
    ]


def test_a_disabled_stanza_is_no_source() -> None:
    text = "Enabled: no\nTypes: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n"
    assert list(sources.parse_deb822(text)) == []


def test_files_apt_does_not_read_are_not_read(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    (parts / "b.list").write_text("deb http://b.example/debian bookworm main\n")
    (parts / "c.list.disabled").write_text("deb http://c.example/debian bookworm main\n")
    assert [source.uris[0] for source in sources.of_this_machine(tmp_path)] == [
        "http://a.example/debian",
        "http://b.example/debian",
    ]


@pytest.mark.parametrize(
    "source",
    [
        Source(("https://d.example/linux/debian",), ("bookworm",), ("stable",), "/etc/apt/keyrings/docker.asc"),
        Source(("https://w.example/wine-builds/debian/",), ("bookworm",), ("main",), "/etc/apt/keyrings/wine.key"),
        Source(("https://p.example/apt",), ("cloud-sdk-bookworm",), ("main",)),
    ],
)
def test_others_who_use_debians_names_are_not_debian(source: Source) -> None:
    assert not source.is_debian


def test_each_suite_of_the_release_comes_once() -> None:
    found = sources.for_release([MAIN, SECURITY, MAIN], "bookworm")
    assert [(source.uris[0], source.suites[0]) for source in found] == [
        ("http://mirror.example/debian", "bookworm"),
        ("http://mirror.example/debian", "bookworm-updates"),
        ("http://mirror.example/debian-security", "bookworm-security"),
    ]


def test_images_come_from_the_pockets_that_serve_every_architecture_alike() -> None:
    found = sources.same_everywhere(sources.for_release([MAIN, SECURITY], "bookworm"))
    assert [source.suites for source in found] == [("bookworm",), ("bookworm-updates",)]


def test_a_pinned_second_release_changes_nothing() -> None:
    newer = Source(("http://mirror.example/debian",), ("trixie",), ("main",), KEYRING)
    assert sources.for_release([MAIN, SECURITY, newer], "bookworm") == sources.for_release([MAIN, SECURITY], "bookworm")


def test_another_releases_suites_become_those_of_the_release() -> None:
    newer = Source(("http://m.example/debian/",), ("trixie", "trixie-updates"), ("main", "contrib"), KEYRING)
    found = sources.for_release([newer], "bookworm")
    assert [source.suites for source in found] == [("bookworm",), ("bookworm-updates",)]
    assert {source.components for source in found} == {("main",)}


def test_a_mirror_list_is_replaced_by_what_it_lists(tmp_path: Path) -> None:
    listed = tmp_path / "debian.list"
    listed.write_text("# of this cloud\nhttp://near.example/debian\tpriority:1\n")
    source = Source((f"mirror+file:{listed}",), ("bookworm",), ("main",), KEYRING)
    assert sources.for_release([source], "bookworm")[0].uris == ("http://near.example/debian",)


def test_a_machine_without_debians_archive_is_told_what_it_needs() -> None:
    ubuntu = Source(("http://archive.example/ubuntu",), ("noble",), ("main",))
    with pytest.raises(LabError, match=r"none of the 1 sources .*(?s:.)*run it on Debian"):
        sources.for_release([ubuntu], "bookworm")


def test_what_is_rendered_is_read_back_the_same() -> None:
    assert tuple(sources.parse_deb822(sources.render([MAIN, SECURITY], KEYRING))) == (MAIN, SECURITY)


def test_without_a_keyring_no_signature_is_named() -> None:
    assert "Signed-By" not in sources.render([MAIN], "")
