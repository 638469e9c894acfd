"""`--multiarch-install-emulators`: emulators are registered before the first test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import BOTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Project


@pytest.fixture
def project(project: Project) -> Project:
    project.fake_engine("unavailable=('linux/arm64',)")
    project.write(test_it="def test_it(platform_container): pass")
    return project


def test_emulators_are_registered_before_anything_is_built(project: Project) -> None:
    result = project.run(BOTH, "--multiarch-install-emulators")
    result.assert_outcomes(passed=2)
    assert [call["call"] for call in project.calls()][:4] == ["made", "check", "emulators", "prepare"]
    assert project.calls("made")[0]["install_emulators"] is True
    result.stdout.fnmatch_lines(["multiarch: linux/amd64 native; linux/arm64 emulated by qemu-aarch64 10.0.2"])


def test_it_can_stand_in_the_ini_file(project: Project) -> None:
    project.path.joinpath("pytest.ini").write_text("[pytest]\nmultiarch_install_emulators = true\n", encoding="utf-8")
    project.run(BOTH).assert_outcomes(passed=2)


def test_without_it_nothing_is_registered(project: Project) -> None:
    project.run(BOTH).assert_outcomes(passed=1, errors=1)
    assert project.calls("made")[0]["install_emulators"] is False


def test_emulators_that_cannot_be_registered_end_the_run(project: Project) -> None:
    project.fake_engine(
        conftest="from pytest_multiarch.errors import EmulatorsMissing\n"
        "from tests.plugin.fake_environment import FakeSupports\n"
        "def no(self, platforms): raise EmulatorsMissing('registering emulators', 'nobody has any', 'Get some.')\n"
        "FakeSupports.prepare = no\n",
    )
    result = project.run_apart(BOTH, "--multiarch-install-emulators")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*registering emulators: nobody has any", "Get some."])
