"""The rules about the Dockerfile: what they find, on which line, and what they leave alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.audit import Audit, AuditRun, BuildContext, Policy
from pytest_multiarch.oci import OCI_INDEX, OCI_MANIFEST, RawDocument, digest_of
from tests.unit.audit.common import AMD64, ARM64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_multiarch.audit import Finding
    from pytest_multiarch.platforms import Platform

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}).encode()
CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}).encode()


class Bases:
    """Serve one index and one platform's manifest by their digests."""

    def __init__(self) -> None:
        config = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(CONFIG),
            "size": len(CONFIG),
        }
        manifest = json.dumps({**json.loads(MANIFEST), "config": config}).encode()
        platform = {"os": "linux", "architecture": "amd64"}
        entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(manifest), "size": len(manifest), "platform": platform}
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [{**entry, "platform": {"os": "linux", "architecture": "amd64"}}],
            }
        ).encode()
        self.manifest_digest, self.index_digest = digest_of(manifest), digest_of(index)
        self._documents = {self.manifest_digest: (manifest, OCI_MANIFEST), self.index_digest: (index, OCI_INDEX)}
        self.asked: list[str] = []

    def manifest(self, reference: Any) -> RawDocument:
        self.asked.append(reference.digest)
        data, media_type = self._documents[reference.digest]
        return RawDocument(data, media_type, reference.digest)

    def read_blob(self, repository: Any, descriptor: Any, limit: int = 0) -> bytes:
        return CONFIG


class NoImage:
    """Be an audit's source where no image is to be looked at."""

    image: Callable[..., Any]
    platform: Callable[..., Any]


@pytest.fixture
def bases() -> Bases:
    return Bases()


@pytest.fixture
def audited(tmp_path: Path, bases: Bases) -> Callable[..., list[tuple[str, str, str]]]:
    """Return a function that audits a Dockerfile."""

    def audit(text: str, platforms: Sequence[Platform] = (AMD64, ARM64), **more: Any) -> list[tuple[str, str, str]]:
        path = tmp_path / "Dockerfile"
        path.write_text(
            text.replace("INDEX", bases.index_digest).replace("MANIFEST", bases.manifest_digest), encoding="utf-8"
        )
        context = BuildContext.read(path, platforms, reader=lambda: bases, **more)  # type: ignore[arg-type, return-value]
        run = AuditRun(Audit.of(Policy(select=("MA6",))), NoImage(), platforms, lambda: context)
        found: list[Finding] = [one for _, outcome in run.outcomes() for one in outcome.findings]
        return [(one.code, one.path, one.item.partition("@")[0]) for one in found]

    return audit


class TestPins:
    def test_to_one_platforms_manifest_are_found_with_their_line(self, audited: Any) -> None:
        assert audited("# a comment\n\nFROM debian@MANIFEST\n") == [("MA601", "Dockerfile:3", "debian")]
        assert audited("ARG BASE=debian:12@MANIFEST\nFROM $BASE\n") == [("MA601", "Dockerfile:2", "debian:12")]

    def test_to_an_index_and_without_a_digest_are_right(self, audited: Any, bases: Bases) -> None:
        assert audited("FROM debian@INDEX AS a\nFROM debian:12\nCOPY --from=a / /\n") == []
        assert bases.asked == [bases.index_digest]

    @pytest.mark.parametrize(
        ("text", "more"),
        [
            ("FROM debian@MANIFEST AS unused\nFROM debian\n", {}),
            ("FROM --platform=$BUILDPLATFORM debian@MANIFEST AS tools\nFROM debian\nCOPY --from=tools /x /x\n", {}),
            ("FROM debian@MANIFEST\n", {"platforms": [AMD64]}),
            ("FROM debian AS first\nFROM debian@MANIFEST\n", {"target": "first"}),
        ],
        ids=[
            "of a stage that is not needed",
            "of the build machine's",
            "where one platform is built",
            "behind the target",
        ],
    )
    def test_that_pin_nothing_are_not_asked_about(
        self, audited: Any, bases: Bases, text: str, more: dict[str, Any]
    ) -> None:
        assert audited(text, **more) == []
        assert bases.asked == []


class TestTheLastStage:
    @pytest.mark.parametrize(
        "platform",
        ["$BUILDPLATFORM", "${BUILDPLATFORM}", '"$BUILDPLATFORM"', "linux/$BUILDARCH", "linux/amd64"],
    )
    def test_for_another_platform_is_found(self, audited: Any, platform: str) -> None:
        ((code, place, _),) = audited(f"FROM debian AS a\n\nFROM --platform={platform} debian\n")
        assert (code, place) == ("MA602", "Dockerfile:3")

    def test_on_a_stage_for_another_platform_is_found_there(self, audited: Any) -> None:
        text = "FROM --platform=$BUILDPLATFORM debian AS base\nFROM base AS middle\nFROM middle\n"
        assert audited(text) == [("MA602", "Dockerfile:1", "--platform=$BUILDPLATFORM")]

    @pytest.mark.parametrize(
        "text",
        [
            "FROM --platform=$TARGETPLATFORM debian\n",
            "FROM --platform=linux/$TARGETARCH debian\n",
            "FROM --platform=$BUILDPLATFORM golang AS build\nFROM debian\nCOPY --from=build /x /x\n",
            "FROM --platform=$BUILDPLATFORM scratch\nCOPY x /\n",
        ],
    )
    def test_for_the_platform_that_is_asked_for_is_right(self, audited: Any, text: str) -> None:
        assert audited(text) == []

    def test_for_the_one_platform_that_is_built_is_right(self, audited: Any) -> None:
        assert audited("FROM --platform=linux/arm64/v8 debian\n", [ARM64]) == []
        assert audited("FROM --platform=linux/amd64 debian\n", [ARM64]) != []

    def test_is_the_target(self, audited: Any) -> None:
        text = "FROM debian AS image\nFROM --platform=$BUILDPLATFORM debian AS checks\n"
        assert audited(text, target="image") == []
        assert audited(text) == [("MA602", "Dockerfile:2", "--platform=$BUILDPLATFORM")]


class TestDefaults:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("ARG TARGETARCH=amd64\nFROM debian\n", 1),
            ("FROM debian\nARG A=b TARGETARCH=arm64\n", 2),
            ("FROM debian AS a\nRUN x \\\n  y\nARG TARGETPLATFORM=linux/amd64\nFROM debian\nCOPY --from=a /x /x\n", 4),
            ("FROM debian\nARG TARGETVARIANT=v7\n", 2),
        ],
    )
    def test_of_buildkits_arguments_are_found(self, audited: Any, text: str, line: int) -> None:
        assert [(code, place) for code, place, _ in audited(text)] == [("MA603", f"Dockerfile:{line}")]

    @pytest.mark.parametrize(
        "text",
        [
            "ARG TARGETARCH\nFROM debian\nARG TARGETARCH\n",
            "FROM debian\nARG TARGETOS=linux\n",
            "FROM debian\nARG MY_TARGETARCH=amd64\n",
            "FROM debian AS unused\nARG TARGETARCH=amd64\nFROM debian\n",
        ],
    )
    def test_that_change_nothing_are_right(self, audited: Any, text: str) -> None:
        assert audited(text) == []
