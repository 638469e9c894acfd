"""What a user would copy: one image, every platform of it, side by side."""

import re

import pytest


def facts(result):
    """Read the lines "Name: value" that app.py prints."""
    assert result.exit_code == 0
    return dict(line.split(": ", 1) for line in result.stdout.splitlines())


def test_reports_its_architecture(target_platform, platform_container):
    reported = facts(platform_container.exec(["python", "app.py"]))
    assert reported["Architecture"] == target_platform.machine


def test_reports_its_python_version(platform_container):
    reported = facts(platform_container.exec(["python", "app.py"]))
    assert re.fullmatch(r"3\.11\.\d+", reported["Python version"])


def test_runs_as_it_ships(target_platform, platform_image):
    """The image's own command in a fresh container, as `docker run --rm --platform` would."""
    assert facts(platform_image.run())["Architecture"] == target_platform.machine


def test_was_built_for_its_platform(target_platform, platform_container):
    built_on = platform_container.exec(["cat", "built-on.txt"]).stdout.strip()
    assert built_on == target_platform.machine


def test_a_change_stays_in_its_own_container(fresh_container):
    fresh_container.exec(["touch", "/app/changed"])
    assert fresh_container.exec(["test", "-e", "/app/changed"]).exit_code == 0


@pytest.mark.platforms("linux/arm64")
def test_arm64_is_little_endian(platform_container):
    order = platform_container.exec(["python", "-c", "import sys; print(sys.byteorder)"])
    assert order.stdout.strip() == "little"


def test_index_lists_exactly_the_platforms(multiarch_image, multiarch_platforms):
    assert sorted(map(str, multiarch_image.platforms)) == sorted(map(str, multiarch_platforms))


def test_descriptor_and_config_agree(target_platform, platform_image):
    assert platform_image.platform == target_platform
    assert platform_image.config.platform == target_platform


def test_all_platforms_report_the_same_python(multiarch_image, multiarch_platforms):
    versions = {
        str(platform): facts(multiarch_image.for_platform(platform).run())["Python version"]
        for platform in multiarch_platforms
    }
    assert len(set(versions.values())) == 1, versions


def test_only_what_is_the_same_is_shared(multiarch_image, multiarch_platforms):
    """The layer with app.py is the same bytes everywhere; the base image below it never is."""
    layers = [
        [layer.digest for layer in multiarch_image.for_platform(platform).layers] for platform in multiarch_platforms
    ]
    shared = set.intersection(*map(set, layers))
    if len(layers) > 1:
        assert shared, "no layer is shared: something that should be the same is built per platform"
    for digests in layers:
        assert len(layers) == 1 or digests[0] not in shared, "two platforms stand on the same base layer"


def test_automatic_choice_is_the_hosts(multiarch_image, multiarch_platforms, docker_host_platform):
    if docker_host_platform not in multiarch_platforms:
        pytest.skip(f"this run does not build {docker_host_platform}, the host's own platform")
    assert multiarch_image.select(docker_host_platform).platform == docker_host_platform
