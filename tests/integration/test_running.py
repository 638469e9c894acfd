"""Running: fresh and warm containers, outputs apart, the digest and not the tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.errors import CommandTimeout, EngineError
from tests.integration.support import AMD64, ARM64, BOTH, docker

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_multiarch.engine.environment import Environment
    from pytest_multiarch.engine.sources import ImageSource
    from pytest_multiarch.engine.spec import BuildSpec
    from pytest_multiarch.platforms import Platform
    from pytest_multiarch.results import CommandResult


@pytest.mark.parametrize("platform", BOTH, ids=str)
def test_run_gives_the_images_own_command_in_a_fresh_container(sample: ImageSource, platform: Platform) -> None:
    result = sample.platform(platform).run()
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{platform.machine}\n", "")
    assert result.platform == platform
    assert result.duration > 0


@pytest.mark.parametrize("platform", BOTH, ids=str)
def test_exec_keeps_outputs_and_exit_code_apart(sample: ImageSource, platform: Platform) -> None:
    container = sample.running.warm_container(sample.platform(platform))
    result = container.exec(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.exit_code, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_run_takes_environment_user_folder_and_entrypoint(sample: ImageSource) -> None:
    image = sample.platform(AMD64)
    shown = image.run(
        ["-c", "echo $WORD $GREETING; id -u; pwd"],
        env={"WORD": "said"},
        user="1234",
        workdir="/tmp",  # noqa: S108 - inside the container
        entrypoint=["sh"],
    )
    assert shown.stdout == "said hello\n1234\n/tmp\n"


def test_exec_takes_environment_user_and_folder(sample: ImageSource) -> None:
    container = sample.running.warm_container(sample.platform(AMD64))
    shown = container.exec(["sh", "-c", "echo $WORD; id -u; pwd"], env={"WORD": "said"}, user="1234", workdir="/usr")
    assert shown.stdout == "said\n1234\n/usr\n"


def test_the_warm_container_is_one_and_a_fresh_one_is_new_each_time(sample: ImageSource) -> None:
    image = sample.platform(AMD64)
    assert sample.running.warm_container(image) is sample.running.warm_container(image)
    with sample.running.fresh_container(image) as one:
        one.exec(["touch", "/changed"])
        assert one.exec(["test", "-e", "/changed"]).exit_code == 0
        name = one.name
    with sample.running.fresh_container(image) as other:
        assert other.exec(["test", "-e", "/changed"]).exit_code == 1
    assert name not in docker("ps", "--all", "--format", "{{.Names}}").splitlines()


def test_every_result_is_handed_to_the_listener(
    make_environment: Callable[..., Environment], sample_spec: BuildSpec
) -> None:
    heard: list[CommandResult] = []
    environment = make_environment(heard.append, builder="docker")
    image = environment.build(sample_spec, [AMD64]).platform(AMD64)
    assert [image.run(["false"])] == heard


def test_a_command_that_outlives_its_limit_is_stopped_with_its_output(sample: ImageSource) -> None:
    image = sample.platform(AMD64)
    before = docker("ps", "--all", "--format", "{{.Names}}")
    with pytest.raises(CommandTimeout, match="no end within") as stopped:
        image.run(["sh", "-c", "echo so far; sleep 600"], timeout=2)
    assert stopped.value.detail == "so far\n"
    assert docker("ps", "--all", "--format", "{{.Names}}") == before


def test_a_program_that_is_not_there_is_the_engines_error_in_a_fresh_container(sample: ImageSource) -> None:
    with pytest.raises(EngineError, match="no-such-program"):
        sample.platform(AMD64).run(["no-such-program"])


def test_a_program_that_is_not_there_gives_exit_code_126_or_127_in_a_warm_one(sample: ImageSource) -> None:
    container = sample.running.warm_container(sample.platform(AMD64))
    assert container.exec(["no-such-program"]).exit_code in (126, 127)


def test_a_platform_runs_by_digest_whatever_was_pulled_last(sample: ImageSource) -> None:
    for platform in (AMD64, ARM64, AMD64):
        assert sample.platform(platform).run(["uname", "-m"]).stdout.strip() == platform.machine


def test_output_with_bytes_that_are_no_text_is_kept(sample: ImageSource) -> None:
    result = sample.platform(AMD64).run(["printf", r"\377\000\n"])
    assert result.stdout_bytes == b"\xff\x00\n"
    assert result.stdout == "\ufffd\x00\n"
