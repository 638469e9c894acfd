"""Harnesses of what reads text: platforms, references, Dockerfiles, a build's progress, a registry's challenge."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pytest_multiarch.dockerfile import base_images
from pytest_multiarch.dockerfile.stages import read_arguments, read_stages
from pytest_multiarch.engine.progress import ProgressReader, printable
from pytest_multiarch.image.authentication import parse_challenges
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.platforms import Platform, parse_platforms
from tests.fuzz.harness import Harness, is_shown_as_it_is

_BUILDX = Path(__file__).parents[1] / "unit" / "data" / "buildx"
_ARM = Platform.parse("linux/arm/v7")

_DOCKERFILE = b"""# escape=\\
ARG VERSION=3.11
FROM --platform=$BUILDPLATFORM python:${VERSION:-3.12}-slim AS build
RUN --mount=type=cache,from=debian:bookworm-slim,target=/x <<EOF
echo one
EOF
FROM build
COPY --link --from=registry.example:5000/tool@sha256:aa /a /b
COPY --from=0 ["/a b", "/c"]
"""


def _platform(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for platform in parse_platforms(text):
        assert Platform.parse(platform.format_all()) == platform
        assert platform.accepts(platform, strict=True)
        assert _ARM.best([platform, _ARM]) is not None


def _reference(data: bytes) -> None:
    reference = Reference.parse(data.decode("utf-8", "replace"))
    assert Reference.parse(str(reference)) == reference
    assert str(reference).isprintable()


def _dockerfile(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(prefix="fuzz-") as file:
        path = Path(file.name)
        path.write_bytes(data)
        base_images(path, {"VERSION": "3.13"})
        read_arguments(path)
        read_stages(path, {})


def _progress(data: bytes) -> None:
    reader = ProgressReader()
    for line in data.decode("utf-8", "replace").split("\n"):
        step = reader.feed(line)
        assert step is None or step.text.isprintable()
    for text in (*reader.failure(), reader.unfinished(), printable(data.decode("utf-8", "replace"))):
        assert is_shown_as_it_is(text)


def _challenge(data: bytes) -> None:
    for challenge in parse_challenges(data.decode("latin-1")):
        assert challenge.scheme == challenge.scheme.lower()


HARNESSES = {
    "platform": Harness(
        _platform,
        (b"linux/arm64", b"linux/arm/v7,linux/amd64", b"windows(10.0.17763)/amd64", b"x86_64", b"linux/arm64/v8"),
    ),
    "reference": Harness(
        _reference,
        (b"alpine:3", b"registry.example:5000/team/app:1.2@sha256:" + b"a" * 64, b"[::1]:5000/app", b"localhost/x"),
    ),
    "dockerfile": Harness(_dockerfile, (_DOCKERFILE,)),
    "progress": Harness(_progress, tuple(path.read_bytes() for path in sorted(_BUILDX.glob("*.txt")))),
    "challenge": Harness(
        _challenge,
        (
            b'Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull"',
            b"Basic realm=x, Digest",
        ),
    ),
}
