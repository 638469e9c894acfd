"""What a build reads, as a digest: it changes with what the build sees, and with nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.engine.inputs import files_digest, platform_digest
from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BASES = {"debian:12": ["sha256:" + "1" * 64]}
DOCKERFILE = "FROM debian:12\nCOPY . /app\n"
AMD64, ARM64 = (Platform.parse(text) for text in ("linux/amd64", "linux/arm64"))


def digest(spec: BuildSpec, platform: Platform = AMD64, bases: Mapping[str, list[str]] = BASES) -> str:
    return platform_digest(spec, files_digest(spec), platform, bases)


@pytest.fixture
def spec(tmp_path: Path) -> BuildSpec:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / ".dockerignore").write_text("# a comment\n*.log\nbuild\n!build/kept\n")
    (tmp_path / "app.py").write_text("print()")
    (tmp_path / "link").symlink_to("app.py")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "kept").write_text("x")
    return BuildSpec(context=tmp_path)


def chmod(folder: Path) -> None:
    (folder / "app.py").chmod(0o755)


def relink(folder: Path) -> None:
    (folder / "link").unlink()
    (folder / "link").symlink_to("elsewhere")


def write(name: str, text: str = "changed") -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    "change",
    [
        write("app.py"),
        write("new.py"),
        write("Dockerfile", f"{DOCKERFILE}USER app\n"),
        write("build/kept"),
        write(".dockerignore", "link\n"),
        write("Dockerfile.dockerignore", "app.py\n"),
        chmod,
        relink,
        lambda folder: (folder / "app.py").rename(folder / "other.py"),
    ],
)
def test_what_the_build_sees_changes_it(spec: BuildSpec, change: Callable[[Path], object]) -> None:
    before = digest(spec)
    assert before
    change(spec.context)
    assert digest(spec) not in ("", before)


@pytest.mark.parametrize(
    "change",
    [
        write("new.log"),
        write("build/left-out"),
        lambda folder: os.utime(folder / "app.py", (1, 1)),
    ],
)
def test_what_the_build_does_not_see_leaves_it(spec: BuildSpec, change: Callable[[Path], object]) -> None:
    before = digest(spec)
    change(spec.context)
    assert digest(spec) == before


@pytest.mark.parametrize(
    "options",
    [{"target": "x"}, {"args": {"A": "1"}}, {"args": {"A": None}}, {"secrets": ("id=x",)}, {"contexts": {"c": "."}}],
)
def test_what_is_asked_of_the_build_changes_it(
    spec: BuildSpec, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "2")
    monkeypatch.chdir(spec.context)
    assert digest(replace(spec, **options)) not in ("", digest(spec))


def test_the_time_that_buildx_hands_on_changes_it(spec: BuildSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = digest(spec)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert digest(spec) not in ("", before)


def test_where_the_context_is_not_known_it_is_built_anew(spec: BuildSpec) -> None:
    (spec.context / ".dockerignore").write_text("[[:alpha:]]\n")
    assert digest(spec) == ""


def test_another_base_and_another_platform_are_another_build(spec: BuildSpec) -> None:
    one = digest(spec)
    assert one != digest(spec, bases={"debian:12": ["sha256:" + "2" * 64]})
    assert digest(spec, ARM64) not in ("", one)


def test_a_base_that_was_not_copied_is_not_seen_from_here(spec: BuildSpec) -> None:
    assert digest(spec, bases={}) == ""


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM alpine\n",
        "FROM debian:12\nADD https://example.org/x /x\n",
        "FROM debian:12\nADD git@example.org:x.git /x\n",
        "FROM debian:12\nARG URL\nADD $URL /x\n",
        "FROM debian:12-$TARGETARCH\n",
        "FROM debian:12\nCOPY --from=busybox /bin/sh /sh\n",
    ],
)
def test_what_cannot_be_seen_from_here_is_built_anew(spec: BuildSpec, dockerfile: str) -> None:
    spec.dockerfile_path.write_text(dockerfile)
    assert digest(spec) == ""


@pytest.mark.parametrize("source", ["https://example.org/x.git", "docker-image://busybox"])
def test_a_context_from_elsewhere_is_built_anew(spec: BuildSpec, source: str) -> None:
    assert digest(replace(spec, contexts={"c": source})) == ""
