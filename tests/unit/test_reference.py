"""Image references, against the tables of github.com/distribution/reference's own tests.

The tables are those of ``reference_test.go``, ``normalize_test.go`` and ``regexp_test.go``; where ``Parse`` there and
``ParseNormalizedNamed`` differ, what counts is the latter: it is what ``docker pull`` uses.
"""

from __future__ import annotations

import pytest

from pytest_multiarch.errors import InvalidReference
from pytest_multiarch.image.reference import Reference

F = "sha256:" + "f" * 64
F512 = "sha512:" + "f" * 128
HEX = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"


@pytest.mark.parametrize(
    "text",
    [
        # TestValidateReferenceName
        "docker/docker",
        "library/debian",
        "debian",
        "docker.io/docker/docker",
        "docker.io/library/debian",
        "docker.io/debian",
        "index.docker.io/docker/docker",
        "index.docker.io/library/debian",
        "index.docker.io/debian",
        "127.0.0.1:5000/docker/docker",
        "127.0.0.1:5000/library/debian",
        "127.0.0.1:5000/debian",
        "192.168.0.1",
        "192.168.0.1:80",
        "192.168.0.1:8/debian",
        "192.168.0.2:25000/debian",
        "thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev",
        "[fc00::1]:5000/docker",
        "[fc00::1]:5000/docker/docker",
        "[fc00:1:2:3:4:5:6:7]:5000/library/debian",
        f"docker.io/{HEX}",
        "Docker/docker",
        "DOCKER/docker",
        # TestValidateRemoteName
        "docker-rules/docker",
        "docker---rules/docker",
        "doc/docker",
        "d/docker",
        "jess/t",
        "dock__er/docker",
    ],
)
def test_what_upstream_takes_is_taken(text: str) -> None:
    Reference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        # TestValidateReferenceName
        "https://github.com/docker/docker",
        "docker/Docker",
        "-docker",
        "-docker/docker",
        "-docker.io/docker/docker",
        "docker///docker",
        "docker.io/docker/Docker",
        "docker.io/docker///docker",
        "[fc00::1]",
        "[fc00::1]:5000",
        "fc00::1:5000/debian",
        "[fe80::1%eth0]:5000/debian",
        "[2001:db8:3:4::192.0.2.33]:5000/debian",
        HEX,
        # TestValidateRemoteName
        "docker-/docker",
        "-docker-/docker",
        "____/____",
        "_docker/_docker",
        "dock..er/docker",
        "dock_.er/docker",
        "dock-.er/docker",
        "docker/",
        "this_is_not_a_valid_namespace_because_its_lenth_is_greater_than_255_" * 4 + "/docker",
        # TestReferenceParse
        "",
        ":justtag",
        f"@{F}",
        "repo@sha256:ffffffffffffffffffffffffffffffffff",
        "validname@invaliddigest:" + "f" * 64,
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "aa/asdf$$^/aa",
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[2001:db8::1]:tag",
        "[fe80::1%@invalidzone]:5000/repo",
        # TestReferenceRegexp, TestFullNameRegexp
        "registry.com:8080/myapp@sha256:badbadbadbad",
        "registry.com:8080/myapp:invalid~tag",
        "bad_hostname.com:8080/myapp:tag",
        "localhost:http/name",
        "registry.com:8080/myapp@bad",
        "registry.com:8080/myapp@2bad",
        "a/a/a/a/",
        "a//a/a",
        "foo.com/",
        "foo.com:http/bar",
        "a^a",
        "a-/a/a/a",
        "foo.com/a-/a/a",
        "foo/bar-",
        "foo/-bar",
        "example.com/__underscore/myimage",
        "example.com/..dots/myimage",
        "example.com/nodouble..dots/myimage",
        ".docker/docker",
        "do__cker:8080/docker",
        "Foo/FarB",
        # Our own: what a fullmatch, ASCII and bounds are for.
        "alpine\n",
        "alpine:3\n",
        "alpine:t\u00e4g",
        " alpine",
        "alpine 3",
        "alpine:" + "t" * 129,
        "a/" * 128 + "a:tag",
        "a" * 5000,
        f"alpine@{F.upper()}",
        f"alpine@sha256:{'F' * 64}",
        "alpine@sha384:" + "f" * 96,
    ],
)
def test_what_upstream_refuses_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert caught.value.headline.isprintable()


# TestParseRepositoryInfo: familiar name, full name, ambiguous name, domain, remote name.
@pytest.mark.parametrize(
    ("familiar", "full", "ambiguous", "domain", "remote"),
    [
        ("fooo/bar", "docker.io/fooo/bar", "index.docker.io/fooo/bar", "docker.io", "fooo/bar"),
        ("ubuntu", "docker.io/library/ubuntu", "library/ubuntu", "docker.io", "library/ubuntu"),
        ("nonlibrary/ubuntu", "docker.io/nonlibrary/ubuntu", "", "docker.io", "nonlibrary/ubuntu"),
        ("other/library", "docker.io/other/library", "", "docker.io", "other/library"),
        (
            "127.0.0.1:8000/private/moonbase",
            "127.0.0.1:8000/private/moonbase",
            "",
            "127.0.0.1:8000",
            "private/moonbase",
        ),
        ("127.0.0.1:8000/privatebase", "127.0.0.1:8000/privatebase", "", "127.0.0.1:8000", "privatebase"),
        ("example.com/private/moonbase", "example.com/private/moonbase", "", "example.com", "private/moonbase"),
        ("example.com/privatebase", "example.com/privatebase", "", "example.com", "privatebase"),
        ("example.com:8000/privatebasee", "example.com:8000/privatebasee", "", "example.com:8000", "privatebasee"),
        (
            "ubuntu-12.04-base",
            "docker.io/library/ubuntu-12.04-base",
            "index.docker.io/library/ubuntu-12.04-base",
            "docker.io",
            "library/ubuntu-12.04-base",
        ),
        ("foo", "docker.io/library/foo", "docker.io/foo", "docker.io", "library/foo"),
        ("library/foo/bar", "docker.io/library/foo/bar", "", "docker.io", "library/foo/bar"),
        ("store/foo/bar", "docker.io/store/foo/bar", "", "docker.io", "store/foo/bar"),
        ("Foo/bar", "Foo/bar", "", "Foo", "bar"),
        ("FOO/bar", "FOO/bar", "", "FOO", "bar"),
        ("localhost/app", "localhost/app", "", "localhost", "app"),
    ],
)
def test_all_spellings_are_one_name(familiar: str, full: str, ambiguous: str, domain: str, remote: str) -> None:
    for text in filter(None, (familiar, full, ambiguous)):
        found = Reference.parse(text)
        assert str(found) == full
        assert found.familiar == familiar
        assert (found.registry, found.repository) == (domain, remote)


# TestReferenceParse and TestNormalizedSplitHostname, with Docker Hub where no domain is given.
@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("test_com/foo", "docker.io", "test_com/foo", "", ""),
        ("test.com:tag", "docker.io", "library/test.com", "tag", ""),
        ("test.com:5000", "docker.io", "library/test.com", "5000", ""),
        ("test.com/repo:tag", "test.com", "repo", "tag", ""),
        ("test:5000/repo", "test:5000", "repo", "", ""),
        ("test:5000/repo:tag", "test:5000", "repo", "tag", ""),
        (f"test:5000/repo@{F}", "test:5000", "repo", "", F),
        (f"test:5000/repo:tag@{F}", "test:5000", "repo", "tag", F),
        ("lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase", ""),
        ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag", ""),
        ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app", *("test.example.com", "")),
        (f"xn--7o8h.com/myimage:xn--7o8h.com@{F512}", "xn--7o8h.com", "myimage", "xn--7o8h.com", F512),
        ("foo_bar.com:8080", "docker.io", "library/foo_bar.com", "8080", ""),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080", ""),
        ("192.168.1.1", "docker.io", "library/192.168.1.1", "", ""),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050", ""),
        ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", "", ""),
        ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", "tag", ""),
        (f"[2001:db8::1]:5000/repo:tag@{F}", "[2001:db8::1]:5000", "repo", "tag", F),
        ("[::1]:5000/repo", "[::1]:5000", "repo", "", ""),
        (f"localhost:8080@{F}", "docker.io", "library/localhost", "8080", F),
        (f"localhost:8080/name@{F}", "localhost:8080", "name", "", F),
        ("xn--n3h.com:18080/foo", "xn--n3h.com:18080", "foo", "", ""),
        ("test.com/" + "a/" * 127 + "a:tag-puts-this-over-max", "test.com", "a/" * 127 + "a", "tag-puts-this-over-max", ""),
        ("a.io/project--id.module--name.ver---sion--name", "a.io", "project--id.module--name.ver---sion--name", "", ""),
    ],
)  # fmt: skip
def test_the_parts_are_told_apart(text: str, registry: str, repository: str, tag: str, digest: str) -> None:
    assert Reference.parse(text) == Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "target"), [("alpine", "latest"), ("alpine:3", "3"), (f"alpine@{F}", F), (f"alpine:3@{F}", F)]
)
def test_a_registry_is_asked_for_the_most_exact(text: str, target: str) -> None:
    assert Reference.parse(text).target == target


def test_tag_and_digest_are_kept_as_upstream_keeps_them() -> None:
    # TestParseReferenceWithTagAndDigest
    short = "busybox:latest@sha256:86e0e091d0da6bde2456dbb48306f3956bbeb2eae1b5b9a43045843f69fe4aaa"
    found = Reference.parse(short)
    assert str(found) == f"docker.io/library/{short}"
    assert found.familiar == short


def test_a_digest_takes_the_tags_place_and_the_other_way_round() -> None:
    tagged = Reference.parse("localhost:5001/app:1")
    pinned = tagged.with_digest(F)
    assert str(pinned) == f"localhost:5001/app@{F}"
    assert str(pinned.with_tag("2")) == "localhost:5001/app:2"
    assert pinned.name == "localhost:5001/app"


@pytest.mark.parametrize("tag", ["", "-foo", ".foo", "a" * 129, "a/b", "a b", "a:b", "\u00e4", "a\n"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse("busybox").with_tag(tag)


def test_what_is_no_digest_is_refused() -> None:
    with pytest.raises(InvalidReference):
        Reference.parse("busybox").with_digest("foo")


def test_a_url_is_met_with_a_hint() -> None:
    with pytest.raises(InvalidReference, match="Leave out the https://"):
        Reference.parse("https://ghcr.io/owner/name")
