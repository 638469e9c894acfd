"""An image that is published already: read and run with the user's credentials, and what a host would get of it."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.engine.spec import BuildSpec
from pytest_multiarch.errors import AccessDenied, NotInRegistry, PlatformMissing
from pytest_multiarch.image.reference import Reference
from pytest_multiarch.platforms import Platform
from tests.integration.support import AMD64, ARM64, docker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_multiarch.engine.docker import Engine
    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource


@pytest.fixture
def private(environment: Environment, sample: ImageSource) -> tuple[str, str, str]:
    """Return a reference in a registry that asks for a login, and the login."""
    registry = environment.registry()
    return str(sample.image().reference), registry.credentials.username, registry.credentials.secret


def docker_folder(folder: Path, config: dict[str, object]) -> str:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


def test_credentials_of_docker_login_are_used_for_reading_and_running(
    make_environment: Callable[..., Environment],
    private: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, username, password = private
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    host = reference.partition("/")[0]
    monkeypatch.setenv("DOCKER_CONFIG", docker_folder(tmp_path, {"auths": {host: {"auth": login}}}))
    image = make_environment().published(reference).platform(ARM64)
    assert image.config.platform == ARM64
    assert image.run().stdout == "aarch64\n"


def test_credentials_of_a_credential_helper_are_used_as_well(
    make_environment: Callable[..., Environment],
    private: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, username, password = private
    answer = json.dumps({"Username": username, "Secret": password})
    helper = tmp_path / "docker-credential-sample"
    helper.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n", encoding="utf-8")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    host = reference.partition("/")[0]
    monkeypatch.setenv("DOCKER_CONFIG", docker_folder(tmp_path, {"credHelpers": {host: "sample"}}))
    assert make_environment().published(reference).platform(AMD64).run().stdout == "x86_64\n"


def test_without_credentials_the_registrys_refusal_is_told(
    make_environment: Callable[..., Environment],
    private: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", docker_folder(tmp_path, {}))
    with pytest.raises(AccessDenied) as refused:
        make_environment().published(private[0]).image()
    assert refused.value.status == 401


def test_a_reference_that_does_not_exist_is_told(environment: Environment, sample: ImageSource) -> None:
    image = sample.image()
    with pytest.raises(NotInRegistry):
        image.client.manifest(image.reference.with_tag("no-such-tag"))


def test_what_a_host_would_get_is_what_the_daemon_takes(
    engine: Engine, sample: ImageSource, environment: Environment
) -> None:
    image = sample.image()
    registry = environment.registry()
    reference = str(image.reference)
    engine.pull(reference, credentials=registry.credentials)
    try:
        machine = docker("run", "--rm", reference)
    finally:
        docker("image", "rm", reference)
    assert machine == image.select(engine.facts.platform).platform.machine


def test_a_platform_that_is_not_there_is_told_with_what_is(sample: ImageSource) -> None:
    with pytest.raises(PlatformMissing, match="linux/amd64, linux/arm64"):
        sample.image().for_platform(Platform.parse("linux/s390x"))


def test_files_are_read_from_the_layers_without_running_anything(sample: ImageSource) -> None:
    before = docker("ps", "--all", "--format", "{{.Names}}")
    for platform in (AMD64, ARM64):
        files = sample.platform(platform).files
        assert files.read_text("/built-on.txt") == f"{platform.machine}\n"
        assert files.read_text("/prepared.txt") == "prepared\n"
        assert files.is_executable_by("/usr/bin/python3")
        assert not files.exists("/no/such/file")
    assert docker("ps", "--all", "--format", "{{.Names}}") == before


def test_a_private_base_image_is_read_with_the_users_credentials(
    make_environment: Callable[..., Environment],
    private: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference, username, password = private
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    host = reference.partition("/")[0]
    config = tmp_path / "config"
    config.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", docker_folder(config, {"auths": {host: {"auth": login}}}))
    (tmp_path / "Dockerfile").write_text(f"FROM {reference}\nLABEL on=private\n", encoding="utf-8")
    environment = make_environment()
    image = environment.build(BuildSpec(context=tmp_path), [AMD64]).platform(AMD64)
    assert image.config.labels["on"] == "private"
    # Copied, not left for the builder to fetch: the copy stands in the throwaway registry.
    home = f"{environment.registry().host}/base/{reference.replace(':', '-', 1)}"
    assert image.client.manifest(Reference.parse(home)).digest
