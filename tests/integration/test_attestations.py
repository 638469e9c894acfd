"""What BuildKit attests of an image for several platforms: its provenance, and a scanner's SBOM, from real builds."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.builder import client_environ
from pytest_multiarch.engine.overlay import make_overlay
from pytest_multiarch.image.attestations import SbomPackage
from pytest_multiarch.image.credentials import KnownCredentials
from pytest_multiarch.image.index import MultiArchImage
from pytest_multiarch.image.packages import read_dpkg
from pytest_multiarch.image.registry import RegistryClient
from tests.integration.support import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.registry import Registry
    from pytest_multiarch.engine.sources import ImageSource

DOCKERFILE = """\
FROM debian:bookworm-slim
ARG GREETING=hello
RUN echo $GREETING > /greeting.txt
"""

SCANNER = """\
FROM debian:bookworm-slim
COPY --chmod=755 scan /
ENTRYPOINT ["/scan"]
"""

# BuildKit's protocol for SBOM generators (docs/attestations/sbom-protocol.md): the image's files are below
# BUILDKIT_SCAN_SOURCE, and what is written to BUILDKIT_SCAN_DESTINATION are statements, whose subjects BuildKit fills in.
SCAN = r"""#!/bin/sh
set -eu
name=$(basename "$BUILDKIT_SCAN_SOURCE")
awk -v name="$name" '
    BEGIN {
        RS = ""; FS = "\n"
        printf "{\"_type\": \"https://in-toto.io/Statement/v0.1\", \"predicateType\": \"https://spdx.dev/Document\","
        printf "\"predicate\": {\"spdxVersion\": \"SPDX-2.3\", \"SPDXID\": \"SPDXRef-DOCUMENT\", \"name\": \"%s\",", name
        printf "\"creationInfo\": {\"created\": \"2024-02-29T12:00:00Z\", \"creators\": [\"Tool: scan\"]}, \"packages\": ["
    }
    {
        for (line = 1; line <= NF; line++) { split($line, pair, ": "); field[pair[1]] = pair[2] }
        printf "%s{\"SPDXID\": \"SPDXRef-%d\", \"name\": \"%s\", ", (NR > 1 ? ", " : ""), NR, field["Package"]
        printf "\"versionInfo\": \"%s\", \"externalRefs\": [{\"referenceCategory\": \"PACKAGE-MANAGER\", ", field["Version"]
        printf "\"referenceType\": \"purl\", \"referenceLocator\": \"pkg:deb/debian/%s@%s?arch=%s\"}]}", \
            field["Package"], field["Version"], field["Architecture"]
    }
    END { print "]}}" }
' "$BUILDKIT_SCAN_SOURCE/var/lib/dpkg/status" > "$BUILDKIT_SCAN_DESTINATION/$name.spdx.json"
"""


@dataclass(frozen=True)
class Buildx:
    """Build and push with the environment's builder, and with options that the plugin has none for."""

    builder: str
    environ: Mapping[str, str]
    registry: str

    def push(self, name: str, folder: Path, *options: str) -> str:
        """Return the reference of what was built from a folder."""
        reference = f"{self.registry}/{name}:latest"
        done = subprocess.run(
            [
                *("docker", "buildx", "build", "--builder", self.builder, *options),
                *("--output", f"type=image,name={reference},push=true", str(folder)),
            ],
            env=dict(self.environ),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return reference


@pytest.fixture(scope="module")
def registry(environment: Environment) -> Registry:
    return environment.registry()


@pytest.fixture(scope="module")
def client(registry: Registry) -> Iterator[RegistryClient]:
    credentials = KnownCredentials({registry.host: registry.credentials})
    with RegistryClient(credentials, endpoints={registry.host: registry.url}) as client:
        yield client


@pytest.fixture(scope="module")
def buildx(environment: Environment, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Buildx:
    builder = environment.builder()
    login = (registry.credentials.username, registry.credentials.secret)
    overlay = make_overlay(tmp_path_factory.mktemp("overlay"), {registry.host: login})
    environ = client_environ({**builder.environ, "DOCKER_CONFIG": str(overlay)})
    return Buildx(builder.name, environ, registry.host)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("greeting")
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def scanner(buildx: Buildx, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the reference of an SBOM generator that lists dpkg's packages."""
    folder = tmp_path_factory.mktemp("scanner")
    (folder / "Dockerfile").write_text(SCANNER, encoding="utf-8")
    (folder / "scan").write_text(SCAN, encoding="utf-8")
    return buildx.push("scanner", folder)


@pytest.fixture(scope="module", params=["v0.2", "v1"])
def attested(
    request: pytest.FixtureRequest, buildx: Buildx, context: Path, scanner: str, client: RegistryClient
) -> MultiArchImage:
    """Return an image for two platforms with full provenance, in one version of SLSA, and an SBOM."""
    options = [
        *("--platform", ",".join(map(str, BOTH)), "--build-arg", "GREETING=good morning"),
        *("--attest", f"type=provenance,mode=max,version={request.param}"),
        *("--attest", f"type=sbom,generator={scanner}"),
    ]
    name = f"attested-{request.param.replace('.', '-')}"
    return MultiArchImage.load(client, buildx.push(name, context, *options))


def test_every_platform_has_one_attestation_about_itself(attested: MultiArchImage) -> None:
    assert attested.platforms == BOTH
    for platform in BOTH:
        image = attested.for_platform(platform)
        (found,) = attested.attestations_of(platform)
        assert found.descriptor in attested.attestations
        assert found.subject_digest == image.digest
        assert len(found.statements) == 2
        assert all(said.is_about(image.digest) for said in found.statements)
        assert {type(said.predicate).__name__ for said in found.statements} == {"Provenance", "Sbom"}


def test_provenance_says_how_each_platform_was_built(
    attested: MultiArchImage, environment: Environment, scanner: str, client: RegistryClient
) -> None:
    base = environment.published("debian:bookworm-slim").image()
    for platform in BOTH:
        found = attested.for_platform(platform).provenance
        assert found is not None
        assert found.frontend == "dockerfile.v0"
        assert found.build_args == {"GREETING": "good morning"}
        assert found.entry_point == "Dockerfile"
        assert [(one.name, one.text) for one in found.sources] == [("Dockerfile", DOCKERFILE)]
        assert found.builder_platform is not None
        assert found.parameters_complete
        assert not found.hermetic
        assert found.started is not None
        assert found.finished is not None
        assert found.started <= found.finished
        material = found.material(base.digest)
        assert material is not None
        assert material.uri.startswith("pkg:docker/debian@bookworm-slim")
        assert material.uri.endswith(f"platform={str(platform).replace('/', '%2F')}")
        assert found.material(MultiArchImage.load(client, scanner).digest) is not None


def test_one_build_of_several_platforms_has_one_invocation(attested: MultiArchImage) -> None:
    found = [attested.for_platform(platform).provenance for platform in BOTH]
    assert len({one.invocation_id for one in found if one}) == 1
    assert all(one and one.invocation_id for one in found)


def test_the_sbom_lists_what_each_platforms_files_hold(attested: MultiArchImage) -> None:
    for platform in BOTH:
        image = attested.for_platform(platform)
        found = image.sbom
        assert found is not None
        assert found.format == "SPDX-2.3"
        installed = read_dpkg(image.files)
        assert len(installed) > 20
        assert set(found.packages) == {
            SbomPackage(one.name, one.version, f"pkg:deb/debian/{one.name}@{one.version}?arch={one.architecture}")
            for one in installed
        }
        (libc,) = found.find("libc6")
        assert libc.purl.endswith(f"?arch={platform.architecture}")


def test_what_this_plugin_builds_has_provenance_of_its_own(
    sample: ImageSource, registry: Registry, client: RegistryClient
) -> None:
    whole = sample.image()
    for platform in BOTH:
        image = sample.platform(platform)
        found = image.provenance
        assert found is not None
        assert found.frontend == "dockerfile.v0"
        # The base image is the copy that the plugin made.
        copies = [one for one in found.materials if "/base/python?digest=" in one.uri]
        assert copies, found.materials
        for copy in copies:
            digest = f"sha256:{copy.digests['sha256']}"
            assert platform in MultiArchImage.load(client, f"{registry.host}/base/python@{digest}").platforms
        assert image.sbom is None
        assert whole.for_platform(platform).provenance == found
        assert [one.subject_digest for one in whole.attestations_of(platform)] == [image.digest]


def test_an_image_without_attestations_has_none(buildx: Buildx, context: Path, client: RegistryClient) -> None:
    image = MultiArchImage.load(client, buildx.push("plain", context, "--provenance=false"))
    assert image.attestations == ()
    for platform in image.platforms:
        assert image.attestations_of(platform) == ()
        assert image.for_platform(platform).provenance is None


def test_platforms_share_the_layer_that_is_the_same_for_all_and_have_sizes(sample: ImageSource) -> None:
    image = sample.image()
    (shared,) = image.shared_layers.items()
    assert shared[1] == BOTH
    for platform in BOTH:
        layers = sample.platform(platform).layers
        assert shared[0] in {layer.digest for layer in layers}
        assert image.sizes[platform] == sample.platform(platform).size
        assert image.sizes[platform] > max(layer.size for layer in layers)
