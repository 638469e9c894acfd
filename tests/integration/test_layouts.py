"""Images that buildx leaves on disk: read where they lie, and run from the throwaway registry, both platforms of each."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.builder import client_environ
from pytest_multiarch.errors import NotInRegistry
from pytest_multiarch.image.credentials import KnownCredentials
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.image.registry import RegistryClient
from tests.integration.support import AMD64, ARM64, BOTH, docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.results import CommandResult

DOCKERFILE = """\
FROM python:3.11-slim
ARG TARGETARCH
COPY $TARGETARCH.txt /which.txt
CMD ["python", "-c", "import platform; print(platform.machine())"]
"""


@pytest.fixture(scope="session")
def layouts(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that has an image of two platforms as a layout, ``out``, and as an archive, ``out.tar``."""
    folder = tmp_path_factory.mktemp("layouts")
    context = folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    for platform in BOTH:
        (context / f"{platform.architecture}.txt").write_text(platform.machine, encoding="utf-8")
    builder = environment.builder()
    for output in (f"dest={folder}/out,tar=false", f"dest={folder}/out.tar"):
        command = ["docker", "buildx", "build", "--builder", builder.name, "--platform", ",".join(map(str, BOTH))]
        done = subprocess.run(
            [*command, "--tag", "example.org/sample:v1", "--output", f"type=oci,{output}", str(context)],
            env=client_environ(builder.environ),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return folder


def containers() -> str:
    return docker("ps", "--all", "--format", "{{.Names}}")


@pytest.mark.parametrize("location", ["oci-layout://{}/out", "oci-layout://{}/out:v1", "oci-archive://{}/out.tar:v1"])
def test_both_platforms_are_read_and_nothing_is_started(
    make_environment: Callable[..., Environment], layouts: Path, location: str
) -> None:
    before = containers()
    image = make_environment().published(location.format(layouts)).image()
    assert image.platforms == BOTH
    for platform in BOTH:
        files = image.for_platform(platform).files
        assert files.read_text("/which.txt") == platform.machine
        assert files.is_executable_by("/usr/bin/python3")
        assert image.for_platform(platform).config.platform == platform
    assert containers() == before


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("location", ["oci-layout://{}/out", "oci-archive://{}/out.tar"])
def test_both_platforms_are_run(make_environment: Callable[..., Environment], layouts: Path, location: str) -> None:
    results: list[CommandResult] = []
    environment = make_environment(on_result=results.append)
    source = environment.published(location.format(layouts))
    for platform in BOTH:
        image = source.platform(platform)
        assert image.run().stdout == f"{platform.machine}\n"
        container = source.running.warm_container(image)
        assert container.exec(["cat", "/which.txt"]).stdout == platform.machine
        with source.running.fresh_container(image) as fresh:
            assert fresh.exec(["uname", "-m"]).stdout == f"{platform.machine}\n"
    assert [result.platform for result in results] == [AMD64] * 3 + [ARM64] * 3
    assert environment.close() == []


def test_what_does_not_run_is_not_copied(make_environment: Callable[..., Environment], layouts: Path) -> None:
    environment = make_environment()
    source = environment.published(f"oci-layout://{layouts}/out")
    assert source.platform(AMD64).run().exit_code == 0
    registry = environment.registry()
    credentials = KnownCredentials({registry.host: registry.credentials})
    copies = Reference.parse(f"{registry.host}/layout-0")
    with RegistryClient(credentials, endpoints={registry.host: registry.url}) as client:
        assert client.manifest(copies.with_digest(source.platform(AMD64).digest)).digest
        with pytest.raises(NotInRegistry):
            client.manifest(copies.with_digest(source.platform(ARM64).digest))


@pytest.mark.usefixtures("nothing_left")
def test_pytest_tests_a_layout_relative_to_its_rootdir(layouts: Path) -> None:
    (layouts / "pytest.ini").write_text("[pytest]\nmultiarch_image = oci-archive://out.tar\n", encoding="utf-8")
    (layouts / "test_it.py").write_text(
        "def test_it(platform_container, platform_image, target_platform):\n"
        "    assert platform_container.exec(['uname', '-m']).stdout.strip() == target_platform.machine\n"
        "    assert platform_image.files.read_text('which.txt') == target_platform.machine\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-Werror", "-pno:cacheprovider", "test_it.py"]
    done = subprocess.run(
        [*command, "--multiarch-platforms=linux/amd64,linux/arm64"],
        cwd=layouts,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed in" in done.stdout
