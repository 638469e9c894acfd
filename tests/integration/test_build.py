"""Building: each platform on its own, one index under one tag, a failure that stays with its platform."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import BuildError, MultiArchError
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.platforms import Platform
from tests.integration.support import AMD64, ARM64, BOTH, docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource


def dockerfile(folder: Path, text: str) -> BuildSpec:
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    return BuildSpec(context=folder)


def test_one_tag_holds_every_platform_in_the_order_asked_for(sample: ImageSource) -> None:
    image = sample.image()
    assert image.platforms == BOTH
    assert image.index is not None
    assert [str(entry.platform) for entry in image.index.images] == ["linux/amd64", "linux/arm64"]


def test_attestations_are_kept_apart_and_refer_to_the_platforms(sample: ImageSource) -> None:
    image = sample.image()
    assert {entry.refers_to for entry in image.attestations} == {image.for_platform(p).digest for p in BOTH}


def test_each_platform_was_built_as_that_platform(sample: ImageSource) -> None:
    for platform in BOTH:
        image = sample.platform(platform)
        assert image.config.platform == platform
        assert image.run(["cat", "/built-on.txt"]).stdout.strip() == platform.machine


def test_what_is_the_same_for_all_platforms_is_one_layer(sample: ImageSource) -> None:
    layers = [{layer.digest for layer in sample.platform(platform).layers} for platform in BOTH]
    assert len(layers[0] & layers[1]) == 1


@pytest.mark.parametrize("builder", ["auto", "docker"])
def test_a_stage_that_platforms_share_is_made_once_in_every_build(
    make_environment: Callable[..., Environment], tmp_path: Path, builder: str
) -> None:
    environment = make_environment(builder=builder)
    for build in ("first", "second"):
        (tmp_path / build).mkdir()
        spec = dockerfile(
            tmp_path / build,
            "FROM --platform=$BUILDPLATFORM python:3.11-slim AS shared\n"
            f"RUN echo {build} > /once; cat /proc/sys/kernel/random/uuid >> /once\n"
            "FROM python:3.11-slim\nCOPY --from=shared /once /once\n",
        )
        source = environment.build(spec, BOTH)
        made = {source.platform(platform).files.read_text("/once") for platform in BOTH}
        assert len(made) == 1, build
        assert made.pop().startswith(build)


def test_the_index_is_the_one_that_a_build_of_all_platforms_at_once_pushes(
    environment: Environment, sample: ImageSource, sample_spec: BuildSpec
) -> None:
    registry, builder = environment.registry(), environment.builder()
    together = f"{registry.host}/together:latest"
    source = sample.image()
    base = f"docker-image://{registry.host}/base/python:3.11-slim"
    subprocess.run(
        [
            *("docker", "buildx", "build", "--builder", builder.name, "--platform", "linux/amd64,linux/arm64"),
            *("--build-context", f"python:3.11-slim={base}"),
            *("--output", f"type=image,name={together},push=true", str(sample_spec.context)),
        ],
        env={**os.environ, **builder.environ, "DOCKER_CONFIG": str(_overlay(builder.environ["BUILDX_CONFIG"]))},
        check=True,
        capture_output=True,
        timeout=300,
    )
    client = source.client
    theirs = json.loads(client.manifest(Reference.parse(together)).data)
    ours = json.loads(source.document.data)
    images = [entry for entry in theirs["manifests"] if "annotations" not in entry]
    assert [entry for entry in ours["manifests"] if "annotations" not in entry] == images
    assert [entry.get("platform") for entry in ours["manifests"]] == [
        entry.get("platform") for entry in theirs["manifests"]
    ]
    assert (ours["schemaVersion"], ours["mediaType"]) == (theirs["schemaVersion"], theirs["mediaType"])


def _overlay(buildx_folder: str) -> Path:
    from pathlib import Path

    return Path(buildx_folder).parent / "docker"


def test_target_arguments_and_contexts_reach_the_build(environment: Environment, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "from-context.txt").write_text("context\n", encoding="utf-8")
    spec = dockerfile(
        tmp_path,
        "FROM debian:bookworm-slim AS wanted\nARG WORD=unset\nRUN echo $WORD > /word.txt\n"
        "COPY --from=extra from-context.txt /\nFROM wanted\nRUN exit 1\n",
    )
    spec = BuildSpec(context=spec.context, target="wanted", args={"WORD": "said"}, contexts={"extra": str(other)})
    image = environment.build(spec, [AMD64]).platform(AMD64)
    assert image.run(["cat", "/word.txt", "/from-context.txt"]).stdout == "said\ncontext\n"


def test_a_secret_is_there_during_the_build_and_not_in_the_image(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_TOKEN", "not-for-the-image")
    spec = dockerfile(
        tmp_path,
        "FROM debian:bookworm-slim\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token > /length.txt\n",
    )
    spec = BuildSpec(context=spec.context, secrets=("id=token,env=BUILD_TOKEN",))
    image = environment.build(spec, [AMD64]).platform(AMD64)
    assert image.run(["cat", "/length.txt"]).stdout.strip() == str(len("not-for-the-image"))
    assert image.run(["test", "-e", "/run/secrets/token"]).exit_code == 1
    assert "not-for-the-image" not in str(image.config)


def test_a_failing_platform_leaves_the_others_and_says_which_line_and_why(
    environment: Environment, tmp_path: Path
) -> None:
    spec = dockerfile(
        tmp_path,
        "FROM debian:bookworm-slim\n\n"
        'RUN echo "about to look" && if [ "$(uname -m)" = aarch64 ]; then echo "no luck on arm64" >&2; exit 3; fi\n',
    )
    source = environment.build(spec, BOTH)
    assert source.platform(AMD64).run(["true"]).exit_code == 0
    with pytest.raises(BuildError) as failed:
        source.platform(ARM64)
    message = str(failed.value)
    assert failed.value.tried == f"building {spec.dockerfile_path} for linux/arm64"
    assert "exit code: 3" in failed.value.found
    assert "Dockerfile:3" in message
    assert "no luck on arm64" in message
    with pytest.raises(BuildError, match="for linux/arm64"):
        source.image()


def test_a_base_image_that_lacks_a_platform_fails_that_platform_only(environment: Environment, tmp_path: Path) -> None:
    spec = dockerfile(tmp_path, "# a comment\nFROM debian:bookworm-slim\n")
    s390x = Platform.parse("windows/amd64")
    source = environment.build(spec, [AMD64, s390x])
    assert source.platform(AMD64).config.platform == AMD64
    with pytest.raises(
        MultiArchError, match="line 2: the base image debian:bookworm-slim has nothing for windows/amd64"
    ):
        source.platform(s390x)


def test_base_images_are_taken_from_the_throwaway_registry(environment: Environment, sample: ImageSource) -> None:
    sample.image()
    registry = environment.registry()
    client = sample.image().client
    base = client.manifest(Reference.parse(f"{registry.host}/base/python:3.11-slim"))
    platforms = {entry["platform"]["architecture"] for entry in json.loads(base.data)["manifests"]}
    assert platforms == {"amd64", "arm64"}


def test_the_same_specification_is_built_once(
    environment: Environment, sample: ImageSource, sample_spec: BuildSpec
) -> None:
    assert environment.build(BuildSpec(context=sample_spec.context), BOTH) is sample


def test_a_build_that_outlives_its_limit_is_ended_with_its_output(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    spec = dockerfile(tmp_path, "FROM debian:bookworm-slim\nRUN echo waiting && sleep 600\n")
    environment = make_environment(build_timeout=15.0)
    with pytest.raises(MultiArchError, match="no end within 15 s"):
        environment.build(spec, [AMD64]).platform(AMD64)


def test_the_users_builders_stay_as_they_were(environment: Environment) -> None:
    environment.builder()
    listed = docker("buildx", "ls")
    assert environment.builder().name not in listed
    assert environment.builder().name.startswith("multiarch-")


def test_the_daemons_own_buildkit_builds_where_it_is_chosen(
    make_environment: Callable[..., Environment], sample_spec: BuildSpec
) -> None:
    environment = make_environment(builder="docker")
    source = environment.build(sample_spec, BOTH)
    assert environment.builder().driver == "docker"
    for platform in BOTH:
        assert source.platform(platform).run(["cat", "/built-on.txt"]).stdout.strip() == platform.machine
    assert source.image().platforms == BOTH


def test_a_builder_that_exists_is_used_and_stays(
    make_environment: Callable[..., Environment],
    sample_spec: BuildSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILDX_CONFIG", str(tmp_path))
    docker("buildx", "create", "--name", "multiarch-mine", "--driver-opt", "network=host", "--bootstrap", timeout=120)
    try:
        environment = make_environment(builder="multiarch-mine")
        image = environment.build(sample_spec, [AMD64]).platform(AMD64)
        assert environment.builder().name == "multiarch-mine"
        assert image.run(["cat", "/built-on.txt"]).stdout.strip() == "x86_64"
        assert environment.close() == []
        assert "multiarch-mine" in docker("buildx", "ls")
        assert docker("ps", "--filter", "name=buildx_buildkit_multiarch-mine0", "--format", "{{.State}}") == "running"
    finally:
        docker("buildx", "rm", "multiarch-mine")


def test_the_builder_knows_the_daemons_mirrors(environment: Environment, tmp_path: Path) -> None:
    # A name that differs per platform is not copied: the builder has to find it, and Docker Hub is not what it asks.
    spec = dockerfile(tmp_path, "FROM debian:bookworm-${TARGETOS:+slim}\nRUN echo built > /built.txt\n")
    image = environment.build(spec, [AMD64]).platform(AMD64)
    assert image.run(["cat", "/built.txt"]).stdout == "built\n"


def test_a_base_image_of_one_platform_only_is_no_fault_where_the_other_uses_another_stage(
    environment: Environment, tmp_path: Path
) -> None:
    spec = dockerfile(
        tmp_path,
        "FROM moby/buildkit:buildx-stable-1 AS for-amd64\nFROM debian:bookworm-slim AS for-arm64\n"
        "FROM for-${TARGETARCH}\nCOPY Dockerfile /\n",
    )
    source = environment.build(spec, BOTH)
    assert source.image().platforms == BOTH
    assert source.platform(ARM64).run(["true"]).exit_code == 0
