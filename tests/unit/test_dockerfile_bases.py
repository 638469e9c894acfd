"""Which images a Dockerfile stands on, as BuildKit reads it.

The rules: https://docs.docker.com/reference/dockerfile/ and, for what that leaves open, moby/buildkit ``frontend/dockerfile``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.dockerfile import BaseImage, base_images
from pytest_multiarch.dockerfile.reading import expand
from pytest_multiarch.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    return tmp_path / "Dockerfile"


def references(path: Path, text: str, args: Mapping[str, str] | None = None) -> list[str]:
    path.write_text(text, encoding="utf-8")
    return [image.reference for image in base_images(path, args or {})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM debian", ["debian"], id="no line end"),
        pytest.param("FROM debian:12-slim\n", ["debian:12-slim"], id="tag"),
        pytest.param(f"FROM debian@{DIGEST}\n", [f"debian@{DIGEST}"], id="digest"),
        pytest.param(f"FROM debian:12@{DIGEST}\n", [f"debian:12@{DIGEST}"], id="tag and digest"),
        pytest.param("FROM localhost:5001/a/b:c\n", ["localhost:5001/a/b:c"], id="port"),
        pytest.param("FROM [::1]:5000/a\n", ["[::1]:5000/a"], id="IPv6"),
        pytest.param("from debian\nrun true\n", ["debian"], id="lower case"),
        pytest.param("FrOm debian As x\nFROM X\n", ["debian"], id="mixed case"),
        pytest.param("  \tFROM   debian \t\n", ["debian"], id="white space around"),
        pytest.param('FROM "debian:12"\n', ["debian:12"], id="quotes"),
        pytest.param("# a comment\n\n  # FROM nothing\nFROM debian\n", ["debian"], id="comments before"),
        pytest.param("FROM scratch\nCOPY . /\n", [], id="scratch"),
        pytest.param("FROM a\nFROM b\nFROM a\n", ["a", "b", "a"], id="several"),
        pytest.param("", [], id="empty file"),
        pytest.param("FROM\n", [], id="no image"),
        pytest.param("FROM --platform=linux/amd64\n", [], id="a flag and no image"),
        pytest.param("RUN echo FROM nothing\n", [], id="the word elsewhere"),
    ],
)
def test_from(dockerfile: Path, text: str, expected: list[str]) -> None:
    assert references(dockerfile, text) == expected


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        pytest.param("ARG V=12\nFROM debian:$V\n", {}, ["debian:12"], id="default"),
        pytest.param("ARG V=12\nFROM debian:${V}\n", {}, ["debian:12"], id="braces"),
        pytest.param("ARG V=12\nFROM debian:$V\n", {"V": "13"}, ["debian:13"], id="overridden"),
        pytest.param("ARG V\nFROM debian:$V\n", {"V": "13"}, ["debian:13"], id="no default, given"),
        pytest.param("ARG BASE\nFROM ${BASE}\n", {}, [], id="no default, not given"),
        pytest.param("FROM ${BASE}\n", {}, [], id="never declared"),
        pytest.param("FROM debian:${V:-12}\n", {"V": "13"}, ["debian:12"], id="given and never declared"),
        pytest.param("ARG V\nFROM debian:${V:-12}\n", {}, ["debian:12"], id="default at its use"),
        pytest.param("ARG V=\nFROM debian:${V:-12}\n", {}, ["debian:12"], id="empty is unset with a colon"),
        pytest.param("ARG V=\nFROM debian${V-:12}\n", {}, ["debian"], id="empty is set without a colon"),
        pytest.param("ARG V=1\nFROM debian${V:+:slim}\n", {}, ["debian:slim"], id="other value where set"),
        pytest.param("ARG V\nFROM debian${V:+:slim}\n", {}, ["debian"], id="nothing where unset"),
        pytest.param("ARG V=12\nARG B=debian:$V\nFROM $B\n", {}, ["debian:12"], id="one in another"),
        pytest.param(
            "ARG V=12\nARG B=debian:$V\nFROM $B\n", {"V": "13"}, ["debian:13"], id="one in another, overridden"
        ),
        pytest.param("ARG V=12 B=debian:${V}\nFROM $B\n", {}, ["debian:12"], id="several on one line"),
        pytest.param("ARG V=12\nARG V=13\nFROM debian:$V\n", {}, ["debian:13"], id="the last default wins"),
        pytest.param("ARG V=12\nARG V\nFROM debian:$V\n", {}, ["debian:12"], id="declared again without default"),
        pytest.param("ARG V='12'\nARG W=\"-slim\"\nFROM debian:$V$W\n", {}, ["debian:12-slim"], id="quotes"),
        pytest.param("ARG B=debian\nFROM ${B}:${V:-${W:-12}}\n", {}, ["debian:12"], id="default in a default"),
        pytest.param("ARG W=13\nFROM debian:${V:-${W}}\n", {}, ["debian:13"], id="a variable as the default"),
        pytest.param("ARG A=a\nFROM $A\nARG A=b\nFROM $A\n", {}, ["a", "a"], id="inside a stage it counts for no FROM"),
        pytest.param("FROM a\nARG B=b\nFROM $B\n", {}, ["a"], id="after the first FROM it counts for none"),
        pytest.param("arg V=12\nFROM debian:$V\n", {}, ["debian:12"], id="lower case"),
        pytest.param("ARG V=12.1\nFROM debian:${V%.*}\n", {}, [], id="a pattern is left to BuildKit"),
        pytest.param("ARG V=12\nFROM debian:\\$V\n", {}, [], id="escaped"),
        pytest.param("ARG A=x\nFROM $AB\n", {}, [], id="the longest name"),
    ],
)
def test_arguments(dockerfile: Path, text: str, args: dict[str, str], expected: list[str]) -> None:
    assert references(dockerfile, text, args) == expected


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian-$TARGETARCH\n",
        "FROM debian:${TARGETARCH}\n",
        "FROM debian:12${TARGETVARIANT:+-$TARGETVARIANT}\n",
        "FROM debian:${BUILDARCH:-amd64}\n",
        "ARG B=debian:$TARGETARCH\nFROM $B\n",
        "ARG TARGETARCH\nFROM debian:$TARGETARCH\n",
        "FROM debian:${TARGETSTAGE}\n",
    ],
)
def test_a_name_that_differs_per_platform_is_left_to_buildkit(dockerfile: Path, text: str) -> None:
    assert references(dockerfile, text) == []


@pytest.mark.parametrize(
    ("text", "args"),
    [("ARG TARGETARCH=amd64\nFROM debian:$TARGETARCH\n", {}), ("FROM debian:$TARGETARCH\n", {"TARGETARCH": "amd64"})],
)
def test_a_predefined_argument_that_is_set_by_hand_is_known(dockerfile: Path, text: str, args: dict[str, str]) -> None:
    assert references(dockerfile, text, args) == ["debian:amd64"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM a AS x\nFROM x\nFROM X\n", ["a"], id="FROM a stage"),
        pytest.param("FROM x\nFROM a AS x\n", ["a"], id="an image that a later stage is named after"),
        pytest.param("FROM x:1\nFROM a AS x\n", ["x:1", "a"], id="with a tag it is no stage"),
        pytest.param("FROM a AS x\nFROM b\nCOPY --from=x /a /b\n", ["a", "b"], id="COPY from a stage"),
        pytest.param("FROM a\nCOPY --from=later /a /b\nFROM b AS later\n", ["a", "b"], id="COPY from a later stage"),
        pytest.param("FROM a\nFROM b\nCOPY --from=0 /a /b\n", ["a", "b"], id="COPY from a stage by number"),
        pytest.param("FROM a AS build_arm64\nFROM build_$TARGETARCH\n", ["a"], id="a stage per platform"),
        pytest.param("FROM scratch AS x\nFROM x\n", [], id="a stage on scratch"),
        pytest.param("FROM a as Build\nFROM b\nCOPY --from=BUILD /a /b\n", ["a", "b"], id="case does not count"),
    ],
)
def test_stages_are_no_images(dockerfile: Path, text: str, expected: list[str]) -> None:
    assert references(dockerfile, text) == expected


@pytest.mark.parametrize(
    "image", ["debian", "debian:latest", "docker.io/library/debian", "library/debian", "index.docker.io/debian"]
)
def test_an_image_that_a_stage_is_named_after_is_left_to_buildkit(dockerfile: Path, image: str) -> None:
    # A build context of that name would stand for the stage, and its instructions would not be run.
    assert references(dockerfile, f"FROM {image} AS debian\nRUN true\nFROM debian\nFROM debian:12\n") == ["debian:12"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM a\nCOPY --from=b:1 /x /y\n", ["a", "b:1"], id="COPY"),
        pytest.param("FROM a\nCOPY --chown=1 --from=b --link /x /y\n", ["a", "b"], id="among other flags"),
        pytest.param("FROM a\nCOPY /x --from=b\n", ["a"], id="behind the flags it is a path"),
        pytest.param("FROM a\nCOPY --from=$B /x /y\n", ["a"], id="variables are not expanded there"),
        pytest.param("FROM a\nCOPY --from=scratch /x /y\n", ["a"], id="scratch"),
        pytest.param("FROM a\nADD --from=b /x /y\n", ["a"], id="ADD has no such flag"),
        pytest.param("FROM a\nRUN --mount=from=b,target=/b true\n", ["a", "b"], id="RUN"),
        pytest.param("FROM a\nRUN --mount=type=bind,target=/b,from=b:1 true\n", ["a", "b:1"], id="RUN, other order"),
        pytest.param("FROM a\nRUN --mount=type=bind,From=b true\n", ["a", "b"], id="keys in any case"),
        pytest.param('FROM a\nRUN --mount="type=bind,from=b" true\n', ["a", "b"], id="quoted"),
        pytest.param("FROM a\nRUN --mount=from=b --mount=from=c --network=none x\n", ["a", "b", "c"], id="several"),
        pytest.param("FROM a\nRUN --mount=from=b echo it's\n", ["a", "b"], id="a quote in the command"),
        pytest.param("FROM a\nRUN --mount=type=cache,target=/x true\n", ["a"], id="a mount from nowhere"),
        pytest.param("FROM a\nRUN --mount=from=a x\nFROM b AS a\n", ["b"], id="a mount from a stage"),
        pytest.param("FROM a\nRUN tool --mount=from=b\n", ["a"], id="a flag of the command's own"),
        pytest.param("FROM a\nONBUILD COPY --from=b /x /y\n", ["a"], id="a trigger runs in other builds"),
        pytest.param("FROM a\ncopy --from=b /x /y\n", ["a", "b"], id="lower case"),
        pytest.param("FROM a\nRUN --mount=from=b \\\n  --mount=from=c \\\n true\n", ["a", "b", "c"], id="over lines"),
    ],
)
def test_images_that_are_copied_or_mounted_from(dockerfile: Path, text: str, expected: list[str]) -> None:
    assert references(dockerfile, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM --platform=linux/amd64 a\n", "linux/amd64"),
        ("FROM --platform=$BUILDPLATFORM a\n", "$BUILDPLATFORM"),
        ("FROM --platform=${BUILDPLATFORM} a\n", "$BUILDPLATFORM"),
        ("FROM --platform=$TARGETPLATFORM a AS x\n", "$TARGETPLATFORM"),
        ("FROM --platform=linux/$TARGETARCH a\n", "linux/$TARGETARCH"),
        ("ARG P=linux/arm64\nFROM --platform=$P a\n", "linux/arm64"),
        ("ARG P\nFROM --platform=${P:-linux/arm/v7} a\n", "linux/arm/v7"),
        ("FROM a\n", ""),
    ],
)
def test_the_platform_of_a_stage(dockerfile: Path, text: str, expected: str) -> None:
    dockerfile.write_text(text)
    (image,) = base_images(dockerfile, {})
    assert (image.reference, image.platform) == ("a", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("RUN <<EOF\nFROM no\nEOF\nFROM b\n", ["b"], id="plain"),
        pytest.param('RUN <<"EOF"\nFROM no\nEOF\nFROM b\n', ["b"], id="quoted"),
        pytest.param("RUN <<'EOF' && true\nFROM no\nEOF\nFROM b\n", ["b"], id="single quotes, more behind"),
        pytest.param("RUN <<-EOF\n\tFROM no\n\tEOF\nFROM b\n", ["b"], id="tabs before the end"),
        pytest.param("RUN <<EOF\n\tEOF\nFROM no\nEOF\nFROM b\n", ["b"], id="without the dash tabs count"),
        pytest.param("RUN <<-EOF\n  EOF\nFROM no\nEOF\nFROM b\n", ["b"], id="blanks always count"),
        pytest.param("RUN << EOF\nFROM no\nEOF\nFROM b\n", ["b"], id="a blank before the name"),
        pytest.param("RUN 3<<EOF cat\nFROM no\nEOF\nFROM b\n", ["b"], id="with a number"),
        pytest.param("RUN <<end-1.x\nFROM no\nend-1.x\nFROM b\n", ["b"], id="any name"),
        pytest.param("COPY <<A <<B /x/\nFROM no\nA\nFROM no\nB\nFROM b\n", ["b"], id="two"),
        pytest.param("COPY <<A <<B /x/\nB\nFROM no\nA\nFROM no\nB\nFROM b\n", ["b"], id="two, in their order"),
        pytest.param("ADD <<EOF /x\nFROM no\nEOF\nFROM b\n", ["b"], id="ADD"),
        pytest.param("ONBUILD RUN <<EOF\nFROM no\nEOF\nFROM b\n", ["b"], id="ONBUILD"),
        pytest.param("RUN --mount=from=c \\\n  <<EOF\nFROM no\nEOF\nFROM b\n", ["c", "b"], id="on a continued line"),
        pytest.param("RUN <<EOF\nFROM no \\\nEOF\nFROM b\n", ["b"], id="nothing continues inside"),
        pytest.param("RUN <<EOF\n# EOF\nFROM no\nEOF\nFROM b\n", ["b"], id="no comments inside"),
        pytest.param("RUN cat <<<EOF\nFROM b\n", ["b"], id="three are no heredoc"),
        pytest.param('RUN echo "a <<EOF b"\nFROM b\n', ["b"], id="inside quotes it is none"),
        pytest.param("RUN echo $((1 << 4))\nFROM b\n", ["b"], id="a shift"),
        pytest.param("RUN echo it's <<EOF\nFROM b\n", ["b"], id="a quote that is not closed"),
        pytest.param('RUN ["cat", "<<EOF"]\nFROM b\n', ["b"], id="exec form"),
        pytest.param("ENV X=<<EOF\nFROM b\n", ["b"], id="other instructions have none"),
        pytest.param("# RUN <<EOF\nFROM b\n", ["b"], id="in a comment"),
    ],
)
def test_heredocs(dockerfile: Path, text: str, expected: list[str]) -> None:
    assert references(dockerfile, f"FROM a\n{text}") == ["a", *expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FROM \\\n  a \\\n  AS x\nFROM x\n", ["a"], id="FROM over lines"),
        pytest.param("FROM a\nRUN x \\\n  FROM no\nFROM b\n", ["a", "b"], id="the word on a continued line"),
        pytest.param("FROM a\nRUN x \\  \n  FROM no\n", ["a"], id="blanks behind the backslash"),
        pytest.param(
            "FROM a\nRUN x \\\n# FROM no\n  # comment \\\n  FROM no\nFROM b\n", ["a", "b"], id="comments between"
        ),
        pytest.param("FROM a\nRUN x \\\n\n  FROM no\nFROM b\n", ["a", "b"], id="an empty line between"),
        pytest.param("FROM a\nRUN x \\\\\nFROM b\n", ["a", "b"], id="two backslashes continue nothing"),
        pytest.param("FROM a\nRUN x \\", ["a"], id="the end of the file"),
        pytest.param("FROM a\nRUN x \\\n# end", ["a"], id="a comment at the end of the file"),
        pytest.param("FROM a\nRUN x # \\\n  FROM no\nFROM b\n", ["a", "b"], id="a number sign in a line is no comment"),
        pytest.param(
            "# escape=`\nFROM a\nCOPY x c:\\\nFROM b\n", ["a", "b"], id="escape directive: a backslash is none"
        ),
        pytest.param(
            "# escape=`\nFROM a\nRUN x `\n  FROM no\nFROM b\n", ["a", "b"], id="escape directive: a backtick is"
        ),
        pytest.param(
            "#syntax=docker/dockerfile:1\n# ESCAPE = `\nFROM a\nRUN x `\nFROM no\n", ["a"], id="behind another"
        ),
        pytest.param(
            "# comment\n# escape=`\nFROM a\nRUN x `\nFROM b\n", ["a", "b"], id="behind a comment it is a comment"
        ),
        pytest.param("\n# escape=`\nFROM a\nRUN x `\nFROM b\n", ["a", "b"], id="behind an empty line too"),
        pytest.param(
            "#unknown=1\n# escape=`\nFROM a\nRUN x `\nFROM b\n", ["a", "b"], id="behind an unknown directive too"
        ),
    ],
)
def test_continued_lines(dockerfile: Path, text: str, expected: list[str]) -> None:
    assert references(dockerfile, text) == expected


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(dockerfile: Path) -> None:
    text = "# escape=`\nARG V=12\nFROM debian:$V AS x\nRUN <<EOF\nFROM no\nEOF\nRUN a `\n FROM no\nFROM x\nFROM b"
    dockerfile.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [image.reference for image in base_images(dockerfile, {})] == ["debian:12", "b"]


def test_lines_are_counted_as_an_editor_does(dockerfile: Path) -> None:
    dockerfile.write_text(
        "# syntax=docker/dockerfile:1\n"
        "ARG V=12\n"
        "\n"
        "FROM \\\n  debian:$V\n"
        "RUN <<EOF\n"
        "a page\x0cbreak and a line\u2028separator\n"
        "EOF\n"
        "COPY --from=tools /a \\\n"
        "     /b\n"
        "FROM last\n",
        encoding="utf-8",
    )
    assert base_images(dockerfile, {}) == (BaseImage("debian:12", 4), BaseImage("tools", 9), BaseImage("last", 11))


def test_a_file_that_is_not_there_is_named(dockerfile: Path) -> None:
    with pytest.raises(UsageProblem, match="No such file") as caught:
        base_images(dockerfile, {})
    assert caught.value.tried == f"reading the Dockerfile {dockerfile}"


def test_a_file_that_is_no_text_is_refused(dockerfile: Path) -> None:
    dockerfile.write_bytes(b"FROM debian\n\xff\xfe")
    with pytest.raises(UsageProblem) as caught:
        base_images(dockerfile, {})
    assert "UTF-8" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}", "1-1"),
        ("$NOPE", ""),
        ("a$", "a$"),
        ("$-", "$-"),
        ("${A", "${A"),
        ("${A:-2}", "1"),
        ("${E:-2}|${E-2}|${E}", "2||"),
        ("${E:+2}|${E+2}|${NOPE+2}", "|2|"),
        ("${A:?message}", "1"),
        ("${NOPE:-${E:-${A}}}x", "1x"),
        ("${NOPE:-a}${NOPE:-b}", "ab"),
        ("'$A'\"$A\"", "$A1"),
        (r"\$A \\ \"", '$A \\ "'),
        ("${A#1}", "${A#1}"),
        ("${NOPE:-'}'}", "}"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "E": ""}) == expected
